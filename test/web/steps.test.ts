import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimalsOf, multipleOf, stepped } from "../../web/src/model/steps.js";

describe("steps", () => {
  it.each([
    [1, 0],
    [0.25, 2],
    [0.0005, 4],
    [1e-7, 7],
    [5, 0],
    [1e-20, 20],
    [1e21, 0],
  ])("steps - %f has %i decimals", (step, decimals) => {
    expect(decimalsOf(step)).toBe(decimals);
  });

  it.each([
    ["0.3", 0.1, 0.3],
    ["0.30", 0.1, 0.3],
    [".5", 0.25, 0.5],
    ["58.53", 0.01, 58.53],
    ["10", 5, 10],
    ["4.3005", 0.0005, 4.3005],
    ["0.31", 0.1, undefined],
    ["0.3", 0.25, undefined],
    ["0", 0.1, undefined],
    ["", 1, undefined],
    [".", 1, undefined],
    ["-1", 1, undefined],
    ["1e3", 1, undefined],
    ["1,5", 0.5, undefined],
    ["abc", 1, undefined],
  ])("steps - '%s' by %f is %s", (text, step, value) => {
    expect(multipleOf(text, step)).toBe(value);
  });

  it("steps - every multiple, as it is printed, is one", () => {
    const steps = fc.constantFrom(1, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005, 0.001, 0.0005);
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 1_000_000 }), (step, count) => {
        const decimals = decimalsOf(step);
        const text = (count * step).toFixed(decimals);
        expect(multipleOf(text, step)).toBe(Number(text));
        expect(multipleOf(`${text}${decimals === 0 ? "." : ""}01`, step)).toBeUndefined();
        expect(stepped(stepped(text, step, 1), step, -1)).toBe(text);
      }),
    );
  });

  it.each([
    ["0.52", 0.01, 1, "0.53"],
    ["0.52", 0.01, -1, "0.51"],
    ["0.52", 0.01, 10, "0.62"],
    ["0.525", 0.01, 1, "0.53"],
    ["0.525", 0.01, -1, "0.52"],
    ["0.01", 0.01, -1, "0.01"],
    ["", 0.25, 1, "0.25"],
    ["what", 5, 1, "5"],
    ["9007199254740.99", 0.01, 1, "9007199254741.00"],
    ["0.1", 1e-20, 1, "0.10000000000000000001"],
  ])("steps - from '%s' by %f, %i steps on is %s", (text, step, by, next) => {
    expect(stepped(text, step, by)).toBe(next);
  });
});
