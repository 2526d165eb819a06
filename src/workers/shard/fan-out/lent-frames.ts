import type { LentBatch } from "../connections/frame-batch.js";
import type { FrameRanges } from "./frame-ranges.js";

const INITIAL_BYTES = 64 * 1024;

/**
 * What the members of an audience are sent in a round, in one buffer for all audiences: a buffer for each
 * is most of what a small one costs. Good until they are released.
 */
export class LentFrames implements LentBatch {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  length = 0;
  messages = 0;
  #copy: Buffer | undefined;

  /** Gathers an audience's frames of the round, in their order. */
  gather(source: Buffer, states: FrameRanges, trades: FrameRanges): void {
    this.length = states.bytes + trades.bytes;
    this.messages = states.messages + trades.messages;
    // Whatever has kept the last frames from being released, nobody is sent a copy of them.
    this.#copy = undefined;
    if (this.length > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(2 * this.length);
    trades.copyTo(this.buffer, states.copyTo(this.buffer, 0, source), source);
  }

  /** Has the messages gathered in other frames than their plain ones. */
  reframe(bytes: Buffer): void {
    this.length = bytes.length;
    if (this.length > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(2 * this.length);
    bytes.copy(this.buffer);
  }

  /** The audience has what it is sent. */
  release(): void {
    this.#copy = undefined;
    // One huge round must not hold its memory for good.
    if (this.buffer.length > 16 * INITIAL_BYTES)
      this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** One for all members that keep some; not from Node's pool, see {@link FrameRanges.concat}. */
  copy(): Buffer {
    if (this.#copy === undefined) {
      this.#copy = Buffer.allocUnsafeSlow(this.length);
      this.buffer.copy(this.#copy, 0, 0, this.length);
    }
    return this.#copy;
  }
}
