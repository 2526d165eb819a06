import { monitorEventLoopDelay } from "node:perf_hooks";

const PULSE_INTERVAL_MS = 500;
/** How finely the event loop's delay is sampled. */
const SAMPLING_MS = 10;

/**
 * Calls `beat` at once and then twice a second while the thread's event loop turns, with the loop's
 * longest lag since the last call, in seconds. Returns the function that stops it.
 */
export function startThreadPulse(beat: (loopLagS: number) => void): () => void {
  beat(0);
  const delay = monitorEventLoopDelay({ resolution: SAMPLING_MS });
  delay.enable();
  let dueAt = performance.now() + PULSE_INTERVAL_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    // The histogram holds whole sampling intervals, of which only the excess is lag.
    const sampledMs = delay.count === 0 ? 0 : delay.max / 1e6 - SAMPLING_MS;
    // A sample that is due at this very moment is lost with the reset; then this call is late itself.
    const lagMs = Math.max(0, sampledMs, now - dueAt);
    dueAt = now + PULSE_INTERVAL_MS;
    delay.reset();
    beat(lagMs / 1000);
  }, PULSE_INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
