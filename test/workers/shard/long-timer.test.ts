import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { callAt } from "../../../src/workers/shard/long-timer.js";

const DAY_MS = 86_400_000;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("long-timer", () => {
  for (const delay of [0, 1, 2 ** 31 - 1, 2 ** 31, 30 * DAY_MS, 100 * DAY_MS]) {
    it(`long-timer - a task ${delay} ms away runs then, once`, () => {
      const task = vi.fn();
      callAt(Date.now() + delay, task, () => {});
      vi.advanceTimersByTime(Math.max(0, delay - 1));
      expect(task).toHaveBeenCalledTimes(delay === 0 ? 1 : 0);
      vi.advanceTimersByTime(1);
      expect(task).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(delay);
      expect(task).toHaveBeenCalledTimes(1);
      expect(vi.getTimerCount()).toBe(0);
    });
  }

  it("long-timer - a moment that has passed is now; one that never comes is waited for", () => {
    const task = vi.fn();
    callAt(Date.now() - DAY_MS, task, () => {});
    vi.advanceTimersByTime(1);
    expect(task).toHaveBeenCalledTimes(1);
    callAt(Number.POSITIVE_INFINITY, task, () => {});
    vi.advanceTimersByTime(1000 * DAY_MS);
    expect(task).toHaveBeenCalledTimes(1);
  });

  it("long-timer - the last timer that was started is the one to clear", () => {
    const task = vi.fn();
    let timer: NodeJS.Timeout | undefined;
    callAt(Date.now() + 90 * DAY_MS, task, (started) => {
      timer = started;
    });
    vi.advanceTimersByTime(60 * DAY_MS);
    clearTimeout(timer);
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(task).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
