import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nowMicros as systemMicros } from "../../src/shared/clock.js";

/** Half a millisecond is what the wall clock's reading lacks on average; two are let drift. */
const TOLERANCE_MICROS = 3000;
const START_MS = 1_700_000_000_000;

let wallMs: number;
let monotonicMs: number;
let nowMicros: () => number;

beforeEach(async () => {
  wallMs = START_MS;
  monotonicMs = 5000;
  vi.spyOn(Date, "now").mockImplementation(() => Math.floor(wallMs));
  vi.spyOn(performance, "now").mockImplementation(() => monotonicMs);
  vi.resetModules();
  ({ nowMicros } = await import("../../src/shared/clock.js"));
});
afterEach(() => vi.restoreAllMocks());

function elapse(ms: number): void {
  wallMs += ms;
  monotonicMs += ms;
}

describe("clock", () => {
  it("clock - it is the wall clock's time, in whole microseconds, and does not go back", () => {
    vi.restoreAllMocks();
    let last = 0;
    for (let reading = 0; reading < 20_000; reading++) {
      const now = systemMicros();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    expect(Number.isSafeInteger(last)).toBe(true);
    expect(Math.abs(last - Date.now() * 1000)).toBeLessThan(20_000);
  });

  it("clock - it advances by fractions of a millisecond", () => {
    const start = nowMicros();
    for (let tenth = 1; tenth <= 50; tenth++) {
      elapse(0.1);
      expect(nowMicros() - start).toBe(tenth * 100);
    }
  });

  it("clock - it follows the wall clock when that is stepped, either way", () => {
    nowMicros();
    for (const step of [10, 3_600_000, -5000, -3_600_000]) {
      wallMs += step;
      elapse(1);
      expect(Math.abs(nowMicros() - wallMs * 1000)).toBeLessThan(TOLERANCE_MICROS);
    }
  });

  it("clock - it follows the wall clock when that is slewed, without steps of more than it may drift", () => {
    let last = nowMicros();
    for (let second = 0; second < 100; second++) {
      elapse(1000);
      wallMs += 0.5;
      const now = nowMicros();
      expect(Math.abs(now - wallMs * 1000)).toBeLessThan(TOLERANCE_MICROS);
      expect(now).toBeGreaterThan(last);
      last = now;
    }
  });

  it("clock - an interruption between its two readings does not move it", () => {
    const start = nowMicros();
    vi.spyOn(performance, "now").mockImplementationOnce(() => {
      const reading = monotonicMs;
      elapse(50);
      return reading;
    });
    expect(nowMicros() - start).toBe(0);
    expect(nowMicros() - start).toBe(50_000);
  });
});
