import { describe, expect, it } from "vitest";
import { given, plainValue } from "../../src/client/plain-value.js";

describe("plain-value", () => {
  it("plain-value - undefined fields do not exist, at any depth", () => {
    const value = { a: undefined, b: { c: [{ d: undefined, e: 1 }], f: null }, g: "" };
    expect(plainValue(value)).toStrictEqual({ b: { c: [{ e: 1 }], f: null }, g: "" });
  });

  it("plain-value - is a copy, of instances of classes as well", () => {
    class Point {
      x = 1;
      y = undefined;
    }
    const value = { point: new Point(), list: [true] };
    const copy = plainValue(value);
    expect(copy).toStrictEqual({ point: { x: 1 }, list: [true] });
    value.list[0] = false;
    expect(copy.list).toEqual([true]);
  });

  it("plain-value - every double is itself again", () => {
    const numbers = [0.1 + 0.2, 5e-324, 2 ** 53 - 1, -1.7976931348623157e308, 58.53];
    expect(plainValue(numbers)).toEqual(numbers);
  });

  it.each<[unknown, string]>([
    [{ a: [1, undefined] }, "item 1: undefined cannot be sent"],
    [{ a: new Array(1) }, "item 0: undefined cannot be sent"],
    [{ a: { b: 10n } }, "b: 10 cannot be sent"],
    [{ a: Number.NaN }, "a: NaN cannot be sent"],
    [{ a: [{ b: Number.NEGATIVE_INFINITY }] }, "b: -Infinity cannot be sent"],
    [{ a: Math.abs }, "a: function abs() { [native code] } cannot be sent"],
    [{ a: Symbol("x") }, "a: Symbol(x) cannot be sent"],
  ])("plain-value - refuses what cannot be sent, naming it (case %#)", (value, message) => {
    expect(() => plainValue(value)).toThrow(new TypeError(message));
  });

  it("plain-value - refuses what holds itself, and no value that is in two places", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["again"] = [cyclic];
    expect(() => plainValue(cyclic)).toThrow(TypeError);
    const shared = { a: 1 };
    expect(plainValue({ x: shared, y: [shared] })).toEqual({ x: shared, y: [shared] });
  });

  it("plain-value - given fields are those that are neither undefined nor null", () => {
    const fields = { a: undefined, b: null, c: 0, d: "", e: false };
    expect(given(fields)).toStrictEqual({ c: 0, d: "", e: false });
  });
});
