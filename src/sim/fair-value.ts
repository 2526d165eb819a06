import type { Random } from "../shared/random.js";

/** How far the value strays from its home, as a share of what it is measured against. */
const DEVIATION_SHARE = 0.03;
const DEVIATION_MIN = 2;
/** Keeps the walk's odds within what {@link Random.below} can draw. */
const DEVIATION_MAX = 10_000;

interface FairValueRange {
  readonly min: number;
  readonly max: number;
}

/**
 * What a market is worth to the simulated traders, in ticks: a walk of single ticks that is drawn back
 * to where it began. At a distance x from there a step leads away with odds (½ − x / 4σ²), the discrete
 * form of an Ornstein-Uhlenbeck process with standard deviation σ; and it never leaves its range.
 */
export class FairValue {
  readonly #home: number;
  readonly #range: FairValueRange;
  readonly #random: Random;
  readonly #pull: number;
  #value: number;

  /**
   * @param start in ticks; taken into the range where it lies outside
   * @param scale the number of ticks of which the standard deviation is 3 %
   */
  constructor(start: number, range: FairValueRange, scale: number, random: Random) {
    const deviation = Math.round(scale * DEVIATION_SHARE);
    this.#pull = 2 * Math.min(DEVIATION_MAX, Math.max(DEVIATION_MIN, deviation)) ** 2;
    this.#range = range;
    this.#random = random;
    this.#home = clamp(start, range);
    this.#value = this.#home;
  }

  get ticks(): number {
    return this.#value;
  }

  /** Moves by one tick, or not at all at an end of the range. */
  step(): void {
    const rises = this.#random.below(2 * this.#pull) < this.#pull + this.#home - this.#value;
    this.#value = clamp(this.#value + (rises ? 1 : -1), this.#range);
  }
}

function clamp(value: number, { min, max }: FairValueRange): number {
  return Math.min(max, Math.max(min, value));
}
