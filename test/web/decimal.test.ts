import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainText, readDecimal } from "../../web/src/model/decimal.js";

describe("decimal", () => {
  it.each([
    ["0.1", "0.1"],
    ["0,1", "0.1"],
    ["1.5", "1.5"],
    ["1,5", "1.5"],
    ["1,25", "1.25"],
    ["0,125", "0.125"],
    ["1234,567", "1234.567"],
    ["1,0000", "1.0000"],
    [" 1 ", "1"],
    ["\u00a07\u2009", "7"],
    [".5", "0.5"],
    [",5", "0.5"],
    ["5.", "5"],
    ["007", "007"],
    ["1.000", "1.000"],
    ["1,000.5", "1000.5"],
    ["12,345,678.90", "12345678.90"],
    ["1,000,000", "1000000"],
  ])("decimal - %j is understood as %s", (typed, decimal) => {
    expect(readDecimal(typed)).toEqual({ decimal });
  });

  it.each(["1,000", "12,345", "999,999"])("decimal - %j may be two numbers", (typed) => {
    const [whole, rest] = typed.split(",");
    const { problem } = readDecimal(typed);
    expect(problem).toContain(`${whole}${rest} or ${whole}.${rest}`);
  });

  it.each([
    ...[
      "",
      ".",
      ",",
      "5,",
      "-1",
      "--1",
      "+1",
      "1-",
      "1e3",
      "1E3",
      "0x10",
      "NaN",
      "Infinity",
      "abc",
    ],
    ...[
      "1 000",
      "1'000",
      "1_000",
      "1.2.3",
      "1,2,3",
      "1,5,",
      "1,00,000",
      "1.000,5",
      "1.000.000",
      "1,000,5",
    ],
    ...[
      "1,000.",
      "0,000.5",
      "١",
      "１",
      "1٫5",
      "1．5",
      "½",
      "1\n5",
      "1\t5",
      "$5",
      "5%",
      "1/2",
      "1..5",
    ],
    ...["9007199254740993", "0.1000000000000000055", "9".repeat(30), "1".repeat(500)],
  ])("decimal - %j is refused, with why", (typed) => {
    expect(readDecimal(typed)).toEqual({ problem: expect.stringMatching(/\w/) });
  });

  it("decimal - what is understood is never another number than the one typed", () => {
    const characters = fc.constantFrom(..."0123456789.,");
    const typing = fc.array(characters, { maxLength: 9 }).map((some) => some.join(""));
    fc.assert(
      fc.property(typing, (typed) => {
        const { decimal } = readDecimal(typed);
        if (decimal === undefined) return;
        const digits = (text: string): string => text.replace(/[.,]/g, "").replace(/^0+/, "");
        expect(digits(decimal)).toBe(digits(typed));
        // The last mark is the point, unless there are only marks of thousands.
        const point = Math.max(typed.lastIndexOf("."), typed.lastIndexOf(","));
        const fraction = decimal.split(".")[1] ?? "";
        if (!typed.includes(",") || typed.includes(".") || typed.split(",").length === 2)
          expect(fraction).toBe(point < 0 ? "" : typed.slice(point + 1));
        expect(readDecimal(decimal)).toEqual({ decimal });
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [0, 0, "0"],
    [1, 2, "1.00"],
    [0.1, 0, "0.1"],
    [0.1, 20, "0.10000000000000000000"],
    [1e-7, 0, "0.0000001"],
    [1.5e-8, 0, "0.000000015"],
    [1e21, 1, "1000000000000000000000.0"],
    [123.45, 1, "123.45"],
  ])("decimal - %d with %i decimals is %s", (value, decimals, text) => {
    expect(plainText(value, decimals)).toBe(text);
  });

  it("decimal - a plain text is the number that it is of", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e30, noNaN: true }), (value) => {
        const text = plainText(value);
        expect(text).toMatch(/^\d+(\.\d+)?$/);
        expect(Number(text)).toBe(Math.abs(value));
      }),
    );
  });
});
