const FINAL = 0x80;
const RESERVED_1 = 0x40;
const OPCODE = 0x0f;
const TEXT = 0x1;
const BINARY = 0x2;
const CONTROL = 0x08;
const CLOSE_FRAME = 0x8;
const MASKED = 0x80;
const LENGTH = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/** What a compressed message is when it is inflated. */
export type CompressedMessage = "text" | "binary";

/** Which byte of a frame comes next. */
const AT = { first: 0, second: 1, length: 2, body: 3 } as const;

/**
 * Follows the frames in what a client sends, to know where each ends, without looking into them: that is
 * `ws`'s, which also ends a connection whose frames are malformed.
 *
 * Where compression was negotiated, the first frame of a compressed message is made an ordinary binary one
 * in place: so `ws` keeps its checks and its order, gives the message at once, and leaves the inflating to
 * whoever gets it. The bit anywhere else stays, and is an error to `ws`.
 *
 * Sources: RFC 6455, section 5.2; RFC 7692, section 6.
 */
export class FrameScanner {
  #at: (typeof AT)[keyof typeof AT] = AT.first;
  #first = 0;
  #masked = false;
  /** Bytes of the extended length that are still to come, and what it is so far. */
  #lengthBytes = 0;
  #length = 0;
  /** Bytes of mask and payload that are still to come. */
  #left = 0;
  /** A data message has begun whose last frame has not ended. */
  #inMessage = false;

  /** The header's last byte was among the bytes scanned last. */
  #headerEnded = false;

  readonly #compression: boolean;
  #compressed: CompressedMessage | undefined;

  /** @param compression whether messages may come compressed */
  constructor(compression = false) {
    this.#compression = compression;
  }

  /** What the data message that began last is when it is inflated; undefined where it is not compressed. */
  get compressed(): CompressedMessage | undefined {
    return this.#compressed;
  }

  /** Bytes of payload that the frame's header announced, if its last byte was among those scanned last. */
  get announced(): number | undefined {
    return this.#headerEnded ? this.#length : undefined;
  }

  /** Whether the frame scanned last is a ping, pong or close. */
  get control(): boolean {
    return (this.#first & CONTROL) !== 0;
  }

  /** Whether the frame scanned last is a close. */
  get close(): boolean {
    return (this.#first & OPCODE) === CLOSE_FRAME;
  }

  /** Whether the frame scanned last is one of several of its message. */
  get fragment(): boolean {
    return !this.control && ((this.#first & FINAL) === 0 || (this.#first & OPCODE) === 0);
  }

  /** Whether the last frame has ended. */
  get betweenFrames(): boolean {
    return this.#at === AT.first;
  }

  /** Whether a frame or a message has begun and not ended. */
  get unfinished(): boolean {
    return this.#inMessage || !this.betweenFrames;
  }

  /** Scans on from `at`; returns the offset behind the frame, or the bytes' end where it goes on. */
  scan(bytes: Uint8Array, at: number): number {
    this.#headerEnded = false;
    while (at < bytes.length) {
      if (this.#at === AT.body) {
        const taken = Math.min(this.#left, bytes.length - at);
        at += taken;
        this.#left -= taken;
      } else {
        if (this.#compression && this.#at === AT.first) this.#uncover(bytes, at);
        this.#header(bytes[at++] as number);
      }
      if (this.#at === AT.body && this.#left === 0) {
        this.#at = AT.first;
        if (!this.control) this.#inMessage = (this.#first & FINAL) === 0;
        return at;
      }
    }
    return at;
  }

  /** Notes whether a message that begins is compressed, and makes its first byte one that is not. */
  #uncover(bytes: Uint8Array, at: number): void {
    const first = bytes[at] as number;
    const opcode = first & OPCODE;
    if (opcode !== TEXT && opcode !== BINARY) return;
    const compressed = (first & RESERVED_1) !== 0;
    this.#compressed = !compressed ? undefined : opcode === TEXT ? "text" : "binary";
    if (compressed) bytes[at] = (first & ~(RESERVED_1 | OPCODE)) | BINARY;
  }

  #header(byte: number): void {
    switch (this.#at) {
      case AT.first:
        this.#first = byte;
        this.#at = AT.second;
        return;
      case AT.second:
        this.#masked = (byte & MASKED) !== 0;
        this.#length = byte & LENGTH;
        if (this.#length < LENGTH_16) return this.#body();
        this.#lengthBytes = this.#length === LENGTH_64 ? 8 : 2;
        this.#length = 0;
        this.#at = AT.length;
        return;
      default:
        this.#length = this.#length * 256 + byte;
        if (--this.#lengthBytes === 0) this.#body();
    }
  }

  #body(): void {
    this.#headerEnded = true;
    this.#left = this.#length + (this.#masked ? MASK_BYTES : 0);
    this.#at = AT.body;
  }
}
