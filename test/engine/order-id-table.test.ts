import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderIdTable } from "../../src/engine/order-id-table.js";

describe("OrderIdTable", () => {
  it("order id table - knows nothing of an id that is not there", () => {
    const table = new OrderIdTable();
    expect([table.get(1), table.remove(1)]).toEqual([0, 0]);
    table.add(1, 7);
    expect([table.get(1), table.get(2), table.remove(2)]).toEqual([7, 0, 0]);
    expect([table.remove(1), table.get(1), table.remove(1)]).toEqual([7, 0, 0]);
  });

  it.each([
    ["ids in sequence", fc.integer({ min: 1, max: 300 })],
    ["ids that differ in their high bits", fc.integer({ min: 1, max: 2 ** 21 - 1 }), 2 ** 32],
    ["ids up to 2^53−1", fc.maxSafeNat().map((id) => id || Number.MAX_SAFE_INTEGER)],
  ])("order id table - does as a map does with %s", (_, id, factor = 1) => {
    const step = fc.record({ id: id.map((each) => each * factor), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500, size: "max" }), (steps) => {
        const table = new OrderIdTable();
        const model = new Map<number, number>();
        for (const [index, { id: orderId, add }] of steps.entries()) {
          if (!add) {
            expect(table.remove(orderId)).toBe(model.get(orderId) ?? 0);
            model.delete(orderId);
          } else if (!model.has(orderId)) {
            table.add(orderId, index + 1);
            model.set(orderId, index + 1);
          }
        }
        for (const { id: orderId } of steps)
          expect(table.get(orderId)).toBe(model.get(orderId) ?? 0);
      }),
      { numRuns: 20 },
    );
  });

  it("order id table - a million ids pass through it, a thousand at a time", () => {
    const table = new OrderIdTable();
    let removed = 0;
    for (let orderId = 1; orderId <= 1_000_000; orderId++) {
      table.add(orderId, orderId);
      if (orderId > 1000) removed += table.remove(orderId - 1000) === orderId - 1000 ? 1 : 0;
    }
    expect([removed, table.get(1_000_000), table.get(999_000)]).toEqual([999_000, 1_000_000, 0]);
  });
});
