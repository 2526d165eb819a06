import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PriceTrie } from "../../src/engine/price-trie.js";

const MAX = Number.MAX_SAFE_INTEGER;

/** Prices at which the number of digits, or the word of the digits, changes. */
const EDGES = [1, 31, 32, 33, 1023, 1024, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 2 ** 32, MAX - 1, MAX];

describe("PriceTrie", () => {
  it("price trie - tells the next lower price's slot as a price is added", () => {
    const trie = new PriceTrie();
    expect(trie.add(100, 1)).toBe(0);
    expect(trie.add(2 ** 40, 2)).toBe(1);
    expect(trie.add(101, 3)).toBe(1);
    expect(trie.add(7, 4)).toBe(0);
    expect(trie.add(99, 5)).toBe(4);
    expect(trie.add(MAX, 6)).toBe(2);
    expect([100, 2 ** 40, 101, 7, 99, MAX, 98, MAX - 1].map((price) => trie.get(price))).toEqual([
      1, 2, 3, 4, 5, 6, 0, 0,
    ]);
  });

  it("price trie - gives every node back, and is low again once the high prices have gone", () => {
    const trie = new PriceTrie();
    trie.add(1, 1);
    expect(trie.nodes).toBe(1);
    trie.add(MAX, 2);
    // 11 digits each, of which they share the root.
    expect(trie.nodes).toBe(21);
    trie.remove(MAX);
    expect(trie.nodes).toBe(1);
    trie.add(2 ** 52, 3);
    trie.remove(1);
    trie.remove(2 ** 52);
    expect(trie.nodes).toBe(1);
    expect([trie.add(5, 4), trie.get(5), trie.nodes]).toEqual([0, 4, 1]);
  });

  it.each([
    ["close", fc.integer({ min: 1, max: 100 })],
    ["any", fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 1, max: MAX }))],
  ])("price trie - does as a sorted list does with %s prices", (_, price) => {
    fc.assert(
      fc.property(fc.array(price, { maxLength: 600, size: "max" }), (prices) => {
        const trie = new PriceTrie();
        const model = new Map<number, number>();
        for (const [index, each] of prices.entries()) {
          expect(trie.get(each)).toBe(model.get(each) ?? 0);
          if (model.delete(each)) {
            trie.remove(each);
            continue;
          }
          const lower = Math.max(...[...model.keys()].filter((other) => other < each));
          expect(trie.add(each, index + 1)).toBe(model.get(lower) ?? 0);
          model.set(each, index + 1);
        }
        for (const each of prices) expect(trie.get(each)).toBe(model.get(each) ?? 0);
        for (const each of model.keys()) trie.remove(each);
        expect(trie.nodes).toBe(1);
      }),
      { numRuns: 25 },
    );
  });
});
