/** Opcodes of the frames the server makes itself (RFC 6455, section 5.2), with FIN set. */
export const FRAME = { text: 0x81, binary: 0x82, ping: 0x89, pong: 0x8a } as const;

/** Set in the first byte of a data frame whose message is compressed (RFC 7692, section 6). */
export const COMPRESSED = 0x40;

/** Room before a payload whose length is not known yet: the header of most messages. */
const HEADER_BYTES_USUAL = 4;
const HEADER_BYTES_MAX = 10;
const CAPACITY_INITIAL = 1 << 16;

/** Bytes of the header of an unmasked frame with `payload` bytes. */
function headerBytes(payload: number): number {
  return payload < 126 ? 2 : payload < 0x1_0000 ? 4 : 10;
}

/**
 * Collects encoded frames in one growing buffer, which is used again after {@link reset}. A frame is
 * known by its start and end offset, and `bytes` holds it until the reset.
 *
 * Payloads are written between `begin` and `end`: the encoder asks for room with `reserve`, writes
 * through `bytes` at `position` and moves `position` on.
 */
export class FrameWriter {
  bytes = Buffer.allocUnsafeSlow(CAPACITY_INITIAL);
  position = 0;
  #payload = 0;

  reset(): void {
    this.position = 0;
    // One huge snapshot must not hold its memory for good.
    if (this.bytes.length > 16 * CAPACITY_INITIAL)
      this.bytes = Buffer.allocUnsafeSlow(CAPACITY_INITIAL);
  }

  /** Bytes of the payload begun last. */
  get payloadLength(): number {
    return this.position - this.#payload;
  }

  /** What was written, in a buffer of its own: never from Node's pool, which a slow socket would hold. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafeSlow(this.position);
    this.bytes.copy(copy, 0, 0, this.position);
    return copy;
  }

  /** The payload begun last, as far as it is written; good until more is written. */
  get payload(): Buffer {
    return this.bytes.subarray(this.#payload, this.position);
  }

  /** Has the payload begun last begin again. */
  rewind(): void {
    this.position = this.#payload;
  }

  /** Writes bytes of another buffer into the payload begun last. */
  append(source: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    this.position += source.copy(this.bytes, this.position, start, end);
  }

  /** Makes room for `length` bytes at `position`. */
  reserve(length: number): void {
    const needed = this.position + length;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.position);
    this.bytes = grown;
  }

  /** Starts a frame whose payload's length will be known at {@link end}. */
  begin(): void {
    this.reserve(HEADER_BYTES_MAX);
    this.position += HEADER_BYTES_USUAL;
    this.#payload = this.position;
  }

  /** Ends the frame begun last and returns the offset it starts at; it ends at `position`. */
  end(opcode: number): number {
    const length = this.position - this.#payload;
    const start = this.#payload - HEADER_BYTES_USUAL;
    const header = headerBytes(length);
    if (header !== HEADER_BYTES_USUAL) {
      this.reserve(HEADER_BYTES_MAX);
      this.bytes.copyWithin(start + header, this.#payload, this.position);
      this.position = start + header + length;
    }
    this.#writeHeader(start, opcode, length);
    return start;
  }

  /** Writes text in UTF-8 into the payload begun last. */
  utf8(text: string): void {
    // A code unit takes three bytes at most.
    this.reserve(3 * text.length);
    this.position += this.bytes.write(text, this.position, "utf8");
  }

  /** Writes text that has no other characters than those of ASCII into the payload begun last. */
  ascii(text: string): void {
    this.reserve(text.length);
    this.position += this.bytes.write(text, this.position, "latin1");
  }

  #writeHeader(at: number, opcode: number, length: number): void {
    const { bytes } = this;
    bytes[at] = opcode;
    if (length < 126) {
      bytes[at + 1] = length;
    } else if (length < 0x1_0000) {
      bytes[at + 1] = 126;
      bytes[at + 2] = length >>> 8;
      bytes[at + 3] = length;
    } else {
      bytes[at + 1] = 127;
      bytes.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
      bytes.writeUInt32BE(length >>> 0, at + 6);
    }
  }
}
