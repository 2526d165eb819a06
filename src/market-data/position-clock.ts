/** Of a `ts` that waits for the wall clock: a step, of a microsecond, in each millisecond. */
const WAITING_PACE = 0.001;
/** A wall clock that leaps ahead by more, in microseconds, is doubted for a while. */
const LEAP_MICROS_MAX = 24 * 3_600_000_000;
const DOUBTED_MICROS = 60_000_000;
/** A `ts` that is ahead of the wall clock by more, in microseconds, is reported. */
const AHEAD_MICROS_MAX = 1_000_000;

/** Clocks, in microseconds. */
export interface Clocks {
  /** Since the Unix epoch, an integer; may be set ahead and back. */
  readonly now: () => number;
  /** Since any moment; goes on evenly. */
  readonly monotonicNow: () => number;
}

/** What an operator should know of the wall clock. */
export type ClockReport =
  /** It is behind what was told, by so much: `ts` waits for it. */
  | { readonly type: "behind"; readonly micros: number }
  | { readonly type: "caught-up" }
  /** It has leapt ahead, by so much: it is followed in a minute, unless it is set back before. */
  | { readonly type: "leapt"; readonly micros: number }
  /** One that leapt is followed again, wherever it is. */
  | { readonly type: "followed" };

/** From where on `ts` goes by the monotonic clock, and how fast. */
interface Apart {
  readonly ts: number;
  readonly passed: number;
  readonly pace: number;
}

/**
 * The one source of `ts`, in microseconds since the Unix epoch. It follows the wall clock and never
 * goes back, over producers and restarts neither:
 *
 * - where the wall clock is behind what was told, `ts` waits for it, and takes the least step a millisecond;
 * - a wall clock that leaps ahead by more than a day is followed when it has stayed there for a minute,
 *   so that one that is wrong for a moment does not have `ts` wait for a year.
 *
 * What is decided now may be told later, when it is on disk, and keeps its `ts`. So there are two
 * readings: {@link now} for what happens, {@link tell} for what is told at once. While what has happened
 * waits for the disk the latter is {@link hold held} where it was, and it never passes {@link limit},
 * the latest that the disk knows to have been told.
 *
 * Invariants: neither reading is ever less than the one before; `tell` is never more than `now`, but for
 * what {@link hold} is given.
 */
export class PositionClock {
  readonly #clocks: Clocks;
  readonly #report: (report: ClockReport) => void;
  #ts = 0;
  /** Time that has passed since this clock was made, and the reading of the monotonic clock then. */
  #passed = 0;
  #readAt: number;
  /** What had passed at #ts. */
  #passedAtTs = 0;
  /** The wall clock has been followed, so a leap of it can be told. */
  #following = false;
  /** Undefined while `ts` is the wall clock's. */
  #apart: Apart | undefined;
  #reportedBehind = false;
  #heldAt: number | undefined;
  #limit = Number.POSITIVE_INFINITY;
  #behind = 0;

  /** @param latestTs that an earlier producer has told; 0 where there was none */
  constructor(clocks: Clocks, latestTs = 0, report: (report: ClockReport) => void = () => {}) {
    this.#clocks = clocks;
    this.#report = report;
    this.#readAt = clocks.monotonicNow();
    this.beginBehind(latestTs);
  }

  /** Has all that is read from now on be later than a `ts` of before. */
  beginBehind(latestTs: number): void {
    this.#ts = Math.max(this.#ts, latestTs + 1);
    this.#behind = Math.max(this.#behind, latestTs);
  }

  /** From which `ts` on nothing has been told before; 0 where nothing ever was. */
  get firstTs(): number {
    return this.#behind === 0 ? 0 : this.#behind + 1;
  }

  /** The `ts` of what happens now. */
  now(): number {
    this.#read();
    this.#ts = Math.max(this.#ts, this.#reading());
    this.#passedAtTs = this.#passed;
    return this.#ts;
  }

  /** The `ts` of what is told now, of something that waits for no disk. */
  readonly tell = (): number => this.#heldAt ?? Math.min(this.now(), this.#limit);

  /**
   * Has {@link tell} stand still: what is told until {@link release} is no later than what happens
   * meanwhile and is told then.
   * @param ts not before any that was told; by default the present one
   */
  hold(ts = this.tell()): void {
    this.#heldAt = ts;
  }

  release(): void {
    this.#heldAt = undefined;
  }

  /** The latest `ts` that may be told: a restarted server will begin behind it. It may only grow. */
  set limit(ts: number) {
    this.#limit = ts;
  }

  /** The wall clock as it is. */
  get wall(): number {
    return this.#clocks.now();
  }

  /** Microseconds that have passed since this clock was made, whatever the wall clock did. */
  get passed(): number {
    this.#read();
    return this.#passed;
  }

  /** Microseconds of `ts` in a microsecond that passes. */
  get pace(): number {
    return this.#apart?.pace ?? 1;
  }

  #read(): void {
    const readAt = this.#clocks.monotonicNow();
    this.#passed += Math.max(0, readAt - this.#readAt);
    this.#readAt = readAt;
  }

  #reading(): number {
    const { wall } = this;
    if (wall < this.#ts) {
      this.#part(WAITING_PACE);
      this.#reportBehind(this.#ts - wall);
    } else if (this.#isDoubtful(wall)) {
      if (this.#part(1)) this.#report({ type: "leapt", micros: wall - this.#ts });
    } else {
      this.#follow();
      return wall;
    }
    const { ts, passed, pace } = this.#apart as Apart;
    return ts + Math.floor((this.#passed - passed) * pace);
  }

  /** Whether the wall clock is where it can be by a leap only, and for how short a time. */
  #isDoubtful(wall: number): boolean {
    const evenly = this.#ts + this.#passed - this.#passedAtTs;
    if (!this.#following || wall - evenly <= LEAP_MICROS_MAX) return false;
    return this.#apart?.pace !== 1 || this.#passed - this.#apart.passed < DOUBTED_MICROS;
  }

  /** Goes by the monotonic clock from the last reading on. Returns whether it has not done so before. */
  #part(pace: number): boolean {
    if (this.#apart?.pace === pace) return false;
    this.#apart = { ts: this.#ts, passed: this.#passedAtTs, pace };
    return true;
  }

  #follow(): void {
    if (this.#reportedBehind) this.#report({ type: "caught-up" });
    else if (this.#apart?.pace === 1) this.#report({ type: "followed" });
    this.#reportedBehind = false;
    this.#apart = undefined;
    this.#following = true;
  }

  #reportBehind(micros: number): void {
    if (this.#reportedBehind || micros <= AHEAD_MICROS_MAX) return;
    this.#reportedBehind = true;
    this.#report({ type: "behind", micros });
  }
}
