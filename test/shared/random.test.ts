import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";

const seeds = fc.maxSafeNat();

function sequence(seed: number, length = 50): number[] {
  const random = new Random(seed);
  return Array.from({ length }, () => random.nextInt32());
}

describe("random", () => {
  it("random - equal seeds give equal sequences, other seeds other ones", () => {
    fc.assert(
      fc.property(seeds, seeds, (a, b) => {
        expect(sequence(a)).toEqual(sequence(a));
        if (a !== b) expect(sequence(a)).not.toEqual(sequence(b));
      }),
    );
  });

  it("random - below(n) stays in [0, n), for every n up to 2^31", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 2 ** 31 }), (seed, bound) => {
        const random = new Random(seed);
        for (let i = 0; i < 20; i++) {
          const value = random.below(bound);
          expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        }
      }),
    );
  });

  it("random - below(10) hits each value about equally often", () => {
    const random = new Random(7);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = random.below(10);
      counts[value] = (counts[value] as number) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
