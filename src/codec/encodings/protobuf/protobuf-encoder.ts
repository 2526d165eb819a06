import {
  MARKET_STATUS,
  SERVER_MESSAGE,
  SIDE,
  UPDATE_TYPE,
} from "../../../contract/protobuf/protobuf-messages.js";
import { writeProtobuf } from "../../../contract/protobuf/protobuf-writer.js";
import type { BookSide } from "../../../shared/market.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { FrameWriter } from "../../frame-writer.js";
import type { BookMarket, MarketView, PushEncoder } from "../../push-encoder.js";

/*
 * The hot messages are written field by field, from a market's integers to bytes; all others by their
 * tables. The length of a message stands before it and is known behind it: room is left for as many bytes
 * as it usually has, and what is behind them is moved where it takes others.
 */

const VARINT = 0;
const BIT_64 = 1;
const LENGTH_DELIMITED = 2;
/** The tag of a field, which is one byte with a number up to 15. */
const tag = (number: number, wire: number): number => (number << 3) | wire;

/** Bytes of a tag and a 64-bit integer at most. */
const INTEGER_BYTES_MAX = 11;
const MARKET_ID_BYTES_MAX = 2 * INTEGER_BYTES_MAX;
const DOUBLE_BYTES = 9;
const QUOTE_BYTES_MAX = 3 * DOUBLE_BYTES;
const PRICE_UPDATE_BYTES_MAX = 2 + MARKET_ID_BYTES_MAX + QUOTE_BYTES_MAX + 2 * INTEGER_BYTES_MAX;
const SIZED_PRICE_UPDATE_BYTES_MAX = PRICE_UPDATE_BYTES_MAX + 2 * DOUBLE_BYTES;
/** Of a `Market`, with its own tag and length, less the title. */
const MARKET_BYTES_MAX = 3 * INTEGER_BYTES_MAX + PRICE_UPDATE_BYTES_MAX + 3 * DOUBLE_BYTES;
const LEVEL_BYTES = 2 + 2 * DOUBLE_BYTES;
/** What a message is reserved at once that has no text and no list. */
const HEAD_BYTES_MAX = MARKET_ID_BYTES_MAX + 2 * INTEGER_BYTES_MAX;

const PRICE_UPDATE = tag(3, LENGTH_DELIMITED);
const MARKET_UPDATE = tag(4, LENGTH_DELIMITED);
const ORDER_BOOK = tag(5, LENGTH_DELIMITED);
const TRADE_EXECUTION = tag(6, LENGTH_DELIMITED);
const MARKET_SNAPSHOT = tag(7, LENGTH_DELIMITED);
/** Its tag takes two bytes. */
const BOOK_UPDATE = tag(21, LENGTH_DELIMITED);
/** Bytes of a whole book's message, beside its levels. */
const BOOK_HEAD_BYTES_MAX = 6 * INTEGER_BYTES_MAX;
/** `more: true`, the second field of a snapshot. */
const MORE = Buffer.of(tag(2, VARINT), 1);

const INT_28_MAX = 0xfff_ffff;

/** Writes an unsigned safe integer at `at` and returns the offset behind it. */
function putVarint(bytes: Buffer, at: number, integer: number): number {
  let value = integer;
  if (value > INT_28_MAX) {
    // Four groups of seven bits at once: what is left are small integers.
    const low = value >>> 0;
    bytes[at] = low | 0x80;
    bytes[at + 1] = (low >>> 7) | 0x80;
    bytes[at + 2] = (low >>> 14) | 0x80;
    bytes[at + 3] = (low >>> 21) | 0x80;
    at += 4;
    value = Math.floor(value / (INT_28_MAX + 1));
  }
  while (value > 0x7f) {
    bytes[at++] = value | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

function putInteger(bytes: Buffer, at: number, number: number, value: number): number {
  if (value === 0) return at;
  bytes[at] = tag(number, VARINT);
  return putVarint(bytes, at + 1, value);
}

/** An integer that is told even where it is 0. */
function putPresent(bytes: Buffer, at: number, number: number, value: number): number {
  bytes[at] = tag(number, VARINT);
  return putVarint(bytes, at + 1, value);
}

/** The lower 64 bits in the field `number`, the upper ones in that after it. */
function putMarketId(bytes: Buffer, at: number, number: number, id: MarketId): number {
  if (typeof id === "number") return putInteger(bytes, at, number, id);
  const bits = BigInt(id);
  const end = putWide(bytes, at, number, BigInt.asUintN(64, bits));
  return putWide(bytes, end, number + 1, bits >> 64n);
}

function putWide(bytes: Buffer, at: number, number: number, bits: bigint): number {
  if (bits === 0n) return at;
  bytes[at++] = tag(number, VARINT);
  let rest = bits;
  for (; rest > 0x7fn; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
  bytes[at++] = Number(rest);
  return at;
}

function putDouble(bytes: Buffer, at: number, number: number, value: number): number {
  bytes[at] = tag(number, BIT_64);
  return bytes.writeDoubleLE(value, at + 1);
}

/** Price, best bid and best ask, in the fields from `number` on. */
function putQuote(bytes: Buffer, start: number, number: number, market: MarketView): number {
  const { priceScale, price, bestBid, bestAsk } = market;
  let at = start;
  if (price !== null) at = putDouble(bytes, at, number, priceScale.toNumber(price));
  if (bestBid !== null) at = putDouble(bytes, at, number + 1, priceScale.toNumber(bestBid));
  if (bestAsk !== null) at = putDouble(bytes, at, number + 2, priceScale.toNumber(bestAsk));
  return at;
}

function writeText(out: FrameWriter, number: number, text: string): void {
  const length = Buffer.byteLength(text);
  if (length === 0) return;
  out.reserve(INTEGER_BYTES_MAX + length);
  const { bytes } = out;
  bytes[out.position] = tag(number, LENGTH_DELIMITED);
  const at = putVarint(bytes, out.position + 1, length);
  bytes.write(text, at, length, "utf8");
  out.position = at + length;
}

/** Begins a message within another; returns where its content starts, behind `room` for its length. */
function beginMessage(out: FrameWriter, messageTag: number, room: number): number {
  out.reserve(1 + room);
  out.bytes[out.position] = messageTag;
  out.position += 1 + room;
  return out.position;
}

function endMessage(out: FrameWriter, start: number, room: number): void {
  const length = out.position - start;
  const size = varintBytes(length);
  if (size !== room) {
    out.reserve(size);
    out.bytes.copyWithin(start - room + size, start, out.position);
    out.position += size - room;
  }
  putVarint(out.bytes, start - room, length);
}

function varintBytes(value: number): number {
  if (value < 1 << 7) return 1;
  if (value < 1 << 14) return 2;
  return value < 1 << 21 ? 3 : value < 1 << 28 ? 4 : 5;
}

/** A `Market`, in the field `number`. */
function writeMarket(out: FrameWriter, number: number, market: MarketView): void {
  const start = beginMessage(out, tag(number, LENGTH_DELIMITED), 1);
  out.reserve(MARKET_BYTES_MAX);
  out.position = putMarketId(out.bytes, out.position, 1, market.marketId);
  writeText(out, 3, market.title);
  out.reserve(MARKET_BYTES_MAX);
  const { bytes } = out;
  const { quantityScale, priceScale } = market;
  let at = putInteger(bytes, out.position, 4, MARKET_STATUS[market.status]);
  at = putQuote(bytes, at, 5, market);
  if (market.volume !== 0) at = putDouble(bytes, at, 8, quantityScale.toNumber(market.volume));
  at = putDouble(bytes, at, 9, priceScale.step);
  at = putDouble(bytes, at, 10, quantityScale.step);
  at = putInteger(bytes, at, 11, market.stateSeq);
  out.position = putInteger(bytes, at, 12, market.ts);
  endMessage(out, start, 1);
}

/** Levels, each in a field `number`. */
function writeLevels(out: FrameWriter, number: number, market: BookMarket, side: BookSide): void {
  out.reserve(side.length * LEVEL_BYTES);
  const { bytes } = out;
  let at = out.position;
  for (let level = 0; level < side.length; level++) {
    bytes[at] = tag(number, LENGTH_DELIMITED);
    const price = side.price[level] as number;
    const quantity = side.quantity[level] as number;
    bytes[at + 1] = (price === 0 ? 0 : DOUBLE_BYTES) + (quantity === 0 ? 0 : DOUBLE_BYTES);
    at += 2;
    if (price !== 0) at = putDouble(bytes, at, 1, market.priceScale.toNumber(price));
    if (quantity !== 0) at = putDouble(bytes, at, 2, market.quantityScale.toNumber(quantity));
  }
  out.position = at;
}

/** Writes a `ServerMessage` of proto/marketcast.proto. */
export const protobufEncoder: PushEncoder = {
  priceUpdate(out, market) {
    out.reserve(PRICE_UPDATE_BYTES_MAX);
    const { bytes, position: start } = out;
    bytes[start] = PRICE_UPDATE;
    let at = putMarketId(bytes, start + 2, 1, market.marketId);
    at = putQuote(bytes, at, 3, market);
    at = putInteger(bytes, at, 6, market.priceSeq);
    at = putInteger(bytes, at, 7, market.ts);
    // It never has more than 127 bytes.
    bytes[start + 1] = at - start - 2;
    out.position = at;
  },

  sizedPriceUpdate(out, market) {
    out.reserve(SIZED_PRICE_UPDATE_BYTES_MAX);
    const { bytes, position: start } = out;
    const { quantityScale, bidQuantity, askQuantity } = market;
    bytes[start] = PRICE_UPDATE;
    let at = putMarketId(bytes, start + 2, 1, market.marketId);
    at = putQuote(bytes, at, 3, market);
    at = putInteger(bytes, at, 6, market.sizedSeq);
    at = putInteger(bytes, at, 7, market.sizedTs);
    if (bidQuantity !== null) at = putDouble(bytes, at, 8, quantityScale.toNumber(bidQuantity));
    if (askQuantity !== null) at = putDouble(bytes, at, 9, quantityScale.toNumber(askQuantity));
    // It never has more than 127 bytes.
    bytes[start + 1] = at - start - 2;
    out.position = at;
  },

  marketUpdate(out, market, updateType) {
    const start = beginMessage(out, MARKET_UPDATE, 2);
    out.reserve(INTEGER_BYTES_MAX);
    out.position = putInteger(out.bytes, out.position, 1, UPDATE_TYPE[updateType]);
    writeMarket(out, 2, market);
    endMessage(out, start, 2);
  },

  orderBook(out, market, book) {
    const start = beginMessage(out, ORDER_BOOK, 2);
    out.reserve(HEAD_BYTES_MAX);
    out.position = putMarketId(out.bytes, out.position, 1, market.marketId);
    writeLevels(out, 3, market, book.bids);
    writeLevels(out, 4, market, book.asks);
    out.reserve(BOOK_HEAD_BYTES_MAX);
    let at = putInteger(out.bytes, out.position, 5, book.seq);
    at = putInteger(out.bytes, at, 6, book.ts);
    if (book.depth !== undefined) at = putInteger(out.bytes, at, 7, book.depth);
    if (book.checksum !== undefined) at = putPresent(out.bytes, at, 8, book.checksum);
    out.position = at;
    endMessage(out, start, 2);
  },

  bookUpdate(out, market, update) {
    out.reserve(HEAD_BYTES_MAX);
    out.position = putVarint(out.bytes, out.position, BOOK_UPDATE);
    // The room for its length comes behind a tag, which has been written.
    out.position += 2;
    const start = out.position;
    out.position = putMarketId(out.bytes, out.position, 1, market.marketId);
    writeLevels(out, 3, market, update.bids);
    writeLevels(out, 4, market, update.asks);
    out.reserve(BOOK_HEAD_BYTES_MAX);
    let at = putInteger(out.bytes, out.position, 5, update.depth);
    at = putInteger(out.bytes, at, 6, update.prevSeq);
    at = putInteger(out.bytes, at, 7, update.seq);
    at = putInteger(out.bytes, at, 8, update.ts);
    if (update.checksum !== undefined) at = putPresent(out.bytes, at, 9, update.checksum);
    out.position = at;
    endMessage(out, start, 2);
  },

  tradeExecution(out, market, trade) {
    const start = beginMessage(out, TRADE_EXECUTION, 1);
    const inner = beginMessage(out, tag(1, LENGTH_DELIMITED), 1);
    writeText(out, 1, trade.tradeId);
    out.reserve(HEAD_BYTES_MAX + INTEGER_BYTES_MAX + 2 * DOUBLE_BYTES);
    const { bytes } = out;
    let at = putMarketId(bytes, out.position, 2, market.marketId);
    at = putDouble(bytes, at, 4, market.priceScale.toNumber(trade.price));
    at = putDouble(bytes, at, 5, market.quantityScale.toNumber(trade.quantity));
    at = putInteger(bytes, at, 6, SIDE[trade.takerSide]);
    at = putInteger(bytes, at, 7, trade.seq);
    out.position = putInteger(bytes, at, 8, trade.ts);
    endMessage(out, inner, 1);
    endMessage(out, start, 1);
  },

  marketSnapshot(out, markets, from, bytesMax) {
    const start = beginMessage(out, MARKET_SNAPSHOT, 3);
    let next = from;
    for (; next < markets.length; next++) {
      const at = out.position;
      writeMarket(out, 1, markets[next] as MarketView);
      const end = next + 1 < markets.length ? MORE.length : 0;
      if (next > from && out.payloadLength + end > bytesMax) {
        out.position = at;
        break;
      }
    }
    if (next < markets.length) {
      out.reserve(MORE.length);
      out.bytes.set(MORE, out.position);
      out.position += MORE.length;
    }
    endMessage(out, start, 3);
    return next;
  },

  message(out, message) {
    const payload = writeProtobuf(SERVER_MESSAGE, message);
    out.reserve(payload.length);
    out.bytes.set(payload, out.position);
    out.position += payload.length;
  },
};
