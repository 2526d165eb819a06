import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RestartDelay } from "../../src/main/restart-delay.js";

beforeEach(() => vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => vi.useRealTimers());

test("restart delay - none at first, then doubling up to five seconds while the thread keeps dying young", () => {
  const delay = new RestartDelay();
  const delays = Array.from({ length: 9 }, () => {
    delay.started();
    vi.advanceTimersByTime(50);
    return delay.next();
  });
  expect(delays).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test("restart delay - a thread that lived for long starts again at once", () => {
  const delay = new RestartDelay();
  for (let death = 0; death < 5; death++) {
    delay.started();
    delay.next();
  }
  delay.started();
  vi.advanceTimersByTime(10_001);
  expect(delay.next()).toBe(0);
});
