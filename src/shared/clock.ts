/** How far, in ms, the monotonic reading may stray from the wall clock before it is anchored anew. */
const DRIFT_MS_MAX = 2;
/** Readings of the two clocks that are further apart than this, in ms, do not belong together. */
const APART_MS_MAX = 1;

let anchorMs = performance.timeOrigin;

/**
 * The time in integer microseconds since the Unix epoch, with sub-millisecond resolution.
 *
 * It advances with the monotonic clock and follows the wall clock when that is stepped or slewed
 * by more than {@link DRIFT_MS_MAX}; the threads of a process, and processes of one machine, agree
 * to within that.
 */
export function nowMicros(): number {
  const elapsedMs = performance.now();
  const wallMs = Date.now();
  // Date.now() is the truncated millisecond, so on average half a millisecond behind.
  const drift = wallMs + 0.5 - (anchorMs + elapsedMs);
  // A thread that was interrupted between the two readings has learnt nothing about the drift.
  const drifted = drift > DRIFT_MS_MAX || drift < -DRIFT_MS_MAX;
  if (drifted && performance.now() - elapsedMs < APART_MS_MAX) anchorMs = wallMs + 0.5 - elapsedMs;
  return Math.round((anchorMs + elapsedMs) * 1000);
}
