import { describe, expect, it } from "vitest";
import { RowClock } from "../../src/feed/row-clock.js";
import { LongNumber } from "../../src/shared/exact-number.js";

/** The distances of times from the first of them, in the unit of the times. */
function distances(...times: readonly (number | string | LongNumber)[]): (number | undefined)[] {
  const clock = new RowClock(1);
  return times.map((time) => clock.elapsedMs(time));
}

describe("row-clock", () => {
  it("row-clock - nanoseconds since 1970 keep every digit of their distance", () => {
    const [first, second, third] = [
      "1340270000123456789",
      "1340270000123456790",
      "1340270000123456788",
    ];
    expect(distances(first, second, third)).toEqual([0, 1, -1]);
    expect(distances(new LongNumber(first), new LongNumber(second), third)).toEqual([0, 1, -1]);
    const clock = new RowClock(1e-6);
    expect([first, "1340270001123456789"].map((time) => clock.elapsedMs(time))).toEqual([0, 1000]);
  });

  it("row-clock - fractions are exact however large the whole is", () => {
    expect(distances("1340270000.000000001", "1340270000.000000003")[1]).toBeCloseTo(2e-9, 20);
    expect(distances("0.5", ".75", "1.", "-0.5", "-1.25")).toEqual([0, 0.25, 0.5, -1, -1.75]);
    expect(distances(34_200.5, 34_201.75, "34202")).toEqual([0, 1.25, 1.5]);
  });

  it("row-clock - one time in several forms is one time", () => {
    expect(
      distances("1340270000", 1_340_270_000, "1.34027e9", "01340270000.000", "+1340270000"),
    ).toEqual([0, 0, 0, 0, 0]);
  });

  it("row-clock - what is no decimal, or a number that is not exact, is no time", () => {
    const none = ["", ".", "-", "x", "1x", "0x10", "1e400", "12:30:00", 1e300, Number.NaN];
    expect(distances(0, ...none)).toEqual([0, ...none.map(() => undefined)]);
  });
});
