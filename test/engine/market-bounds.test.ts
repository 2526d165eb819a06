import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type IntegerBounds, integerBounds, priceBand } from "../../src/engine/market-bounds.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";

const scale = (step: number): DecimalScale => DecimalScale.of(step) as DecimalScale;
const CENTS = { priceScale: scale(0.01), quantityScale: scale(0.1) };

const bandOf = (percent: number, last: number) =>
  priceBand(integerBounds({ priceBandPercent: percent }, CENTS) as IntegerBounds, last);

describe("market bounds", () => {
  it("market bounds - 0, and what is not given, bounds nothing", () => {
    expect(integerBounds({}, CENTS)).toBeUndefined();
    const none = { priceBandPercent: 0, maxPosition: 0, maxOrderValue: 0 };
    expect(integerBounds(none, CENTS)).toBeUndefined();
    const one = integerBounds({ ...none, maxPosition: 3 }, CENTS);
    expect(one).toEqual({ maxPosition: { given: 3, most: 30 } });
  });

  it("market bounds - a band ends with the last tick that is not beyond its share", () => {
    expect(bandOf(10, 50)).toEqual({ percent: 10, low: 45, high: 55 });
    // In doubles 10,000 × 0.29 / 100 is 28.999….
    expect(bandOf(0.29, 10_000)).toEqual({ percent: 0.29, low: 9971, high: 10_029 });
    expect(bandOf(1, 99)).toEqual({ percent: 1, low: 99, high: 99 });
    expect(bandOf(150, 40)).toEqual({ percent: 150, low: -20, high: 100 });
  });

  it("market bounds - there is no band before the first trade, nor without a percentage", () => {
    const bounds = integerBounds({ priceBandPercent: 5 }, CENTS) as IntegerBounds;
    expect(priceBand(bounds, undefined)).toBeUndefined();
    const others = integerBounds({ maxPosition: 5 }, CENTS) as IntegerBounds;
    expect(priceBand(others, 50)).toBeUndefined();
  });

  it("market bounds - positions and values are counted in whole lots, and ticks × lots, rounded down", () => {
    const bounds = integerBounds({ maxPosition: 0.35, maxOrderValue: 0.0049 }, CENTS);
    expect(bounds?.maxPosition).toEqual({ given: 0.35, most: 3 });
    expect(bounds?.maxOrderValue).toEqual({ given: 0.0049, most: 4n });
    const wide = { priceScale: scale(5), quantityScale: scale(1000) };
    expect(integerBounds({ maxOrderValue: 1e18 }, wide)?.maxOrderValue?.most).toBe(
      200_000_000_000_000n,
    );
  });

  it("market bounds - any percentage of any price is exact to the tick", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.integer({ min: 1, max: 10_000_000 }),
        (last, thousandths) => {
          const band = bandOf(Number(`${thousandths}e-3`), last);
          const share = (BigInt(last) * BigInt(thousandths)) / 100_000n;
          expect(band?.high).toBe(last + Number(share));
          expect(band?.low).toBe(last - Number(share));
        },
      ),
    );
  });
});
