/** How far, in ms, the monotonic reading may stray from the wall clock before it is anchored anew. */
const DRIFT_MS_MAX = 2;

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
  if (drift > DRIFT_MS_MAX || drift < -DRIFT_MS_MAX) anchorMs = wallMs + 0.5 - elapsedMs;
  return Math.round((anchorMs + elapsedMs) * 1000);
}
