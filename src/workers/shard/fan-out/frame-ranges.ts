import type { FrameBatch } from "../connections/frame-batch.js";

/** Stretches of a round's encoded frames, in order; neighbours are merged. */
export class FrameRanges {
  messages = 0;
  bytes = 0;
  readonly #bounds: number[] = [];

  /** Adds a stretch of one frame, or of so many. */
  add({ start, end }: { readonly start: number; readonly end: number }, messages = 1): void {
    const bounds = this.#bounds;
    if (bounds.length > 0 && bounds[bounds.length - 1] === start) bounds[bounds.length - 1] = end;
    else bounds.push(start, end);
    this.bytes += end - start;
    this.messages += messages;
  }

  clear(): void {
    this.#bounds.length = 0;
    this.bytes = 0;
    this.messages = 0;
  }

  /** Copies the frames to a buffer that has room for them; returns where they end. */
  copyTo(target: Buffer, at: number, source: Buffer): number {
    let end = at;
    for (let bound = 0; bound < this.#bounds.length; bound += 2)
      end += source.copy(target, end, this.#bounds[bound], this.#bounds[bound + 1]);
    return end;
  }

  /**
   * A buffer of its own with the frames of all the ranges: sockets may hold it long after the round.
   * Never from Node's pool, of which one slow socket would hold back a whole block.
   */
  static concat(source: Buffer, ...all: readonly FrameRanges[]): FrameBatch {
    let messages = 0;
    let length = 0;
    for (const ranges of all) {
      messages += ranges.messages;
      length += ranges.bytes;
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for (const ranges of all) at = ranges.copyTo(bytes, at, source);
    return { bytes, messages };
  }
}
