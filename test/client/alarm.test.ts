import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Alarm } from "../../src/client/alarm.js";

const DAY_MS = 86_400_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("alarm", () => {
  it.each([0, 1, 2 ** 31 - 1, 2 ** 31, 60 * DAY_MS])(
    "alarm - goes off after %d ms, once",
    (delayMs) => {
      const task = vi.fn();
      new Alarm().set(delayMs, task);
      vi.advanceTimersByTime(Math.max(0, delayMs - 1));
      expect(task).toHaveBeenCalledTimes(delayMs === 0 ? 1 : 0);
      vi.advanceTimersByTime(1);
      expect(task).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(delayMs);
      expect(task).toHaveBeenCalledTimes(1);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it("alarm - has one setting at a time, and none once cleared", () => {
    const [first, second] = [vi.fn(), vi.fn()];
    const alarm = new Alarm();
    alarm.set(90 * DAY_MS, first);
    vi.advanceTimersByTime(60 * DAY_MS);
    alarm.set(10, second);
    vi.advanceTimersByTime(90 * DAY_MS);
    expect([first, second].map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
    alarm.set(10, first);
    alarm.clear();
    vi.advanceTimersByTime(90 * DAY_MS);
    expect(first).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
