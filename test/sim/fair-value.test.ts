import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";
import { FairValue } from "../../src/sim/fair-value.js";

const ANYWHERE = { min: 1, max: Number.POSITIVE_INFINITY };

function walk(value: FairValue, steps: number): number[] {
  return Array.from({ length: steps }, () => {
    value.step();
    return value.ticks;
  });
}

describe("fair-value", () => {
  it("fair-value - single ticks within the range, from the start or the range's nearest end", () => {
    const walks = fc.record({
      start: fc.integer({ min: -100, max: 3000 }),
      min: fc.integer({ min: 1, max: 1000 }),
      width: fc.integer({ min: 0, max: 50 }),
      scale: fc.integer({ min: 1, max: 1_000_000 }),
      seed: fc.maxSafeNat(),
    });
    fc.assert(
      fc.property(walks, ({ start, min, width, scale, seed }) => {
        const max = min + width;
        const value = new FairValue(start, { min, max }, scale, new Random(seed));
        const first = value.ticks;
        expect(first).toBe(Math.min(max, Math.max(min, start)));
        const ticks = walk(value, 500);
        expect(ticks.filter((x) => x < min || x > max)).toEqual([]);
        const jumps = ticks.filter((x, i) => Math.abs(x - (ticks[i - 1] ?? first)) > 1);
        expect(jumps).toEqual([]);
      }),
    );
  });

  it("fair-value - strays from its start by about 3 % of the scale", () => {
    const ticks = walk(new FairValue(5000, ANYWHERE, 1000, new Random(3)), 500_000);
    const mean = ticks.reduce((a, b) => a + b, 0) / ticks.length;
    const variance = ticks.reduce((sum, x) => sum + (x - 5000) ** 2, 0) / ticks.length;
    expect(Math.abs(mean - 5000)).toBeLessThan(15);
    expect(Math.sqrt(variance)).toBeGreaterThan(20);
    expect(Math.sqrt(variance)).toBeLessThan(40);
  });

  it("fair-value - equal seeds give equal walks", () => {
    const walkOf = (seed: number) => walk(new FairValue(500, ANYWHERE, 100, new Random(seed)), 200);
    expect(walkOf(1)).toEqual(walkOf(1));
    expect(walkOf(2)).not.toEqual(walkOf(1));
  });
});
