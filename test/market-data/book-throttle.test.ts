import { beforeEach, describe, expect, it } from "vitest";
import { BookThrottle } from "../../src/market-data/book-throttle.js";
import { type Book, createBook } from "../../src/shared/market.js";

const ONE = { slot: 1 };
const TWO = { slot: 2 };

describe("book throttle", () => {
  let nowMs: number;
  let timers: { readonly atMs: number; readonly task: () => void }[];
  let released: unknown[];
  let good: boolean;
  let throttle: BookThrottle<{ readonly slot: number }>;

  beforeEach(() => {
    nowMs = 5000;
    timers = [];
    released = [];
    good = true;
    throttle = new BookThrottle({
      intervalMs: 100,
      now: () => nowMs * 1000,
      setTimer: (task, delayMs) => timers.push({ atMs: nowMs + delayMs, task }),
      release: (market: { readonly slot: number }, book: Book) => {
        released.push([market, book]);
        return good;
      },
    });
  });

  /** Runs the next timer at its time. */
  function fire(): void {
    const { atMs, task } = timers.shift() as (typeof timers)[number];
    nowMs = atMs;
    task();
  }

  it("book throttle - the first goes out at once, and of those within the interval the last at its end", () => {
    const last = createBook();
    expect(throttle.admit(ONE, createBook())).toBe(true);
    nowMs += 30;
    expect(throttle.admit(ONE, createBook())).toBe(false);
    expect(throttle.admit(ONE, last)).toBe(false);
    expect([throttle.holds(ONE, last), throttle.holds(TWO, last)]).toEqual([true, false]);
    expect(timers.map(({ atMs }) => atMs)).toEqual([5100]);
    fire();
    expect(released).toEqual([[ONE, last]]);
    expect(throttle.holds(ONE, last)).toBe(false);
    expect(throttle.admit(ONE, last)).toBe(false);
    nowMs = 5200;
    fire();
    expect(throttle.admit(ONE, last)).toBe(false);
  });

  it("book throttle - markets do not wait for each other", () => {
    expect([ONE, TWO].map((market) => throttle.admit(market, createBook()))).toEqual([true, true]);
  });

  it("book throttle - one that could not go out costs no interval", () => {
    throttle.admit(ONE, createBook());
    nowMs += 99;
    throttle.admit(ONE, createBook());
    good = false;
    fire();
    expect(throttle.admit(ONE, createBook())).toBe(true);
  });

  it("book throttle - a clock that is set back makes nobody wait for longer than the interval", () => {
    throttle.admit(ONE, createBook());
    nowMs -= 4000;
    throttle.admit(ONE, createBook());
    expect(timers.map(({ atMs }) => atMs)).toEqual([nowMs + 100]);
  });
});
