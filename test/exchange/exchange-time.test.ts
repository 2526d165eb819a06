import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExchangeTime, type StoredTime } from "../../src/exchange/exchange-time.js";
import { PositionClock } from "../../src/market-data/position-clock.js";
import { passedAt } from "../../src/shared/time-stretches.js";
import { HandClocks } from "../support/hand-clocks.js";

const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** Hand clocks, and the exchange's time on them. */
class ExchangeClocks extends HandClocks {
  time(stored: StoredTime = { latestTs: 0, stretches: [] }): ExchangeTime {
    return new ExchangeTime(new PositionClock(this), stored);
  }
}

/** Reads the time now and then while some passes, as an exchange that trades does. */
function trade(clocks: ExchangeClocks, time: ExchangeTime, micros: number, every = SECOND) {
  const moments: { readonly ts: number; readonly passed: number }[] = [];
  for (let left = micros; left > 0; left -= every) {
    clocks.pass(Math.min(left, every));
    moments.push({ ts: time.now(), passed: time.passed });
  }
  return moments;
}

describe("exchange time", () => {
  it("exchange time - set ahead by hours it follows at once, and nothing is older for it", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time();
    const [before, passed] = [time.now(), time.passed];
    clocks.wall += 20 * HOUR;
    clocks.pass(5 * SECOND);
    expect(time.now()).toBe(before + 20 * HOUR + 5 * SECOND);
    expect(time.passed - passed).toBe(5 * SECOND);
    expect(time.passed - passedAt(time.stretches, before)).toBe(5 * SECOND);
  });

  it("exchange time - set back it all but stands still until the clock has caught up, and ages go on", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time();
    time.now();
    const passed = time.passed;
    clocks.wall -= HOUR;
    const told = trade(clocks, time, HOUR - SECOND);
    expect(told.at(-1)?.ts).toBe(START + (HOUR - SECOND) / 1000);
    for (const { ts, passed: then } of told)
      expect(Math.abs(passedAt(time.stretches, ts) - then)).toBeLessThanOrEqual(SECOND);
    expect(time.passed - passed).toBe(HOUR - SECOND);
    expect(trade(clocks, time, 10 * SECOND).at(-1)?.ts).toBe(clocks.wall);
    // Where it began to wait, and where it caught up.
    expect(time.stretches.map(({ pace }) => pace)).toEqual([1, 0.001, 1]);
  });

  it("exchange time - set ahead by days and back again, every moment is as long ago as it was", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time();
    const moments: ReturnType<typeof trade> = [];
    const live = (micros: number): void => {
      moments.push(...trade(clocks, time, micros, 10 * SECOND));
    };
    live(HOUR);
    clocks.wall += 30 * DAY;
    live(HOUR);
    clocks.wall -= 30 * DAY;
    live(3 * HOUR);
    for (const { ts, passed } of moments)
      expect(Math.abs(passedAt(time.stretches, ts) - passed)).toBeLessThanOrEqual(SECOND);
    expect(time.stretches.length).toBeLessThanOrEqual(4);

    // So it is for an exchange that starts again, while the clock is behind still.
    const latestTs = time.now();
    const again = clocks.time({ latestTs, stretches: time.stretches });
    expect(again.now()).toBeGreaterThan(latestTs);
    expect(Math.abs(again.passed - time.passed)).toBeLessThanOrEqual(SECOND);
    trade(clocks, again, HOUR);
    for (const { ts, passed } of moments) {
      const age = again.passed - passedAt(again.stretches, ts);
      expect(Math.abs(age - (time.passed - passed))).toBeLessThanOrEqual(2 * SECOND);
    }
  });

  it("exchange time - while no exchange runs the wall clock tells how long that is", () => {
    const clocks = new ExchangeClocks();
    const stored = { latestTs: START - HOUR, stretches: [] };
    const time = clocks.time(stored);
    expect([time.now(), time.passed - passedAt([], stored.latestTs)]).toEqual([START, HOUR]);
    // One that ended while it waited for the clock waits no longer.
    const stretches = [{ ts: START - 2 * HOUR, passed: START - 2 * HOUR, pace: 0.5 }];
    const other = clocks.time({ ...stored, stretches });
    expect(other.now()).toBe(START);
    expect(other.passed - passedAt(stretches, stored.latestTs)).toBe(HOUR);
    expect(other.passed - passedAt(other.stretches, START)).toBe(0);
  });

  it("exchange time - never starts behind what is stored", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time({ latestTs: START + 30 * DAY, stretches: [] });
    expect(time.now()).toBe(START + 30 * DAY + 1);
  });

  it("exchange time - slewing by less than a second leaves no trace", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time();
    for (let i = 0; i < 1000; i++) {
      clocks.wall += i % 2 === 0 ? 5000 : -5000;
      trade(clocks, time, SECOND, 100_000);
    }
    expect(time.stretches).toEqual([]);
  });

  it("exchange time - whatever the wall clock does, it never goes back and ages are what has passed", () => {
    const step = fc.record({
      jump: fc.oneof(fc.constant(0), fc.integer({ min: -DAY, max: DAY })),
      pass: fc.integer({ min: 0, max: HOUR }),
      restarts: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const clocks = new ExchangeClocks();
        let time = clocks.time();
        const moments: { ts: number; lived: number }[] = [];
        let lived = 0;
        for (const { jump, pass, restarts } of steps) {
          clocks.wall += jump;
          moments.push({ ts: time.now(), lived });
          trade(clocks, time, pass, HOUR / 20);
          lived += pass;
          moments.push({ ts: time.now(), lived });
          // At once, so that no time passes that nobody has measured.
          const latestTs = moments.at(-1)?.ts ?? 0;
          if (restarts && clocks.wall <= latestTs + SECOND)
            time = clocks.time({ latestTs, stretches: time.stretches });
        }
        for (const [at, { ts, lived: then }] of moments.entries()) {
          if (at > 0) expect(ts).toBeGreaterThanOrEqual(moments[at - 1]?.ts as number);
          const age = time.passed - passedAt(time.stretches, ts);
          expect(Math.abs(age - (lived - then))).toBeLessThanOrEqual(
            (steps.length + 1) * 2 * SECOND,
          );
        }
      }),
    );
  });

  it("exchange time - a clock that never rests leaves no more than a bounded number of stretches", () => {
    const clocks = new ExchangeClocks();
    const time = clocks.time();
    for (let i = 0; i < 1000; i++) {
      clocks.wall += 10 * SECOND;
      clocks.pass(1);
      time.now();
    }
    expect(time.stretches.length).toBe(100);
  });
});
