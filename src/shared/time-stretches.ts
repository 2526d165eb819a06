/*
 * How the time that the exchange tells and the time that has passed belong together.
 *
 * What it tells (`ts`) follows the wall clock, which somebody may set ahead and back, and never goes
 * back itself. How old a thing is must not depend on that: what was done an hour ago is an hour old,
 * whatever the clock said meanwhile. So the exchange notes where the two have parted. A *stretch* is
 * the time from one such moment to the next; within it `ts` moves at a known pace, 1 but where it waits
 * for a clock that was set back. Without any, the two are one.
 *
 *   passed ▲              ╱ stretch 2
 *          │        ┌────╱     the clock is set ahead: ts goes on at another place,
 *          │       ╱           and no time has passed
 *          │      ╱ stretch 1
 *          └──────────────────► ts
 */

export interface Stretch {
  /** Where it begins, in microseconds since the Unix epoch. */
  readonly ts: number;
  /** The time that had passed by then, in microseconds from a moment of its own. */
  readonly passed: number;
  /** Microseconds of `ts` in a microsecond that passes. */
  readonly pace: number;
}

/** The time that had passed at a `ts`; ascending as that is. */
export function passedAt(stretches: readonly Stretch[], ts: number): number {
  const stretch = stretches.findLast((one) => one.ts <= ts);
  if (stretch !== undefined) return stretch.passed + (ts - stretch.ts) / stretch.pace;
  const [first] = stretches;
  return first === undefined ? ts : first.passed - (first.ts - ts);
}

/** The `ts` at which so much time had passed. */
export function tsAt(stretches: readonly Stretch[], passed: number): number {
  const index = stretches.findLastIndex((one) => one.passed <= passed);
  const stretch = stretches[index];
  const next = stretches[index + 1]?.ts ?? Infinity;
  if (stretch !== undefined)
    return Math.min(next, stretch.ts + (passed - stretch.passed) * stretch.pace);
  const [first] = stretches;
  return first === undefined ? passed : first.ts - (first.passed - passed);
}

/** The `ts` of so many microseconds before another one, by the time that has passed. */
export function tsBefore(stretches: readonly Stretch[], ts: number, micros: number): number {
  return tsAt(stretches, passedAt(stretches, ts) - micros);
}
