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
    const copy = plainValue(value) as typeof value;
    expect(copy).toStrictEqual({ point: { x: 1 }, list: [true] });
    value.list[0] = false;
    expect(copy.list).toEqual([true]);
  });

  const cyclic: Record<string, unknown> = {};
  cyclic["again"] = [cyclic];
  it.each<[unknown, string]>([
    [{ a: [1, undefined] }, "a[1]: Undefined cannot be sent"],
    // biome-ignore lint/suspicious/noSparseArray: that is what is tried
    [{ a: [, 1] }, "a[0]: Undefined cannot be sent"],
    [{ a: { b: 10n } }, "a.b: BigInt 10 cannot be sent"],
    [{ a: Number.NaN }, "a: Number NaN cannot be sent"],
    [{ a: [{ b: Number.NEGATIVE_INFINITY }] }, "a[0].b: Number -Infinity cannot be sent"],
    [{ a: () => 1 }, "a: Function cannot be sent"],
    [{ a: Symbol("x") }, "a: Symbol cannot be sent"],
    [{ a: new Date(0) }, "a: Date cannot be sent"],
    [{ a: new Map([[1, 2]]) }, "a: Map cannot be sent"],
    [{ a: new Uint8Array(1) }, "a: Uint8Array cannot be sent"],
    [{ a: Promise.resolve(1) }, "a: Promise cannot be sent"],
    [cyclic, "again[0]: a value that holds itself cannot be sent"],
  ])("plain-value - refuses what cannot be sent, naming the place (case %#)", (value, message) => {
    expect(() => plainValue(value)).toThrow(new TypeError(message));
  });

  it("plain-value - the same value in two places is none in itself", () => {
    const shared = { a: 1 };
    expect(plainValue({ x: shared, y: [shared] })).toEqual({ x: shared, y: [shared] });
  });

  it("plain-value - given fields are those that are neither undefined nor null", () => {
    const fields = { a: undefined, b: null, c: 0, d: "", e: false };
    expect(given(fields)).toStrictEqual({ c: 0, d: "", e: false });
  });
});
