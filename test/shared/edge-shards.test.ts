import { expect, it } from "vitest";
import { edgeShardNumber, isEdgeShard } from "../../src/shared/edge-shards.js";

it("edge shards - a number follows from whose it is, is none of a server's own, and every other's is another", () => {
  const numbers = new Set<number>();
  for (const node of ["a", "b", 'a","x'])
    for (const run of ["1", "2", "x"])
      for (let shard = 0; shard < 500; shard++) {
        const number = edgeShardNumber(node, run, shard);
        expect(number).toBe(edgeShardNumber(node, run, shard));
        expect(Number.isSafeInteger(number) && isEdgeShard(number)).toBe(true);
        numbers.add(number);
      }
  expect(numbers.size).toBe(3 * 3 * 500);
  for (const own of [0, 1, 1023]) expect(isEdgeShard(own)).toBe(false);
});
