import { expect, it } from "vitest";
import { LargestFirst } from "../../src/channels/largest-first.js";
import { Random } from "../../src/shared/random.js";

it("largest first - what is found is at least half as large as the largest, whatever becomes of sizes", () => {
  const seed = 11;
  const numbers = new Random(seed);
  const random = (): number => numbers.below(1e6) / 1e6;
  const items = new LargestFirst<number>();
  const sizes = new Map<number, number>();
  for (let step = 0; step < 5000; step++) {
    const item = Math.floor(random() * 20);
    const before = sizes.get(item) ?? 0;
    const now = random() < 0.3 ? 0 : Math.floor(2 ** (random() * 20));
    items.resize(item, before, now);
    sizes.set(item, now);
    const most = Math.max(...sizes.values());
    const found = items.largest;
    if (most === 0) expect(found).toBeUndefined();
    else expect(sizes.get(found as number)).toBeGreaterThan(most / 2 - 1);
  }
});

it("largest first - a size that an item does not have is found out", () => {
  const items = new LargestFirst<string>();
  items.resize("a", 0, 10);
  expect(() => items.resize("a", 100, 3)).toThrow("no item has had the size 100");
  items.resize("a", 10, 0);
  expect(items.largest).toBeUndefined();
});
