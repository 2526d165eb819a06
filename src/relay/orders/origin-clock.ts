import { machineMs } from "../../shared/machine-clock.js";

/** How long what was heard of the clock counts, in ms; as clocks of two machines part by a few in an hour. */
const COUNTS_MS = 10_000;
/** Entries come twice a second. Behind a longer pause, in which the other machine may have stood still, none counts. */
const PAUSE_MS_MAX = 1000;

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
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(now = machineMs) {
    this.#now = now;
  }

  /** An entry that was made at a time of the other clock has just come. */
  heard(clock: number): void {
    const now = this.#now();
    const paused = now - this.#heardAt > PAUSE_MS_MAX;
    if (paused || now - this.#turnedAt > COUNTS_MS) {
      this.#aheadBefore = paused ? Number.NEGATIVE_INFINITY : this.#ahead;
      this.#ahead = Number.NEGATIVE_INFINITY;
      this.#turnedAt = now;
    }
    this.#heardAt = now;
    this.#ahead = Math.max(this.#ahead, clock - now);
  }

  /** The other clock's time, in ms; only after something was heard. */
  now(): number {
    return this.#now() + Math.max(this.#ahead, this.#aheadBefore);
  }
}
