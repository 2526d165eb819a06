/** Longest header of a server's frame (RFC 6455: 2 bytes, 8 of extended length, no mask). */
const HEADER_BYTES_MAX = 10;
const CONTROL_PAYLOAD_BYTES_MAX = 125;
const FIRST_CONTROL_OPCODE = 8;
/** In the first byte of a compressed message (RFC 7692). */
const COMPRESSED = 0x40;

/** What all connections of a load client count together, and where they report what they find. */
export interface FrameTally {
  frames: number;
  payloadBytes: number;
  /** Frames still to pass before the next one is sampled. */
  untilSample: number;
  sampleEvery: number;
  /** A sampled frame's payload, wholly in `chunk`, and whether it is compressed. */
  sample(chunk: Buffer, start: number, end: number, compressed: boolean): void;
}

/**
 * Counts the WebSocket frames of one connection by their headers; payloads are skipped unread, except
 * those of sampled frames and of control frames. Fed with chunks that are cut anywhere.
 */
export class FrameCounter {
  readonly #tally: FrameTally;
  readonly #onControl: (opcode: number, payload: Buffer) => void;
  /** Payload bytes of the current frame that are still to come. */
  #skip = 0;
  /** A header, or a control frame, that a chunk's end cut off. */
  readonly #cut = Buffer.alloc(HEADER_BYTES_MAX + CONTROL_PAYLOAD_BYTES_MAX);
  #cutLength = 0;

  constructor(tally: FrameTally, onControl: (opcode: number, payload: Buffer) => void) {
    this.#tally = tally;
    this.#onControl = onControl;
  }

  /** Takes `chunk` from `position` to `end`. */
  consume(chunk: Buffer, position: number, end: number): void {
    if (this.#cutLength > 0) position = this.#completeCut(chunk, position, end);
    const skip = this.#skip;
    if (position + skip >= end) {
      this.#skip = skip - (end - position);
      return;
    }
    this.#skip = this.#walk(chunk, position + skip, end);
  }

  /** Counts the frames that start in [at, end); returns how far the last one reaches beyond `end`. */
  #walk(chunk: Buffer, at: number, end: number): number {
    const tally = this.#tally;
    let { untilSample } = tally;
    let frames = 0;
    let payloadBytes = 0;
    while (at < end) {
      const header = headerBytes(chunk, at, end);
      if (header === 0 || at + header > end) {
        this.#cutOff(chunk, at, end);
        at = end;
        break;
      }
      const length = payloadLength(chunk, at, header);
      const start = at + header;
      if (((chunk[at] as number) & 15) >= FIRST_CONTROL_OPCODE) {
        if (start + length > end) {
          this.#cutOff(chunk, at, end);
          at = end;
          break;
        }
        this.#onControl((chunk[at] as number) & 15, chunk.subarray(start, start + length));
      } else {
        frames++;
        payloadBytes += length;
        if (--untilSample <= 0 && start + length <= end) {
          tally.sample(chunk, start, start + length, ((chunk[at] as number) & COMPRESSED) !== 0);
          untilSample = tally.sampleEvery;
        }
      }
      at = start + length;
    }
    tally.untilSample = untilSample;
    tally.frames += frames;
    tally.payloadBytes += payloadBytes;
    return at - end;
  }

  #cutOff(chunk: Buffer, from: number, end: number): void {
    for (let at = from; at < end; at++) this.#cut[this.#cutLength++] = chunk[at] as number;
  }

  /** Adds byte after byte until the frame that was cut off can be taken; returns where the chunk goes on. */
  #completeCut(chunk: Buffer, position: number, end: number): number {
    const cut = this.#cut;
    while (position < end) {
      cut[this.#cutLength++] = chunk[position++] as number;
      const length = this.#cutLength;
      const header = headerBytes(cut, 0, length);
      if (header === 0 || header > length) continue;
      const isControl = ((cut[0] as number) & 15) >= FIRST_CONTROL_OPCODE;
      if (isControl && header + payloadLength(cut, 0, header) > length) continue;
      this.#cutLength = 0;
      this.#skip = this.#walk(cut, 0, length);
      break;
    }
    return position;
  }
}

/** Bytes in the header that starts at `at`, or 0 where its second byte is not there yet. */
function headerBytes(chunk: Buffer, at: number, end: number): number {
  if (at + 2 > end) return 0;
  const length = (chunk[at + 1] as number) & 127;
  return length < 126 ? 2 : length === 126 ? 4 : HEADER_BYTES_MAX;
}

function payloadLength(chunk: Buffer, at: number, header: number): number {
  if (header === 2) return (chunk[at + 1] as number) & 127;
  if (header === 4) return ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number);
  let length = 0;
  for (let byte = at + 2; byte < at + header; byte++)
    length = length * 256 + (chunk[byte] as number);
  return length;
}
