import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countToNumber, DecimalScale } from "../../src/shared/decimal-scale.js";

/** A step as its literal: `digits` × 10^−decimals. */
const steps = fc
  .record({ digits: fc.integer({ min: 1, max: 9999 }), decimals: fc.integer({ min: -6, max: 12 }) })
  .map((step) => ({ ...step, value: Number(`${step.digits}e${-step.decimals}`) }));

function scaleOf(step: number): DecimalScale {
  const scale = DecimalScale.of(step);
  if (scale === undefined) throw new Error(`no scale for ${step}`);
  return scale;
}

/** The decimal literal of `count` steps, made with integers alone. */
function literal(count: bigint, digits: number, decimals: number): string {
  const product = count * BigInt(digits);
  if (decimals <= 0) return `${product * 10n ** BigInt(-decimals)}`;
  const text = `${product < 0n ? -product : product}`.padStart(decimals + 1, "0");
  return `${product < 0n ? "-" : ""}${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
}

describe("decimal-scale", () => {
  it("decimal-scale - a count gives the very double its decimal literal parses to", () => {
    fc.assert(
      fc.property(steps, fc.double({ min: -1, max: 1, noNaN: true }), (step, share) => {
        const scale = scaleOf(step.value);
        const count = Math.round(scale.countMax * share) + 0;
        const number = scale.toNumber(count);
        expect(number).toBe(Number(literal(BigInt(count), step.digits, step.decimals)) + 0);
      }),
    );
  });

  it("decimal-scale - a count survives the way to a number and back", () => {
    fc.assert(
      fc.property(steps, fc.double({ min: -1, max: 1, noNaN: true }), (step, share) => {
        const scale = scaleOf(step.value);
        // Two counts of one double cannot be told apart, so stay where doubles are dense enough.
        const count = Math.round(Math.min(scale.countMax, 2 ** 50) * share) + 0;
        expect(scale.toCount(scale.toNumber(count))).toBe(count);
      }),
    );
  });

  it("decimal-scale - a number between two steps has no count", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: -100_000, max: 100_000 }), (step, count) => {
        const halfway = literal(BigInt(2 * count + 1) * 5n, step.digits, step.decimals + 1);
        expect(scaleOf(step.value).toCount(Number(halfway))).toBeUndefined();
      }),
    );
  });

  it("decimal-scale - the usual tick sizes round-trip every price of a range", () => {
    for (const step of [0.01, 0.25, 0.0005, 0.1, 1, 5, 1e-8, 0.001, 100]) {
      const scale = scaleOf(step);
      for (let count = -3000; count <= 3000; count++) {
        expect(scale.toCount(scale.toNumber(count))).toBe(count);
      }
    }
    expect(scaleOf(0.01).toNumber(5853)).toBe(58.53);
  });

  it("decimal-scale - times a number, it counts numbers of another scale exactly", () => {
    // What is scaled in doubles: 1.1 / 100 is 0.011000000000000001.
    expect(scaleOf(0.001).times(100)?.toExactCount(1.1)).toBe(11);
    expect(scaleOf(0.01).times(10_000)?.toExactCount(5_853_300)).toBe(58_533);
    expect(scaleOf(0.01).times(10_000)?.toExactCount(5_853_350)).toBeUndefined();
    expect(scaleOf(0.01).times(1e18)?.toExactCount(1.5e18)).toBe(150);
    expect(scaleOf(5).times(0.2)?.toExactCount(7)).toBe(7);
    expect(scaleOf(0.25).times(3)?.toExactCount(1.5)).toBe(2);
    expect(scaleOf(1e-22).times(0.1)).toBeUndefined();
    expect(scaleOf(0.01).times(0)).toBeUndefined();
    fc.assert(
      fc.property(
        steps,
        fc.record({
          digits: fc.integer({ min: 1, max: 999 }),
          power: fc.integer({ min: -4, max: 6 }),
        }),
        fc.integer({ min: -100_000, max: 100_000 }),
        (step, factor, count) => {
          const raw = scaleOf(step.value).times(Number(`${factor.digits}e${factor.power}`));
          const decimals = step.decimals - factor.power;
          const text = literal(BigInt(count), step.digits * factor.digits, decimals);
          expect(raw?.toExactCount(Number(text))).toBe(count);
        },
      ),
    );
  });

  it("decimal-scale - of long decimals that lead to one number, only the printed one is counted", () => {
    const scale = scaleOf(0.01);
    // Both 80071992547409.90 and .91 are 80071992547409.90625.
    expect(scale.toCount(80_071_992_547_409.9)).toBe(8_007_199_254_740_991);
    expect(scale.toExactCount(80_071_992_547_409.9)).toBeUndefined();
    expect(scale.toExactCount(45_035_996_273_704.97)).toBe(4_503_599_627_370_497);
    expect(scaleOf(1).toExactCount(Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("decimal-scale - zero has no sign", () => {
    expect(Object.is(scaleOf(0.01).toCount(-0), 0)).toBe(true);
  });

  it("decimal-scale - what is out of range or no number has no count", () => {
    const scale = scaleOf(0.01);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e300, 2 ** 53]) {
      expect(scale.toCount(value)).toBeUndefined();
    }
    expect(scale.toCount(scale.toNumber(scale.countMax))).toBe(scale.countMax);
  });

  it("decimal-scale - every power of ten in range is a step", () => {
    for (let exponent = -22; exponent <= 15; exponent++) {
      const step = Number(`1e${exponent}`);
      expect(scaleOf(step).toNumber(1)).toBe(step);
      expect(scaleOf(step).toCount(step)).toBe(1);
    }
  });

  it("decimal-scale - what is not positive, finite and exact is no step", () => {
    for (const step of [0, -0.01, Number.NaN, Number.POSITIVE_INFINITY, 1e-30, 1e22, 2 ** 53]) {
      expect(DecimalScale.of(step)).toBeUndefined();
    }
  });

  it("decimal-scale - a count of the product of steps is the number nearest to it", () => {
    expect(countToNumber(3n, [scaleOf(0.1), scaleOf(0.01)])).toBe(0.003);
    expect(countToNumber(7n, [scaleOf(5), scaleOf(0.1)])).toBe(3.5);
    expect(countToNumber(-12n, [scaleOf(0.5)], 2)).toBe(-0.06);
    expect(countToNumber(2n ** 80n + 1n, [scaleOf(1)])).toBe(2 ** 80);
  });
});
