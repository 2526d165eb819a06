import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { type ClockReport, PositionClock } from "../../src/market-data/position-clock.js";
import { HandClocks } from "../support/hand-clocks.js";

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

describe("position clock", () => {
  let clocks: HandClocks;
  let start: number;
  let reports: ClockReport[];
  let clock: PositionClock;

  const make = (latestTs = 0): PositionClock =>
    new PositionClock(clocks, latestTs, (report) => reports.push(report));

  beforeEach(() => {
    clocks = new HandClocks();
    start = clocks.wall;
    reports = [];
    clock = make();
  });

  it("position clock - is the wall clock's, ahead too, and stands still where that does", () => {
    expect([clock.now(), clock.now(), clock.tell()]).toEqual([start, start, start]);
    clocks.pass(10);
    expect(clock.now()).toBe(start + 10);
    clocks.wall += HOUR;
    expect(clock.tell()).toBe(start + 10 + HOUR);
    expect(reports).toEqual([]);
  });

  it("position clock - set back it takes the least step a millisecond until the clock has caught up", () => {
    clock.now();
    clocks.wall -= HOUR;
    clocks.pass(999);
    expect(clock.now()).toBe(start);
    clocks.pass(1);
    expect(clock.now()).toBe(start + 1);
    clocks.pass(HOUR - 1000);
    expect(clock.now()).toBe(start + HOUR / 1000);
    clocks.pass(10 * SECOND);
    expect(clock.now()).toBe(clocks.wall);
    expect(reports).toEqual([{ type: "behind", micros: HOUR - 999 }, { type: "caught-up" }]);
  });

  it("position clock - less than a second behind is nothing to report", () => {
    clock.now();
    clocks.wall -= SECOND;
    clock.now();
    clocks.pass(2 * SECOND);
    expect(clock.now()).toBe(clocks.wall);
    expect(reports).toEqual([]);
  });

  it("position clock - begins behind what was told before, however the wall clock stands", () => {
    expect(make(start - HOUR).now()).toBe(start);
    expect(make(start + HOUR).now()).toBe(start + HOUR + 1);
    expect(reports).toEqual([{ type: "behind", micros: HOUR + 1 }]);
    clock.beginBehind(start + 5);
    expect(clock.tell()).toBe(start + 6);
  });

  it("position clock - a leap of a year that is set back within a minute leaves no trace", () => {
    clock.now();
    clocks.wall += YEAR;
    clocks.pass(SECOND);
    expect(clock.now()).toBe(start + SECOND);
    clocks.pass(58 * SECOND);
    expect(clock.now()).toBe(start + 59 * SECOND);
    clocks.wall -= YEAR;
    clocks.pass(SECOND);
    expect(clock.now()).toBe(start + MINUTE);
    expect(clock.pace).toBe(1);
    expect(reports.map(({ type }) => type)).toEqual(["leapt", "followed"]);
  });

  it("position clock - a leap of a year that stays is followed after a minute", () => {
    clock.now();
    clocks.wall += YEAR;
    clock.now();
    clocks.pass(MINUTE);
    expect(clock.now()).toBe(start + YEAR + MINUTE);
    expect(reports).toEqual([{ type: "leapt", micros: YEAR }, { type: "followed" }]);
    // Of one that is made only now nobody knows where it was before.
    clocks.wall += YEAR;
    expect(make(start).now()).toBe(clocks.wall);
  });

  it("position clock - a clock that was long not read has not leapt", () => {
    clock.now();
    clocks.pass(YEAR);
    expect(clock.now()).toBe(start + YEAR);
    expect(reports).toEqual([]);
  });

  it("position clock - held, what is told stands still, and what happens goes on", () => {
    clock.hold();
    clocks.pass(5);
    expect([clock.tell(), clock.now(), clock.tell()]).toEqual([start, start + 5, start]);
    clock.release();
    expect(clock.tell()).toBe(start + 5);
    clock.hold(start + 3);
    expect(clock.tell()).toBe(start + 3);
  });

  it("position clock - what is told goes no further than the limit", () => {
    clock.limit = start + 5;
    clocks.pass(10);
    expect([clock.tell(), clock.now()]).toEqual([start + 5, start + 10]);
    clock.limit = start + 20;
    expect(clock.tell()).toBe(start + 10);
  });

  it("position clock - whatever clocks, producers and batches do, nothing told is before what was told", () => {
    const step = fc.record({
      jump: fc.oneof(fc.constant(0), fc.integer({ min: -2 * YEAR, max: 2 * YEAR })),
      pass: fc.integer({ min: 0, max: 2 * MINUTE }),
      act: fc.constantFrom("tell", "batch", "lost batch", "dies", "restarts"),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        clocks = new HandClocks();
        const told: number[] = [];
        let stored = 0;
        const begin = (latestTs = 0): void => {
          clock = make(latestTs);
          clock.beginBehind(stored);
          clock.limit = stored = clock.now() + SECOND;
        };
        begin();
        for (const { jump, pass, act } of steps) {
          clocks.wall += jump;
          clocks.pass(pass);
          if (act === "tell") told.push(clock.tell());
          else if (act === "dies") begin(told.at(-1));
          else if (act === "restarts") begin();
          else {
            clock.hold();
            const happened = [clock.now(), clock.now()];
            clocks.pass(1000);
            told.push(clock.tell());
            clock.release();
            if (act === "lost batch") continue;
            clock.limit = stored = (happened[1] as number) + SECOND;
            told.push(...happened, clock.tell());
          }
        }
        for (const [at, ts] of told.entries())
          if (at > 0) expect(ts).toBeGreaterThanOrEqual(told[at - 1] as number);
      }),
    );
  });
});
