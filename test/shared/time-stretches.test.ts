import { describe, expect, it } from "vitest";
import { passedAt, type Stretch, tsAt, tsBefore } from "../../src/shared/time-stretches.js";

/** Set ahead by 500 at 100; then back, so that it waits from 700 on at half its pace, until 750. */
const STRETCHES: readonly Stretch[] = [
  { ts: 0, passed: 0, pace: 1 },
  { ts: 600, passed: 100, pace: 1 },
  { ts: 700, passed: 200, pace: 0.5 },
  { ts: 750, passed: 300, pace: 1 },
];

describe("time stretches", () => {
  it("time stretches - without any, what is told is what has passed", () => {
    expect([passedAt([], 5), tsAt([], 5), tsBefore([], 5, 3)]).toEqual([5, 5, 2]);
  });

  it.each([
    [0, 0],
    [99, 99],
    [600, 100],
    [650, 150],
    [700, 200],
    [725, 250],
    [750, 300],
    [1000, 550],
  ])("time stretches - at %d so much has passed: %d, and back", (ts, passed) => {
    expect(passedAt(STRETCHES, ts)).toBe(passed);
    expect(tsAt(STRETCHES, passed)).toBe(ts);
  });

  it("time stretches - what was skipped is no time: before it, and after it, is the same age", () => {
    expect(tsBefore(STRETCHES, 610, 10)).toBe(600);
    expect(tsBefore(STRETCHES, 610, 11)).toBe(99);
    expect(tsBefore(STRETCHES, 760, 260)).toBe(50);
  });

  it("time stretches - where the first are forgotten, what lies before goes on at the pace of 1", () => {
    const [, , ...rest] = STRETCHES;
    expect([passedAt(rest, 690), tsAt(rest, 190)]).toEqual([190, 690]);
  });
});
