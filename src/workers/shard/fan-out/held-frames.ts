import { FrameRanges } from "./frame-ranges.js";

/** Where a round began: what an audience had been offered before it, and the position of the trades. */
export interface RoundStart {
  readonly round: number;
  readonly offeredBefore: number;
  readonly tradesFrom: number;
}

/**
 * What an audience's rounds have left to wait for more: copies of its frames, as if of one long round.
 *
 * Invariant: it holds frames of rounds that follow each other without one that was flushed between them.
 */
export class HeldFrames implements RoundStart {
  readonly states = new FrameRanges();
  readonly trades = new FrameRanges();
  /** Of the first of the rounds. */
  readonly round: number;
  readonly offeredBefore: number;
  readonly tradesFrom: number;
  /** `ts` of the oldest message, in microseconds. */
  readonly oldestTs: number;
  /** Made with the first frames: there may be as many of these as there are audiences. */
  bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor({ round, offeredBefore, tradesFrom }: RoundStart, oldestTs: number) {
    this.round = round;
    this.offeredBefore = offeredBefore;
    this.tradesFrom = tradesFrom;
    this.oldestTs = oldestTs;
  }

  /** Bytes that are held. */
  get length(): number {
    return this.#length;
  }

  /** Takes another round's frames. */
  add(source: Buffer, states: FrameRanges, trades: FrameRanges): void {
    this.#take(source, states, this.states);
    this.#take(source, trades, this.trades);
  }

  #take(source: Buffer, from: FrameRanges, to: FrameRanges): void {
    if (from.messages === 0) return;
    const start = this.#length;
    const end = start + from.bytes;
    if (end > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(2 * end);
      this.bytes.copy(grown, 0, 0, start);
      this.bytes = grown;
    }
    from.copyTo(this.bytes, start, source);
    this.#length = end;
    to.add({ start, end }, from.messages);
  }
}
