import type { PositionClock } from "../market-data/position-clock.js";
import { passedAt, type Stretch } from "../shared/time-stretches.js";

/** How far, in microseconds, what is told and what has passed may part before it is noted. */
const PARTED_MICROS_MAX = 1_000_000;
/** Stretches that are kept; where there were more, the time before them counts as it was told. */
const STRETCHES_MAX = 100;
/** The first one, in which what is told is what has passed. */
const FIRST: Stretch = { ts: 0, passed: 0, pace: 1 };

/** Where the time of an earlier exchange had come to. */
export interface StoredTime {
  /** The latest that it can have told; 0 where it told none. */
  readonly latestTs: number;
  readonly stretches: readonly Stretch[];
}

/**
 * The exchange's time: the `ts` of what happens, and how much has passed.
 *
 * `ts` is the {@link PositionClock}'s. What has passed is measured by the monotonic clock, so that
 * setting the wall clock makes nothing older or younger; only while no exchange runs, the wall clock is
 * all there is to tell how long that was.
 */
export class ExchangeTime {
  readonly #position: PositionClock;
  /** What had passed when the position clock was made. */
  readonly #passedBefore: number;
  #stretches: readonly Stretch[];

  constructor(position: PositionClock, { latestTs, stretches }: StoredTime) {
    position.beginBehind(latestTs);
    this.#position = position;
    this.#stretches = stretches;
    const passed = passedAt(stretches, latestTs) + Math.max(0, position.wall - latestTs);
    this.#passedBefore = passed - position.passed;
  }

  /** A `ts`, not before any other. */
  now(): number {
    const ts = this.#position.now();
    this.#note(ts);
    return ts;
  }

  /** The time that has passed, in microseconds from a moment of its own. */
  get passed(): number {
    return this.#passedBefore + this.#position.passed;
  }

  /** Where the two have parted; what a later exchange must know. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  #note(ts: number): void {
    const { passed } = this;
    if (Math.abs(passedAt(this.#stretches, ts) - passed) <= PARTED_MICROS_MAX) return;
    const stretch: Stretch = { ts, passed: Math.round(passed), pace: this.#position.pace };
    const known = this.#stretches.length === 0 ? [FIRST] : this.#stretches;
    this.#stretches = [...known, stretch].slice(-STRETCHES_MAX);
  }
}
