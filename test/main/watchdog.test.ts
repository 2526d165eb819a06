import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { beat } from "../../src/counters/counters.js";
import { Watchdog } from "../../src/main/watchdog.js";

const STALL_MS = 1000;
let section: Float64Array;
let stalls: number;
let watchdog: Watchdog;

beforeEach(() => {
  vi.useFakeTimers();
  section = new Float64Array(128);
  stalls = 0;
  watchdog = new Watchdog(section, STALL_MS, () => stalls++);
});
afterEach(() => {
  watchdog.stop();
  vi.useRealTimers();
});

test("watchdog - a heart that beats is left alone", () => {
  for (let second = 0; second < 100; second++) {
    beat(section, 0);
    vi.advanceTimersByTime(500);
  }
  expect(stalls).toBe(0);
});

test("watchdog - a heart that stops is reported once, after the stall timeout", () => {
  beat(section, 0);
  vi.advanceTimersByTime(STALL_MS);
  expect(stalls).toBe(0);
  vi.advanceTimersByTime(STALL_MS / 2);
  expect(stalls).toBe(1);
  vi.advanceTimersByTime(STALL_MS * 100);
  expect(stalls).toBe(1);
});

test("watchdog - a thread that is just starting has half a minute for its first beat", () => {
  vi.advanceTimersByTime(29_000);
  expect(stalls).toBe(0);
  vi.advanceTimersByTime(2000);
  expect(stalls).toBe(1);
});

test("watchdog - stopped, it reports nothing", () => {
  watchdog.stop();
  vi.advanceTimersByTime(100_000);
  expect(stalls).toBe(0);
});

test("watchdog - time in which the whole process stood still is no stall of a thread", () => {
  beat(section, 0);
  vi.advanceTimersByTime(STALL_MS / 2);
  // As after SIGSTOP and SIGCONT: the clock has jumped, and main looks before the thread can beat.
  const resumedAt = performance.now() + 60 * STALL_MS;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => resumedAt);
  vi.advanceTimersByTime(STALL_MS / 4);
  expect(stalls).toBe(0);
  clock.mockRestore();
});
