import { afterEach, describe, expect, it, vi } from "vitest";
import { startThreadPulse } from "../../src/shared/thread-pulse.js";
import { until } from "../support/until.js";

let stop: () => void = () => {};
afterEach(() => {
  stop();
  vi.useRealTimers();
});

describe("thread-pulse", () => {
  it("thread-pulse - it beats at once and twice a second, until it is stopped", () => {
    vi.useFakeTimers();
    const beat = vi.fn();
    stop = startThreadPulse(beat);
    expect(beat.mock.calls).toEqual([[0]]);
    vi.advanceTimersByTime(5000);
    expect(beat).toHaveBeenCalledTimes(11);
    stop();
    vi.advanceTimersByTime(5000);
    expect(beat).toHaveBeenCalledTimes(11);
  });

  it("thread-pulse - a loop that was held up has the lag to show for it", async () => {
    const lags: number[] = [];
    stop = startThreadPulse((lag) => lags.push(lag));
    await until("a quiet beat", () => lags.length >= 2);
    const beats = lags.length;
    // Held up at every look: the first sample after a beat has nothing to be measured from.
    await until("a lag", () => {
      const end = performance.now() + 200;
      while (performance.now() < end);
      return lags.slice(beats).some((lag) => lag > 0.1);
    });
    expect(lags.every((lag) => lag >= 0 && lag < 60)).toBe(true);
  });
});
