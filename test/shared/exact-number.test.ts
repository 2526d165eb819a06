import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  exactNumber,
  fractionOf,
  inexactReason,
  jsonNumber,
  LongNumber,
  shortDecimal,
} from "../../src/shared/exact-number.js";

describe("exact-number", () => {
  it("exact-number - of every double, its own text gives it, and no longer text does", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        fc.pre(number !== 0);
        expect(exactNumber(String(number))).toBe(number);
        // One digit more, behind the last one, is another decimal.
        const [mantissa, exponent] = number.toExponential().split("e");
        const longer = `${mantissa}${mantissa?.includes(".") ? "" : "."}00000000000000000001`;
        expect(exactNumber(`${longer}e${exponent}`)).toBeUndefined();
      }),
    );
  });

  it("exact-number - up to 15 digits, anything is exact, in the quick way as in the other", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(10 ** 15) + 1, max: 10 ** 15 - 1 }),
        fc.nat(15),
        (digits, decimals) => {
          const text = `${digits < 0 ? "-" : ""}${Math.abs(digits)}`.padStart(1, "0");
          const point = Math.max(text.startsWith("-") ? 1 : 0, text.length - decimals);
          const decimal = `${text.slice(0, point)}.${text.slice(point)}`;
          expect(shortDecimal(decimal)).toBe(Number(decimal));
          expect(exactNumber(`${decimal}e0`)).toBe(Number(decimal));
        },
      ),
    );
  });

  it.each([
    ["0.1", 0.1],
    ["+1", 1],
    ["007.50", 7.5],
    [".5", 0.5],
    ["5.", 5],
    ["1E+3", 1000],
    ["0.30000000000000004", 0.1 + 0.2],
    ["9007199254740992", 2 ** 53],
    ["1000000000000000000000000", 1e24],
    [`1${"0".repeat(400)}e-400`, 1],
    ["0e999999", 0],
  ])("exact-number - %s is a number", (text, number) => {
    expect(exactNumber(text)).toBe(number);
  });

  it.each([
    "0.1000000000000000055",
    "9007199254740993",
    "1.7976931348623157e309",
    "1e-400",
    "2e-324",
    `1e${"9".repeat(500)}`,
    `1${"0".repeat(60_000)}1`,
  ])("exact-number - a decimal no number stands for is none, and said to be one", (text) => {
    expect(exactNumber(text)).toBeUndefined();
    expect(inexactReason(text)).toBe("has more digits than can be kept exactly");
  });

  it.each([
    "",
    " ",
    ".",
    "+",
    "-",
    "1 ",
    "1_000",
    "0x1",
    "Infinity",
    "NaN",
    "1e",
    "e5",
    "1..2",
    "１",
  ])("exact-number - %j is no decimal", (text) => {
    expect(exactNumber(text)).toBeUndefined();
    expect(inexactReason(text)).toMatch(/^is no number/);
  });

  it("exact-number - a number of JSON is kept as written where a double might be another one", () => {
    for (const text of ["0", "-1.5", "1e3", "9007199254740991", "0.30000000000000004"]) {
      expect(jsonNumber(text)).toBe(Number(text));
    }
    for (const text of [
      "9007199254740992",
      "-9007199254740993",
      "0.1000000000000000055",
      "1e400",
    ]) {
      expect(jsonNumber(text)).toEqual(new LongNumber(text));
    }
    expect(new LongNumber("1e18").toExact()).toBe(1e18);
    expect(new LongNumber("9007199254740993").toExact()).toBeUndefined();
    expect(`${new LongNumber("1".repeat(100))}`).toBe(`${"1".repeat(40)}…`);
  });

  it("exact-number - the fraction of a number is the decimal that it is printed as", () => {
    expect(fractionOf(0)).toEqual([0n, 1n]);
    expect(fractionOf(0.1)).toEqual([1n, 10n]);
    expect(fractionOf(1250)).toEqual([1250n, 1n]);
    expect(fractionOf(-2.5e-8)).toEqual([-25n, 10n ** 9n]);
    expect(fractionOf(1e21)).toEqual([10n ** 21n, 1n]);
    for (const number of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => fractionOf(number)).toThrow(RangeError);
  });
});
