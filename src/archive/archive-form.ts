import { crc32 } from "node:zlib";
import { SIDES, type Side } from "../shared/market.js";

/*
 * The form of everything in the archive. Keys are big-endian, so that their order is that of the numbers:
 *
 *   markets      market u32                      → JSON: id, steps
 *   epochs       epoch u32                       → JSON: its name
 *   blocks       market u32, ts u64, number u64  → trades of a market that were archived together
 *   batches      ts u64, number u64              → the keys of the blocks that were archived together
 *   candles-1m   market u32, start u64           → one candle; candles-1h the same
 *   gaps         from u64, to u64                → nothing: trades of this time may be missing
 *   places       market u32                      → JSON: where its stream stood with its last trade, pruned
 *   state        nothing u8                      → JSON: how far the archive has come
 *
 * Every record begins with a CRC-32 of the rest. A position is a trade's `ts`, never less than the one
 * before, and its number; a block's and a batch's is that of its first trade. A trade in a block:
 *
 *   0      8    16    24      32         40     41        42
 *   ├──────┼────┼─────┼───────┼──────────┼──────┼─────────┼──────────┐
 *   │number│ ts │ seq │ price │ quantity │ side │ id bytes│ id, UTF-8│   f64 little-endian, bytes
 *   └──────┴────┴─────┴───────┴──────────┴──────┴─────────┴──────────┘
 *
 *   An id that is the number's text has no bytes.
 */

/** Version of this form; an archive of another one is moved aside. */
export const ARCHIVE_VERSION = 1;

/** A trade's place among all of the archive, which goes up with each; never the same twice. */
export interface ArchivePosition {
  /** Microseconds since the Unix epoch. */
  readonly ts: number;
  readonly number: number;
}

/** A trade as it was published. Price in ticks, quantity in lots. */
export interface ArchivedTrade {
  readonly number: number;
  readonly ts: number;
  readonly seq: number;
  readonly price: number;
  readonly quantity: number;
  readonly takerSide: Side;
  readonly tradeId: string;
}

/** How far an archive has come. */
export interface ArchiveState {
  readonly version: number;
  /** Position of the last trade; 0 where there is none. */
  readonly lastTs: number;
  readonly lastNumber: number;
  /** Index of the last epoch that trades were read of, and the number of the next record of its ring. */
  readonly epoch: number;
  readonly nextRecord: number;
  /** Whatever was told is in it: who wrote last came to the end of what there was. */
  readonly ended: boolean;
  /** Every trade of the epoch from its first on was appended, so the next ones' `seq` can be counted. */
  readonly whole: boolean;
  /** Trades before this `ts` have been pruned. */
  readonly prunedTo: number;
}

const CHECKSUM_BYTES = 4;
const BLOCK_HEAD_BYTES = 8;
const TRADE_HEAD_BYTES = 42;
const POSITION_BYTES = 16;

/** Thrown where a record is not what was written. */
export class ArchiveDamage extends Error {}

function seal(record: Buffer): Buffer {
  record.writeUInt32LE(crc32(record.subarray(CHECKSUM_BYTES)), 0);
  return record;
}

function unseal(record: Buffer): Buffer {
  if (record.length < CHECKSUM_BYTES) throw new ArchiveDamage("a record is too short");
  const rest = record.subarray(CHECKSUM_BYTES);
  if (crc32(rest) !== record.readUInt32LE(0))
    throw new ArchiveDamage("a record's checksum does not fit");
  return rest;
}

/** A record of values that are seldom written. */
export function encodeValue(value: unknown): Buffer {
  return seal(Buffer.concat([Buffer.alloc(CHECKSUM_BYTES), Buffer.from(JSON.stringify(value))]));
}

/** Throws ArchiveDamage. */
export function decodeValue<T>(record: Buffer): T {
  return JSON.parse(unseal(record).toString()) as T;
}

function writeU64(key: Buffer, value: number, at: number): void {
  key.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  key.writeUInt32BE(value % 2 ** 32, at + 4);
}

function readU64(key: Buffer, at: number): number {
  return key.readUInt32BE(at) * 2 ** 32 + key.readUInt32BE(at + 4);
}

/** The key of a market or an epoch. */
export function indexKey(index: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(index);
  return key;
}

export function readIndex(key: Buffer): number {
  return key.readUInt32BE(0);
}

export function blockKey(market: number, { ts, number }: ArchivePosition): Buffer {
  const key = Buffer.alloc(4 + POSITION_BYTES);
  key.writeUInt32BE(market);
  writeU64(key, ts, 4);
  writeU64(key, number, 12);
  return key;
}

export function readBlockPosition(key: Buffer): ArchivePosition {
  return { ts: readU64(key, 4), number: readU64(key, 12) };
}

/** The key of a batch or, of two times, of a gap. */
export function pairKey(first: number, second: number): Buffer {
  const key = Buffer.alloc(POSITION_BYTES);
  writeU64(key, first, 0);
  writeU64(key, second, 8);
  return key;
}

export function readPair(key: Buffer): readonly [number, number] {
  return [readU64(key, 0), readU64(key, 8)];
}

export function candleKey(market: number, start: number): Buffer {
  const key = Buffer.alloc(12);
  key.writeUInt32BE(market);
  writeU64(key, start, 4);
  return key;
}

export function readCandleStart(key: Buffer): number {
  return readU64(key, 4);
}

/** Trades of one market and epoch. */
export function encodeBlock(epoch: number, trades: readonly ArchivedTrade[]): Buffer {
  const ids = trades.map(({ tradeId, number }) =>
    tradeId === String(number) ? undefined : Buffer.from(tradeId),
  );
  const idBytes = ids.reduce((sum, id) => sum + (id?.length ?? 0), 0);
  const head = CHECKSUM_BYTES + BLOCK_HEAD_BYTES;
  const block = Buffer.allocUnsafe(head + trades.length * TRADE_HEAD_BYTES + idBytes);
  block.writeUInt32LE(epoch, CHECKSUM_BYTES);
  block.writeUInt32LE(trades.length, CHECKSUM_BYTES + 4);
  let at = head;
  for (const [index, trade] of trades.entries()) {
    const id = ids[index];
    block.writeDoubleLE(trade.number, at);
    block.writeDoubleLE(trade.ts, at + 8);
    block.writeDoubleLE(trade.seq, at + 16);
    block.writeDoubleLE(trade.price, at + 24);
    block.writeDoubleLE(trade.quantity, at + 32);
    block[at + 40] = SIDES.indexOf(trade.takerSide);
    block[at + 41] = id?.length ?? 0;
    if (id !== undefined) block.set(id, at + TRADE_HEAD_BYTES);
    at += TRADE_HEAD_BYTES + (id?.length ?? 0);
  }
  return seal(block);
}

export interface TradeBlock {
  readonly epoch: number;
  readonly trades: readonly ArchivedTrade[];
}

/** Throws ArchiveDamage. */
export function decodeBlock(record: Buffer): TradeBlock {
  const block = unseal(record);
  const count = block.readUInt32LE(4);
  const trades: ArchivedTrade[] = [];
  let at = BLOCK_HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    const number = block.readDoubleLE(at);
    const idBytes = block[at + 41] as number;
    const end = at + TRADE_HEAD_BYTES + idBytes;
    trades.push({
      number,
      ts: block.readDoubleLE(at + 8),
      seq: block.readDoubleLE(at + 16),
      price: block.readDoubleLE(at + 24),
      quantity: block.readDoubleLE(at + 32),
      takerSide: SIDES[block[at + 40] as number] as Side,
      tradeId: idBytes === 0 ? String(number) : block.toString("utf8", at + TRADE_HEAD_BYTES, end),
    });
    at = end;
  }
  return { epoch: block.readUInt32LE(0), trades };
}

/** The keys of a batch's blocks, one after another. */
export function encodeBatch(blocks: readonly Buffer[]): Buffer {
  return seal(Buffer.concat([Buffer.alloc(CHECKSUM_BYTES), ...blocks]));
}

/** Throws ArchiveDamage. */
export function decodeBatch(record: Buffer): readonly Buffer[] {
  const keys = unseal(record);
  const bytes = 4 + POSITION_BYTES;
  return Array.from({ length: Math.floor(keys.length / bytes) }, (_, index) =>
    keys.subarray(index * bytes, (index + 1) * bytes),
  );
}

/** The six numbers of a candle that its key does not say. */
export function encodeCandle(values: readonly number[]): Buffer {
  const record = Buffer.allocUnsafe(CHECKSUM_BYTES + values.length * 8);
  for (const [index, value] of values.entries())
    record.writeDoubleLE(value, CHECKSUM_BYTES + index * 8);
  return seal(record);
}

/** Throws ArchiveDamage. */
export function decodeCandle(record: Buffer): readonly number[] {
  const values = unseal(record);
  return Array.from({ length: values.length >>> 3 }, (_, index) => values.readDoubleLE(index * 8));
}
