import { machineMs } from "../../shared/machine-clock.js";

/** How long what was heard of the clock counts, in ms; as clocks of two machines part by a few in an hour. */
const COUNTS_MS = 10_000;

/**
 * The clock of another machine, as far as its entries tell: never ahead of it, and behind it by as much as the fastest of
 * the last entries took to come.
 */
export class OriginClock {
  readonly #now: () => number;
  /** How far the other clock is ahead of the own at least: by what was heard lately, and before that. */
  #ahead = Number.NEGATIVE_INFINITY;
  #aheadBefore = Number.NEGATIVE_INFINITY;
  #turnedAt = Number.NEGATIVE_INFINITY;

  constructor(now = machineMs) {
    this.#now = now;
  }

  /** An entry that was made at a time of the other clock has just come. */
  heard(clock: number): void {
    const now = this.#now();
    if (now - this.#turnedAt > COUNTS_MS) {
      this.#aheadBefore = this.#ahead;
      this.#ahead = Number.NEGATIVE_INFINITY;
      this.#turnedAt = now;
    }
    this.#ahead = Math.max(this.#ahead, clock - now);
  }

  /** The other clock's time, in ms; only after something was heard. */
  now(): number {
    return this.#now() + Math.max(this.#ahead, this.#aheadBefore);
  }
}
