import { describe, expect, it } from "vitest";
import { RecordPool } from "../../src/engine/record-pool.js";

describe("RecordPool", () => {
  it("record pool - hands out every slot but 0 once, and keeps records over a doubling", () => {
    const pool = new RecordPool(3);
    const slots = Array.from({ length: 1000 }, () => {
      const slot = pool.take();
      pool.f64.fill(slot, slot * 3, slot * 3 + 3);
      return slot;
    });
    expect(new Set(slots).size).toBe(1000);
    expect(slots).not.toContain(0);
    expect(slots.every((slot) => pool.f64[slot * 3 + 2] === slot)).toBe(true);
    expect([...pool.f64.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(pool.i32.buffer).toBe(pool.f64.buffer);
  });

  it("record pool - takes slots that were given back before it grows", () => {
    const pool = new RecordPool(2);
    const slots = Array.from({ length: 500 }, () => pool.take());
    const size = pool.f64.length;
    for (let round = 0; round < 20; round++) {
      for (const slot of slots) pool.give(slot);
      expect(pool.taken).toBe(0);
      expect(new Set(slots.map(() => pool.take()))).toEqual(new Set(slots));
      expect(pool.taken).toBe(500);
    }
    expect(pool.f64.length).toBe(size);
  });
});
