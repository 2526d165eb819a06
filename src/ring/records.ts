import {
  type Book,
  type BookSide,
  MARKET_STATUSES,
  type MarketDefinition,
  type MarketStatus,
  SIDES,
  type Side,
  TOP_BOOK_LEVELS,
} from "../shared/market.js";
import { fromBigInt, type MarketId } from "../shared/market-id.js";
import { alignToUnit, RECORD, type Words } from "./layout.js";

/*
 * Payloads of the ring's records; the table's slots hold the same ones. Offsets are bytes and
 * multiples of 8, numbers are f64 (exact integers up to 2^53), an absent number is NaN.
 *
 *   definition  slot u32, title bytes u32 │ id u64 low, high │ tick size │ lot size │ title (UTF-8)
 *   state       slot u32, status u8 + changes u8 │ state seq │ price seq │ price │ bid │ ask │ volume │ ts
 *               │ sized seq │ bid quantity │ ask quantity │ sized ts
 *   book        slot u32, bids u16 + asks u16 │ seq │ ts │ top seq │ top ts
 *               │ (price, quantity) per level, bids first
 *   trade       slot u32, side u8 + id bytes u8 │ seq │ price │ quantity │ ts │ trade id (UTF-8)
 */

export const STATE_BYTES = 96;
const BOOK_HEAD_BYTES = 40;
const LEVEL_BYTES = 16;
const DEFINITION_HEAD_BYTES = 40;
const TRADE_HEAD_BYTES = 40;
export const TRADE_ID_BYTES_MAX = 64;

/** What a state record says has changed since the market's previous one. */
export const CHANGE = { created: 1, status: 2, price: 4, quote: 8, volume: 16, size: 32 } as const;
/** What a `PriceUpdate` without sizes tells. */
export const PRICE_CHANGES = CHANGE.price | CHANGE.quote;
/** What one with sizes tells. */
export const SIZED_CHANGES = PRICE_CHANGES | CHANGE.size;

/** A market's latest state. Prices in ticks, volume in lots, null where there is none. */
export interface MarketState {
  slot: number;
  status: MarketStatus;
  /** Bits of {@link CHANGE}. */
  changes: number;
  stateSeq: number;
  priceSeq: number;
  price: number | null;
  bestBid: number | null;
  bestAsk: number | null;
  volume: number;
  /** Microseconds since the Unix epoch. */
  ts: number;
  /** Of prices with the best sizes: a stream of its own, which a state without changes may move. */
  sizedSeq: number;
  /** In lots; null where the side is empty or its size is not known. */
  bidQuantity: number | null;
  askQuantity: number | null;
  sizedTs: number;
}

/** Where a market's books stand: all that is kept, and the first levels, a stream of their own. */
export interface BookPlace {
  seq: number;
  ts: number;
  /** Of the first {@link TOP_BOOK_LEVELS} levels. */
  topSeq: number;
  topTs: number;
}

/** A market's latest published book. */
export interface BookState extends Book, BookPlace {}

/** What differs between two books: nothing, only levels beyond the first ones, or one of these. */
export type BookDifference = "none" | "deep" | "top";

export interface TradeRecord {
  slot: number;
  seq: number;
  price: number;
  quantity: number;
  takerSide: Side;
  ts: number;
  tradeId: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const nullable = (value: number): number | null => (Number.isNaN(value) ? null : value);

export function definitionBytes(titleBytes: number): number {
  return DEFINITION_HEAD_BYTES + alignToUnit(titleBytes);
}

/** @param title the definition's title as UTF-8 */
export function writeDefinition(
  words: Words,
  offset: number,
  slot: number,
  definition: MarketDefinition,
  title: Uint8Array,
): void {
  const at = offset >>> 3;
  const id = BigInt(definition.marketId);
  words.u32[at * 2] = slot;
  words.u32[at * 2 + 1] = title.length;
  words.u64[at + 1] = BigInt.asUintN(64, id);
  words.u64[at + 2] = id >> 64n;
  words.f64[at + 3] = definition.tickSize;
  words.f64[at + 4] = definition.lotSize;
  words.bytes.set(title, offset + DEFINITION_HEAD_BYTES);
}

export function readDefinition(words: Words, offset: number): MarketDefinition {
  const at = offset >>> 3;
  const marketId: MarketId = fromBigInt(
    ((words.u64[at + 2] as bigint) << 64n) | (words.u64[at + 1] as bigint),
  );
  const start = offset + DEFINITION_HEAD_BYTES;
  return {
    marketId,
    title: decoder.decode(words.bytes.slice(start, start + (words.u32[at * 2 + 1] as number))),
    tickSize: words.f64[at + 3] as number,
    lotSize: words.f64[at + 4] as number,
  };
}

/** The slot that any record is about; every payload starts with it. */
export function readSlot(words: Words, offset: number): number {
  return words.u32[offset >>> 2] as number;
}

/** The `ts` of a record of a stream. */
export function readTs(type: number, { f64 }: Words, offset: number): number {
  const at = offset >>> 3;
  // Of a state that only its sizes have moved, its own is an earlier one.
  if (type === RECORD.state) return Math.max(f64[at + 7] as number, f64[at + 11] as number);
  return f64[type === RECORD.book ? at + 2 : at + 4] as number;
}

export function writeState(words: Words, offset: number, state: MarketState): void {
  const at = offset >>> 3;
  const { f64 } = words;
  words.u32[at * 2] = state.slot;
  words.u32[at * 2 + 1] = MARKET_STATUSES.indexOf(state.status) | (state.changes << 8);
  f64[at + 1] = state.stateSeq;
  f64[at + 2] = state.priceSeq;
  f64[at + 3] = state.price ?? Number.NaN;
  f64[at + 4] = state.bestBid ?? Number.NaN;
  f64[at + 5] = state.bestAsk ?? Number.NaN;
  f64[at + 6] = state.volume;
  f64[at + 7] = state.ts;
  f64[at + 8] = state.sizedSeq;
  f64[at + 9] = state.bidQuantity ?? Number.NaN;
  f64[at + 10] = state.askQuantity ?? Number.NaN;
  f64[at + 11] = state.sizedTs;
}

export function readStateSeq(words: Words, offset: number): number {
  return words.f64[(offset >>> 3) + 1] as number;
}

export function readSizedSeq(words: Words, offset: number): number {
  return words.f64[(offset >>> 3) + 8] as number;
}

export function readState(words: Words, offset: number, into: MarketState): void {
  const at = offset >>> 3;
  const { f64 } = words;
  const flags = words.u32[at * 2 + 1] as number;
  into.slot = words.u32[at * 2] as number;
  into.status = MARKET_STATUSES[flags & 0xff] as MarketStatus;
  into.changes = flags >>> 8;
  into.stateSeq = f64[at + 1] as number;
  into.priceSeq = f64[at + 2] as number;
  into.price = nullable(f64[at + 3] as number);
  into.bestBid = nullable(f64[at + 4] as number);
  into.bestAsk = nullable(f64[at + 5] as number);
  into.volume = f64[at + 6] as number;
  into.ts = f64[at + 7] as number;
  into.sizedSeq = f64[at + 8] as number;
  into.bidQuantity = nullable(f64[at + 9] as number);
  into.askQuantity = nullable(f64[at + 10] as number);
  into.sizedTs = f64[at + 11] as number;
}

/** @param depth levels a side that are kept; further ones are left out */
export function bookBytes(book: Book, depth: number): number {
  return bookBytesMax(Math.min(book.bids.length, depth) + Math.min(book.asks.length, depth));
}

/** Bytes of a book of so many levels, both sides together. */
export function bookBytesMax(levels: number): number {
  return BOOK_HEAD_BYTES + levels * LEVEL_BYTES;
}

/** Writes the first `depth` levels a side of a book. */
export function writeBook(
  words: Words,
  offset: number,
  slot: number,
  { seq, ts, topSeq, topTs }: BookPlace,
  { bids, asks }: Book,
  depth: number,
): void {
  const at = offset >>> 3;
  const { f64 } = words;
  const bidLevels = Math.min(bids.length, depth);
  const askLevels = Math.min(asks.length, depth);
  words.u32[at * 2] = slot;
  words.u32[at * 2 + 1] = bidLevels | (askLevels << 16);
  f64[at + 1] = seq;
  f64[at + 2] = ts;
  f64[at + 3] = topSeq;
  f64[at + 4] = topTs;
  const next = writeSide(f64, at + BOOK_HEAD_BYTES / 8, bids, bidLevels);
  writeSide(f64, next, asks, askLevels);
}

/** How the first `depth` levels a side of a book differ from a record's. */
export function differenceTo(
  words: Words,
  offset: number,
  { bids, asks }: Book,
  depth: number,
): BookDifference {
  const at = offset >>> 3;
  const lengths = words.u32[at * 2 + 1] as number;
  const bidLevels = lengths & 0xffff;
  const start = at + BOOK_HEAD_BYTES / 8;
  const sameBids = sameLevels(words.f64, start, bidLevels, bids, depth);
  if (sameBids < TOP_BOOK_LEVELS) return "top";
  const sameAsks = sameLevels(words.f64, start + 2 * bidLevels, lengths >>> 16, asks, depth);
  if (sameAsks < TOP_BOOK_LEVELS) return "top";
  return sameBids === SAME && sameAsks === SAME ? "none" : "deep";
}

const SAME = Number.POSITIVE_INFINITY;

/** How many levels are the same before the first that is not; {@link SAME} where there is none. */
function sameLevels(
  f64: Float64Array,
  at: number,
  known: number,
  side: BookSide,
  depth: number,
): number {
  const levels = Math.min(side.length, depth);
  const both = Math.min(known, levels);
  for (let level = 0; level < both; level++) {
    if (f64[at + 2 * level] !== side.price[level]) return level;
    if (f64[at + 2 * level + 1] !== side.quantity[level]) return level;
  }
  return known === levels ? SAME : both;
}

export function readBookSeq(words: Words, offset: number): number {
  return words.f64[(offset >>> 3) + 1] as number;
}

export function readBook(words: Words, offset: number, into: BookState): void {
  const at = offset >>> 3;
  const lengths = words.u32[at * 2 + 1] as number;
  into.seq = words.f64[at + 1] as number;
  into.ts = words.f64[at + 2] as number;
  into.topSeq = words.f64[at + 3] as number;
  into.topTs = words.f64[at + 4] as number;
  into.bids.length = lengths & 0xffff;
  into.asks.length = lengths >>> 16;
  const next = readSide(words.f64, at + BOOK_HEAD_BYTES / 8, into.bids);
  readSide(words.f64, next, into.asks);
}

function writeSide(f64: Float64Array, start: number, side: BookSide, levels: number): number {
  let at = start;
  for (let level = 0; level < levels; level++) {
    f64[at++] = side.price[level] as number;
    f64[at++] = side.quantity[level] as number;
  }
  return at;
}

function readSide(f64: Float64Array, at: number, side: BookSide): number {
  for (let level = 0; level < side.length; level++) {
    side.price[level] = f64[at++] as number;
    side.quantity[level] = f64[at++] as number;
  }
  return at;
}

/** UTF-8 of a text, for a title or trade id about to be written. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function tradeBytes(idBytes: number): number {
  return TRADE_HEAD_BYTES + alignToUnit(idBytes);
}

/** @param id the trade's id as UTF-8, at most {@link TRADE_ID_BYTES_MAX} bytes */
export function writeTrade(
  words: Words,
  offset: number,
  trade: Omit<TradeRecord, "tradeId">,
  id: Uint8Array,
): void {
  const at = offset >>> 3;
  words.u32[at * 2] = trade.slot;
  words.u32[at * 2 + 1] = SIDES.indexOf(trade.takerSide) | (id.length << 8);
  words.f64[at + 1] = trade.seq;
  words.f64[at + 2] = trade.price;
  words.f64[at + 3] = trade.quantity;
  words.f64[at + 4] = trade.ts;
  words.bytes.set(id, offset + TRADE_HEAD_BYTES);
}

export function readTrade(words: Words, offset: number): TradeRecord {
  const at = offset >>> 3;
  const flags = words.u32[at * 2 + 1] as number;
  const start = offset + TRADE_HEAD_BYTES;
  return {
    slot: words.u32[at * 2] as number,
    seq: words.f64[at + 1] as number,
    price: words.f64[at + 2] as number,
    quantity: words.f64[at + 3] as number,
    takerSide: SIDES[flags & 0xff] as Side,
    ts: words.f64[at + 4] as number,
    tradeId: decoder.decode(words.bytes.subarray(start, start + (flags >>> 8))),
  };
}
