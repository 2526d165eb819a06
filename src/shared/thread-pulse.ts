import { monitorEventLoopDelay } from "node:perf_hooks";

const PULSE_INTERVAL_MS = 500;
/** How finely the event loop's delay is sampled. */
const SAMPLING_MS = 10;

/**
 * Calls `beat` at once and then twice a second while the thread's event loop turns, with the loop's
 * lag since the last call: the 99th percentile in seconds. Returns the function that stops it.
 */
export function startThreadPulse(beat: (loopLagS: number) => void): () => void {
  beat(0);
  const delay = monitorEventLoopDelay({ resolution: SAMPLING_MS });
  delay.enable();
  const timer = setInterval(() => {
    // The histogram holds whole sampling intervals, of which only the excess is lag.
    const lagMs = delay.count === 0 ? 0 : delay.percentile(99) / 1e6 - SAMPLING_MS;
    delay.reset();
    beat(Math.max(0, lagMs / 1000));
  }, PULSE_INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
