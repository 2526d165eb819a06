import { passedAt, type Stretch } from "../shared/time-stretches.js";

/** How far, in microseconds, what is told and what has passed may part before it is noted. */
const PARTED_MICROS_MAX = 1_000_000;
/** Of a `ts` that waits for the wall clock to catch up. */
const WAITING_PACE = 0.5;
/** Stretches that are kept; where there were more, the time before them counts as it was told. */
const STRETCHES_MAX = 100;
/** The first one, in which what is told is what has passed. */
const FIRST: Stretch = { ts: 0, passed: 0, pace: 1 };

/** Where the time of an earlier exchange had come to. */
export interface StoredTime {
  /** The latest that it told; 0 where it told none. */
  readonly latestTs: number;
  readonly stretches: readonly Stretch[];
}

/** Clocks, in microseconds. */
export interface Clocks {
  /** Since the Unix epoch; may be set ahead and back. */
  readonly now: () => number;
  /** Since any moment; goes on evenly. */
  readonly monotonicNow: () => number;
}

/**
 * The exchange's time: what it tells (`ts`), and how much has passed.
 *
 * `ts` follows the wall clock and ascends with each reading, over restarts too. Where the clock was set
 * back it goes on at half its pace until the clock has caught up. What has passed is measured by the
 * monotonic clock, so that setting the wall clock makes nothing older or younger; only while no
 * exchange runs, the wall clock is all there is to tell how long that was.
 */
export class ExchangeTime {
  readonly #clocks: Clocks;
  #stretches: readonly Stretch[];
  #ts: number;
  /** The reading of the monotonic clock that #passed belongs to. */
  #readAt: number;
  #passed: number;
  /** What had passed at #ts. */
  #passedAtTs: number;
  /** Where `ts` began to wait for the wall clock, and when that was. */
  #waiting: { readonly ts: number; readonly passed: number } | undefined;

  constructor(clocks: Clocks, { latestTs, stretches }: StoredTime) {
    this.#clocks = clocks;
    this.#stretches = stretches;
    this.#ts = latestTs;
    this.#readAt = clocks.monotonicNow();
    this.#passed = passedAt(stretches, latestTs) + Math.max(0, clocks.now() - latestTs);
    this.#passedAtTs = this.#passed;
  }

  /** A `ts`, later than all before. */
  now(): number {
    this.#read();
    this.#ts = Math.max(this.#ts + 1, this.#reading());
    this.#passedAtTs = this.#passed;
    this.#note();
    return this.#ts;
  }

  /** The time that has passed, in microseconds from a moment of its own. */
  get passed(): number {
    this.#read();
    return this.#passed;
  }

  /** Where the two have parted; what a later exchange must know. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  #read(): void {
    const readAt = this.#clocks.monotonicNow();
    this.#passed += Math.max(0, readAt - this.#readAt);
    this.#readAt = readAt;
  }

  #reading(): number {
    const wall = this.#clocks.now();
    if (wall >= this.#ts) {
      this.#waiting = undefined;
      return wall;
    }
    this.#waiting ??= { ts: this.#ts, passed: this.#passedAtTs };
    return Math.floor(this.#waiting.ts + (this.#passed - this.#waiting.passed) * WAITING_PACE);
  }

  #note(): void {
    if (Math.abs(passedAt(this.#stretches, this.#ts) - this.#passed) <= PARTED_MICROS_MAX) return;
    const pace = this.#waiting === undefined ? 1 : WAITING_PACE;
    const stretch: Stretch = { ts: this.#ts, passed: Math.round(this.#passed), pace };
    const known = this.#stretches.length === 0 ? [FIRST] : this.#stretches;
    this.#stretches = [...known, stretch].slice(-STRETCHES_MAX);
  }
}
