import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exactNumber } from "../../src/cli/exact-number.js";

describe("exact number", () => {
  it.each([
    ["0", 0],
    ["0.45", 0.45],
    ["00.450", 0.45],
    [".5", 0.5],
    ["5.", 5],
    ["1e3", 1000],
    ["1E-8", 1e-8],
    ["1.5e+2", 150],
    ["0e5", 0],
    ["9007199254740991", 9007199254740991],
    ["123456789.123456", 123456789.123456],
  ])("exact-number - %j is %d", (text, number) => {
    expect(exactNumber(text)).toBe(number);
  });

  it.each([
    ...[
      "",
      " ",
      ".",
      "e3",
      " 1",
      "1 ",
      "+1",
      "-1",
      "--1",
      "1,5",
      "0,1",
      "1,000",
      "1,000.5",
      "1.000,5",
    ],
    ...[
      "1_000",
      "0x10",
      "0b1",
      "NaN",
      "Infinity",
      "1e400",
      "1e-400",
      "1e",
      "1e3.5",
      "1n",
      "١",
      "１",
    ],
    ...["9007199254740993", "0.1000000000000000055", "123456789.123456789"],
  ])("exact-number - %j is none", (text) => {
    expect(exactNumber(text)).toBeUndefined();
  });

  it("exact-number - every number from 0, as it is printed, is itself", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(exactNumber(String(number))).toBe(Math.abs(number));
      }),
    );
  });
});
