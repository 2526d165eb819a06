import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { createBook } from "../../../../src/shared/market.js";
import { bookChecksum } from "../../../../src/workers/shard/fan-out/book-checksum.js";

it("book-checksum - it is zlib's of ten levels a side in 64 bits, wide and negative counts included", () => {
  const counts = [5, -7, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 32, -(2 ** 32), 2 ** 31, 0, 1, -1, 99];
  for (const length of [0, 1, 9, 10, 11]) {
    const book = createBook();
    const bytes: Buffer[] = [];
    for (const side of [book.bids, book.asks]) {
      side.length = length;
      for (let level = 0; level < length; level++) {
        side.price[level] = counts[level] as number;
        side.quantity[level] = level + 1;
        if (level >= 10) continue;
        const both = Buffer.alloc(16);
        both.writeBigInt64LE(BigInt(counts[level] as number), 0);
        both.writeBigInt64LE(BigInt(level + 1), 8);
        bytes.push(both);
      }
    }
    expect(bookChecksum(book)).toBe(crc32(Buffer.concat(bytes)));
  }
});
