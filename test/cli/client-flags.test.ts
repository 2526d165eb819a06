import { describe, expect, it } from "vitest";
import {
  parseCount,
  parseExact,
  parseMarket,
  parseMilliseconds,
  parsePositive,
} from "../../src/cli/client-flags.js";

describe("client-flags", () => {
  it("client-flags - a number is what its decimal says", () => {
    for (const [text, number] of [
      ["0.52", 0.52],
      [" 10 ", 10],
      ["1e3", 1000],
      ["0.5200000000000000000000", 0.52],
    ] as const) {
      expect(parsePositive(text)).toBe(number);
    }
    expect(parseExact("-0.5")).toBe(-0.5);
  });

  it.each([
    ["0.1000000000000000055", "It has more digits than can be kept exactly."],
    ["9007199254740993", "It has more digits than can be kept exactly."],
    ["1e400", "It has more digits than can be kept exactly."],
    ["1e-400", "It has more digits than can be kept exactly."],
    ["1,000", "It is no number: it may have no thousands separator"],
    ["0,5", "It is no number: it may have no thousands separator"],
    ["1,5", "It is no number: it may have no thousands separator"],
    ["0,1", "It is no number: it may have no thousands separator"],
    ["1.000,5", "It is no number."],
    ["0x10", "It is no number."],
    ["Infinity", "It is no number."],
    ["NaN", "It is no number."],
    ["١", "It is no number."],
    ["", "It is no number."],
    [" ", "It is no number."],
    ["0", "It is not a number above 0."],
    ["-1", "It is not a number above 0."],
  ])("client-flags - %j is refused, not rounded", (text, message) => {
    expect(() => parsePositive(text)).toThrow(message);
  });

  it("client-flags - integers and ids are exact or refused", () => {
    expect(parseMarket("9007199254740993")).toBe("9007199254740993");
    expect(parseMarket("9007199254740991")).toBe(9_007_199_254_740_991);
    for (const text of ["9007199254740992", "9007199254740993", "1.0000000000000000001"]) {
      expect(() => parseCount(text)).toThrow("It is not an integer from 1.");
      expect(() => parseMilliseconds(text)).toThrow("It is not an integer from 1 to ");
    }
    expect(() => parseMarket("1e3")).toThrow("It is not an integer");
  });
});
