import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GapNotes } from "../../src/cli/gap-notes.js";
import type { Gap } from "../../src/client/node.js";

const gap = (kind: Gap["kind"], missed: number): Gap => {
  return { stream: "price", marketId: 7, from: 10, to: 11 + missed, missed, kind };
};

describe("gap notes", () => {
  let told: string[];
  let notes: GapNotes;
  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
    notes = new GapNotes((text) => told.push(text));
  });
  afterEach(() => vi.useRealTimers());

  it("gap notes - the first gap is told at once, those of the next second in one note", () => {
    notes.take(gap("conflated", 2));
    expect(told).toEqual(["gap: 2 price messages of market 7 conflated, between #10 and #13"]);
    notes.take(gap("conflated", 3));
    notes.take(gap("conflated", 4));
    notes.take(gap("lost", 1));
    expect(told).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    expect(told.slice(1)).toEqual(["gaps: 3 more, 7 messages conflated, 1 messages lost"]);
    notes.take(gap("lost", 5));
    vi.advanceTimersByTime(1000);
    expect(told.slice(2)).toEqual(["gaps: 1 more, 5 messages lost"]);
  });

  it("gap notes - after a quiet second the next gap is told at once again", () => {
    notes.take(gap("lost", 1));
    vi.advanceTimersByTime(1000);
    notes.take(gap("lost", 1));
    expect(told).toHaveLength(2);
    expect(told[1]).toBe(told[0]);
  });

  it("gap notes - what is gathered is told at the end", () => {
    notes.take(gap("lost", 1));
    notes.take(gap("lost", 2));
    notes.end();
    expect(told[1]).toBe("gaps: 1 more, 2 messages lost");
    vi.advanceTimersByTime(5000);
    expect(told).toHaveLength(2);
  });
});
