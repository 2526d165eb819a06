import { CHECKSUM_LEVELS } from "../../../contract/checksum-levels.js";
import type { Book, BookSide } from "../../../shared/market.js";

/** CRC-32 of IEEE 802.3, as zlib's, by its table. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb8_8320;
  return crc;
});

/**
 * CRC-32 (IEEE) of the first ten levels a side of a book, bids first: of each level its price and its
 * quantity, as counts of ticks and lots in 64 bits, little-endian and two's complement.
 */
export function bookChecksum({ bids, asks }: Book): number {
  return (sideChecksum(sideChecksum(0xffff_ffff, bids), asks) ^ 0xffff_ffff) >>> 0;
}

function sideChecksum(start: number, { price, quantity, length }: BookSide): number {
  let crc = start;
  for (let level = 0; level < Math.min(length, CHECKSUM_LEVELS); level++)
    crc = countChecksum(countChecksum(crc, price[level] as number), quantity[level] as number);
  return crc;
}

function countChecksum(crc: number, count: number): number {
  return wordChecksum(wordChecksum(crc, count | 0), Math.floor(count / 2 ** 32));
}

function wordChecksum(start: number, word: number): number {
  let crc = start;
  for (let shift = 0; shift < 32; shift += 8)
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (word >>> shift)) & 0xff] as number);
  return crc;
}
