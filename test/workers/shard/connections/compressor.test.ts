import { beforeEach, describe, expect, it } from "vitest";
import { type CounterSection, counted, SHARD } from "../../../../src/counters/counters.js";
import { Compressor } from "../../../../src/workers/shard/connections/compressor.js";
import { inflateMessage } from "../../../../src/workers/shard/connections/inflate.js";
import { WINDOW_BITS } from "../../../../src/workers/shard/http/deflate-offer.js";

const PAYLOAD = Buffer.from("PriceUpdate ".repeat(100));

let counters: CounterSection;
beforeEach(() => {
  counters = new Float64Array(256);
});

describe("compressor", () => {
  it("compressor - from the threshold on, a payload becomes smaller and comes back", () => {
    const { length } = PAYLOAD;
    for (const windowBits of WINDOW_BITS) {
      const compressed = new Compressor(length, counters).compress(PAYLOAD, windowBits);
      expect(compressed?.length).toBeLessThan(length / 10);
      expect(inflateMessage(compressed as Buffer, "text", length)).toEqual(PAYLOAD);
      const above = new Compressor(length + 1, counters);
      expect(above.compress(PAYLOAD, windowBits)).toBeUndefined();
    }
    expect(counted(counters, SHARD.compressions)).toBe(WINDOW_BITS.length);
    expect(counted(counters, SHARD.deflatedBytesBefore)).toBe(WINDOW_BITS.length * length);
    expect(counted(counters, SHARD.deflatedBytesAfter)).toBeLessThan(length);
  });

  it("compressor - what would not become smaller, or is huge, goes as it is", () => {
    const compressor = new Compressor(0, counters, { now: () => 0 });
    expect(compressor.compress(Buffer.from("abc"), 15)).toBeUndefined();
    expect(compressor.compress(Buffer.alloc(512 * 1024), 15)).toBeDefined();
    expect(compressor.compress(Buffer.alloc(512 * 1024 + 1), 15)).toBeUndefined();
  });

  it("compressor - when its share of a turn is spent, the turn's others go as they are", () => {
    let now = 0;
    const turns: (() => void)[] = [];
    const compressor = new Compressor(0, counters, {
      // Each takes 1.5 ms.
      now: () => {
        now += 1.5;
        return now;
      },
      defer: (run) => turns.push(run),
    });
    const compressed = () =>
      Array.from({ length: 5 }, () => compressor.compress(PAYLOAD, 15) !== undefined);
    expect(compressed()).toEqual([true, true, true, false, false]);
    expect(turns.length).toBe(1);
    turns[0]?.();
    expect(compressed()).toEqual([true, true, true, false, false]);
    expect(turns.length).toBe(2);
    expect(counted(counters, SHARD.compressionsLeftOut)).toBe(4);
    expect(counted(counters, SHARD.compressionS)).toBeCloseTo(6 * 0.0015);
  });
});
