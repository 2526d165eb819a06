import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareMarketIds, fromBigInt, parseMarketId } from "../../src/shared/market-id.js";

const MAX = (1n << 128n) - 1n;
const ids = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX }),
  fc.bigInt({ min: (1n << 53n) - 3n, max: (1n << 53n) + 3n }),
  fc.constantFrom(0n, MAX),
);

describe("market-id", () => {
  it("market-id - every spelling of an id has one canonical form", () => {
    fc.assert(
      fc.property(ids, (id) => {
        const canonical = id < 1n << 53n ? Number(id) : id.toString();
        expect(fromBigInt(id)).toBe(canonical);
        expect(parseMarketId(id)).toBe(canonical);
        expect(parseMarketId(id.toString())).toBe(canonical);
        expect(parseMarketId(canonical)).toBe(canonical);
      }),
    );
  });

  it("market-id - what is no unsigned 128-bit integer is refused", () => {
    const numbers = [-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY];
    const strings = ["", "-1", "+1", "01", "00", "1.0", "1e3", " 1", "1\n", "0x1", `${MAX + 1n}`];
    for (const value of [...numbers, ...strings, -1n, MAX + 1n, null, undefined, true, {}, [1]]) {
      expect(parseMarketId(value)).toBeUndefined();
    }
  });

  it("market-id - negative zero has a sign and is none", () => {
    expect(parseMarketId(-0)).toBeUndefined();
  });

  it("market-id - ids are ordered by value", () => {
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        const expected = a < b ? -1 : a > b ? 1 : 0;
        expect(Math.sign(compareMarketIds(fromBigInt(a), fromBigInt(b)))).toBe(expected);
      }),
    );
  });
});
