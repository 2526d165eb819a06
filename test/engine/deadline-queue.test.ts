import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeadlineQueue } from "../../src/engine/deadline-queue.js";

const steps = fc.array(
  fc.record({ key: fc.nat(30), at: fc.option(fc.nat(20), { nil: undefined }) }),
  { maxLength: 300, size: "max" },
);

describe("deadline queue", () => {
  it("deadline queue - the earliest comes first, of one time the lowest key, as in a sorted list", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const queue = new DeadlineQueue<number>();
        const model = new Map<number, number>();
        for (const { key, at } of all) {
          if (at === undefined) {
            queue.delete(key);
            model.delete(key);
          } else {
            queue.set(key, at);
            model.set(key, at);
          }
          const [first] = [...model].sort(([a, x], [b, y]) => x - y || a - b);
          expect([queue.size, queue.next, queue.nextAt]).toEqual([
            model.size,
            first?.[0],
            first?.[1] ?? Infinity,
          ]);
        }
        const drained: number[] = [];
        for (let next = queue.next; next !== undefined; next = queue.next) {
          drained.push(next);
          queue.delete(next);
        }
        const sorted = [...model].sort(([a, x], [b, y]) => x - y || a - b).map(([key]) => key);
        expect(drained).toEqual(sorted);
      }),
    );
  });
});
