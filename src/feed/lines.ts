import { TextFault } from "../shared/text-fault.js";
import { decodeUtf8, hasUtf16Mark, withoutMark } from "../shared/utf8.js";

const LF = 0x0a;
const CR = 0x0d;

/** Longest line that is taken, in bytes without its end. */
const LINE_BYTES_MAX = 65_536;

export interface Line {
  /** 1-based. */
  readonly number: number;
  /** Without its line end; undefined where the line was longer than the limit, or is no UTF-8. */
  readonly text: string | undefined;
  /** Why it is no UTF-8. */
  readonly fault?: TextFault;
}

/**
 * Splits bytes into lines of UTF-8, ended by LF or CRLF; a byte order mark is dropped.
 *
 * Invariant: between two calls the first `#heldBytes` of `#held` are those of the one unfinished
 * line, unless it is `#tooLong` already: then they are nothing. The room is the limit and one byte,
 * which may turn out to be the CR of a line of exactly the limit.
 */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #held: Buffer;
  #heldBytes = 0;
  #tooLong = false;
  #number = 0;

  constructor(bytesMax: number = LINE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
    this.#held = Buffer.allocUnsafe(bytesMax + 1);
  }

  /**
   * The lines that `chunk` completes. The chunk may be reused afterwards. Throws TextFault where the
   * first line says that all of it is UTF-16.
   */
  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  /** The last line, where the input did not finish it with a line end. */
  end(): Line[] {
    return this.#heldBytes > 0 || this.#tooLong ? [this.#complete(Buffer.alloc(0))] : [];
  }

  #hold(bytes: Buffer): void {
    if (this.#heldBytes + bytes.length > this.#held.length) this.#tooLong = true;
    if (this.#tooLong) return;
    this.#heldBytes += bytes.copy(this.#held, this.#heldBytes);
  }

  #complete(last: Buffer): Line {
    this.#number += 1;
    let bytes = last;
    if (this.#heldBytes > 0) {
      this.#hold(last);
      bytes = this.#held.subarray(0, this.#heldBytes);
    }
    const length = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length;
    const fits = !this.#tooLong && length <= this.#bytesMax;
    this.#heldBytes = 0;
    this.#tooLong = false;
    if (!fits) return { number: this.#number, text: undefined };
    try {
      const text = decodeUtf8(bytes, length);
      return { number: this.#number, text: this.#number === 1 ? withoutMark(text) : text };
    } catch (error) {
      if (!(error instanceof TextFault)) throw error;
      if (this.#number === 1 && hasUtf16Mark(bytes)) throw error;
      return { number: this.#number, text: undefined, fault: error };
    }
  }
}
