import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue } from "../../../../src/workers/shard/connections/fair-queue.js";

const takeAll = <Group, Item>(queue: FairQueue<Group, Item>): Item[] => {
  const taken: Item[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item);
  return taken;
};

describe("fair-queue", () => {
  it("fair-queue - groups take turns, and in each its items in their order", () => {
    const queue = new FairQueue<string, string>();
    for (const item of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.add(item.charAt(0), item);
    expect(queue.next).toBe("a");
    expect(takeAll(queue)).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
    expect(queue.next).toBeUndefined();
  });

  it("fair-queue - an item is there once, and not when it was deleted", () => {
    const queue = new FairQueue<string, string>();
    for (const item of ["a1", "a2", "a1", "b1"]) queue.add(item.charAt(0), item);
    queue.delete("a", "a2");
    queue.delete("b", "b1");
    queue.delete("c", "c1");
    expect([queue.has("a"), queue.has("b")]).toEqual([true, false]);
    expect(takeAll(queue)).toEqual(["a1"]);
  });

  it("fair-queue - of a group those of the lowest rank go first, and of the same rank in their order", () => {
    const queue = new FairQueue<string, string>();
    for (const [item, rank] of [
      ["a1", 5],
      ["a2", 0],
      ["b1", 9],
      ["a3", 5],
      ["a4", 2],
    ] as const)
      queue.add(item.charAt(0), item, rank);
    queue.delete("a", "a3");
    expect(takeAll(queue)).toEqual(["a2", "b1", "a4", "a1"]);
  });

  it("fair-queue - moved groups are behind what waits there", () => {
    const [from, to] = [new FairQueue<string, string>(), new FairQueue<string, string>()];
    for (const item of ["a1", "b1"]) from.add(item.charAt(0), item);
    for (const item of ["b0", "c1"]) to.add(item.charAt(0), item);
    from.move("a", to);
    from.moveAll(to);
    expect(from.next).toBeUndefined();
    expect(takeAll(to)).toEqual(["b0", "c1", "a1", "b1"]);
  });

  it("fair-queue - nobody is taken a second time before every group has had its turn", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(9)), { maxLength: 60 }), (pairs) => {
        const queue = new FairQueue<number, string>();
        for (const [group, item] of pairs) queue.add(group, `${group}.${item}`);
        const taken = takeAll(queue);
        expect(new Set(taken).size).toBe(taken.length);
        const turns = new Map<string, number>();
        const turnOf = taken.map((item) => {
          const group = item.charAt(0);
          turns.set(group, (turns.get(group) ?? 0) + 1);
          return turns.get(group) as number;
        });
        expect(turnOf).toEqual([...turnOf].sort((a, b) => a - b));
      }),
    );
  });
});
