import { describe, expect, it } from "vitest";
import { createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import {
  alignToUnit,
  BATCH_BYTES_MAX,
  isRingCapacity,
  RECORD_HEADER_BYTES,
  RING_CAPACITY_MAX,
  RING_CAPACITY_MIN,
  RING_HEADER_BYTES,
  recordBytesMax,
  TAIL_INTENT_WORD,
  TAIL_WORD,
} from "../../src/ring/layout.js";
import { bookBytesMax, definitionBytes, tradeBytes } from "../../src/ring/records.js";
import { BOOK_LEVELS_MAX } from "../../src/shared/market.js";

describe("layout", () => {
  it("layout - a ring's capacity is a power of two between 64 KiB and 1 GiB", () => {
    expect([RING_CAPACITY_MIN, RING_CAPACITY_MAX]).toEqual([65_536, 1_073_741_824]);
    for (let bytes = RING_CAPACITY_MIN; bytes <= RING_CAPACITY_MAX; bytes *= 2) {
      expect(isRingCapacity(bytes)).toBe(true);
      expect(isRingCapacity(bytes + 8)).toBe(false);
    }
    for (const bytes of [0, -65_536, 32_768, 2 ** 31, 100_000, Number.NaN]) {
      expect(isRingCapacity(bytes)).toBe(false);
      expect(() => createRingBuffer(bytes)).toThrow(RangeError);
    }
  });

  it("layout - the largest record is an eighth of the ring, and never more than a reader copies", () => {
    expect(recordBytesMax(65_536)).toBe(8192);
    expect(recordBytesMax(1 << 19)).toBe(65_536);
    expect(recordBytesMax(RING_CAPACITY_MAX)).toBe(BATCH_BYTES_MAX);
  });

  it("layout - the smallest ring takes the largest of every kind of record", () => {
    const largest = [definitionBytes(1024), bookBytesMax(2 * BOOK_LEVELS_MAX), tradeBytes(64)];
    for (const bytes of largest) {
      expect(RECORD_HEADER_BYTES + bytes).toBeLessThanOrEqual(recordBytesMax(RING_CAPACITY_MIN));
    }
  });

  it("layout - tail intent and tail are two cache lines apart, and so is the data", () => {
    expect((TAIL_WORD - TAIL_INTENT_WORD) * 4).toBeGreaterThanOrEqual(128);
    expect(RING_HEADER_BYTES - TAIL_WORD * 4).toBeGreaterThanOrEqual(128);
  });

  it("layout - lengths are rounded up to 8 bytes", () => {
    expect([0, 1, 7, 8, 9, 65_535].map(alignToUnit)).toEqual([0, 8, 8, 8, 16, 65_536]);
  });
});
