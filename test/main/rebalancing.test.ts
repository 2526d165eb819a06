import fc from "fast-check";
import { expect, it } from "vitest";
import { sharesOf } from "../../src/main/rebalancing.js";

it("rebalancing - each shard's share is in proportion to its connections, and they sum to what was asked", () => {
  expect(sharesOf(10, [100, 100])).toEqual([5, 5]);
  expect(sharesOf(10, [30, 10])).toEqual([8, 2]);
  expect(sharesOf(1, [1, 2, 1])).toEqual([0, 1, 0]);
  expect(sharesOf(0, [5])).toEqual([0]);
  expect(sharesOf(9, [2, 0, 3])).toEqual([2, 0, 3]);
  expect(sharesOf(9, [0, 0])).toEqual([0, 0]);
});

it("rebalancing - no shard closes more than it has", () => {
  const connections = fc.array(fc.nat(20_000), { minLength: 1, maxLength: 16 });
  fc.assert(
    fc.property(fc.nat(100_000), connections, (close, all) => {
      const shares = sharesOf(close, all);
      const sum = all.reduce((total, one) => total + one, 0);
      expect(shares.reduce((total, one) => total + one, 0)).toBe(Math.min(close, sum));
      for (const [shard, share] of shares.entries())
        expect(share).toBeLessThanOrEqual(all[shard] as number);
    }),
  );
});
