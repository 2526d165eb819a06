import { Packr } from "msgpackr";
import type { MarketUpdateType } from "../../../contract/messages.js";
import type { DecimalScale } from "../../../shared/decimal-scale.js";
import type { BookSide } from "../../../shared/market.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { FrameWriter } from "../../frame-writer.js";
import type {
  BookMarket,
  BookUpdateView,
  BookView,
  MarketView,
  PushEncoder,
  SizedView,
  TradeView,
} from "../../push-encoder.js";

/*
 * The hot messages are written field by field: their keys are byte strings made once, and integers
 * beyond 32 bits, which msgpackr would write as floats or take as BigInts, cost two stores. All
 * other messages go through msgpackr.
 */

const packr = new Packr({ useRecords: false, variableMapSize: true });

const UINT32_MAX = 0xffff_ffff;
const INT32_MIN = -0x8000_0000;
/** Longest encoding of a number, and of the header of a string or an array here. */
const NUMBER_BYTES_MAX = 9;

/** A map header followed by keys and values that never change, up to the first value that does. */
const fixed = (...parts: readonly (string | number)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === "number" ? Buffer.of(0x80 | part) : Buffer.from(packr.pack(part)),
    ),
  );

const PRICE_UPDATE = fixed(2, "type", "PriceUpdate", "data", 6, "market_id");
const SIZED_PRICE_UPDATE = fixed(2, "type", "PriceUpdate", "data", 8, "market_id");
/** By how many fields it has of those that only a `Book` channel's has. */
const ORDER_BOOK = [5, 6, 7].map((fields) =>
  fixed(2, "type", "OrderBook", "data", fields, "market_id"),
);
const BOOK_UPDATE = [7, 8].map((fields) =>
  fixed(2, "type", "BookUpdate", "data", fields, "market_id"),
);
const TRADE_EXECUTION = fixed(2, "type", "TradeExecution", "data", 1, "trade", 7, "trade_id");
const MARKET_UPDATE = fixed(2, "type", "MarketUpdate", "data", 2, "update_type");
const MARKET_SNAPSHOT = fixed(2, "type", "MarketSnapshot", "data");
const MARKET = fixed(11, "market_id");
const ONE_FIELD = Buffer.of(0x81);
/** A second field, which says that another part follows. */
const MORE = Buffer.concat([fixed("more"), Buffer.of(0xc3)]);
const ARRAY_16_BYTES = 3;
const ARRAY_16_MAX = 0xffff;
const KEY = {
  market: fixed("market"),
  markets: fixed("markets"),
  marketId: fixed("market_id"),
  title: fixed("title"),
  status: fixed("status"),
  price: fixed("price"),
  bestBid: fixed("best_bid"),
  bestAsk: fixed("best_ask"),
  volume: fixed("volume"),
  tickSize: fixed("tick_size"),
  lotSize: fixed("lot_size"),
  bids: fixed("bids"),
  asks: fixed("asks"),
  bidQuantity: fixed("bid_quantity"),
  askQuantity: fixed("ask_quantity"),
  depth: fixed("depth"),
  prevSeq: fixed("prev_seq"),
  checksum: fixed("checksum"),
  quantity: fixed("quantity"),
  takerSide: fixed("taker_side"),
  seq: fixed("seq"),
  ts: fixed("ts"),
} as const;

function writeFixed(out: FrameWriter, bytes: Buffer): void {
  out.reserve(bytes.length);
  // A loop beats copy() at these lengths.
  for (let at = 0; at < bytes.length; at++) out.bytes[out.position + at] = bytes[at] as number;
  out.position += bytes.length;
}

/** Writes a number: an integer as an integer, anything else as a float 64. */
function writeNumber(out: FrameWriter, value: number): void {
  out.reserve(NUMBER_BYTES_MAX);
  const { bytes, position: at } = out;
  if (!Number.isSafeInteger(value)) {
    bytes[at] = 0xcb;
    out.position = bytes.writeDoubleBE(value, at + 1);
  } else if (value >= 0 && value < 0x80) {
    bytes[at] = value;
    out.position = at + 1;
  } else if (value < 0 && value >= -32) {
    bytes[at] = value + 0x100;
    out.position = at + 1;
  } else if (value >= 0 && value < 0x1_0000) {
    bytes[at] = 0xcd;
    out.position = bytes.writeUInt16BE(value, at + 1);
  } else if (value >= 0 && value <= UINT32_MAX) {
    bytes[at] = 0xce;
    out.position = bytes.writeUInt32BE(value, at + 1);
  } else if (value < 0 && value >= INT32_MIN) {
    bytes[at] = 0xd2;
    out.position = bytes.writeInt32BE(value, at + 1);
  } else {
    bytes[at] = 0xd3;
    bytes.writeInt32BE(Math.floor(value / 2 ** 32), at + 1);
    out.position = bytes.writeUInt32BE(value >>> 0, at + 5);
  }
}

function writeText(out: FrameWriter, text: string): void {
  const length = Buffer.byteLength(text);
  out.reserve(length + NUMBER_BYTES_MAX);
  const { bytes } = out;
  if (length < 32) {
    bytes[out.position++] = 0xa0 | length;
  } else if (length < 0x100) {
    bytes[out.position++] = 0xd9;
    bytes[out.position++] = length;
  } else {
    bytes[out.position++] = 0xda;
    out.position = bytes.writeUInt16BE(length, out.position);
  }
  bytes.write(text, out.position, length, "utf8");
  out.position += length;
}

function writeArrayHeader(out: FrameWriter, length: number): void {
  out.reserve(NUMBER_BYTES_MAX);
  if (length < 16) {
    out.bytes[out.position++] = 0x90 | length;
  } else {
    out.bytes[out.position++] = 0xdc;
    out.position = out.bytes.writeUInt16BE(length, out.position);
  }
}

function writeId(out: FrameWriter, marketId: MarketId): void {
  if (typeof marketId === "number") writeNumber(out, marketId);
  else writeText(out, marketId);
}

function writeCount(out: FrameWriter, scale: DecimalScale, count: number | null): void {
  if (count !== null) {
    writeNumber(out, scale.toNumber(count));
    return;
  }
  out.reserve(1);
  out.bytes[out.position++] = 0xc0;
}

function writeQuote(out: FrameWriter, market: MarketView): void {
  writeFixed(out, KEY.price);
  writeCount(out, market.priceScale, market.price);
  writeFixed(out, KEY.bestBid);
  writeCount(out, market.priceScale, market.bestBid);
  writeFixed(out, KEY.bestAsk);
  writeCount(out, market.priceScale, market.bestAsk);
}

function writeSeqAndTs(out: FrameWriter, seq: number, ts: number): void {
  writeFixed(out, KEY.seq);
  writeNumber(out, seq);
  writeFixed(out, KEY.ts);
  writeNumber(out, ts);
}

function writeMarket(out: FrameWriter, market: MarketView): void {
  writeFixed(out, MARKET);
  writeId(out, market.marketId);
  writeFixed(out, KEY.title);
  writeText(out, market.title);
  writeFixed(out, KEY.status);
  writeText(out, market.status);
  writeQuote(out, market);
  writeFixed(out, KEY.volume);
  writeCount(out, market.quantityScale, market.volume);
  writeFixed(out, KEY.tickSize);
  writeNumber(out, market.priceScale.step);
  writeFixed(out, KEY.lotSize);
  writeNumber(out, market.quantityScale.step);
  writeSeqAndTs(out, market.stateSeq, market.ts);
}

function writeField(out: FrameWriter, key: Buffer, value: number | undefined): void {
  if (value === undefined) return;
  writeFixed(out, key);
  writeNumber(out, value);
}

function writeSides(out: FrameWriter, market: BookMarket, { bids, asks }: BookView): void {
  writeFixed(out, KEY.bids);
  writeLevels(out, market, bids);
  writeFixed(out, KEY.asks);
  writeLevels(out, market, asks);
}

function writeLevels(out: FrameWriter, market: BookMarket, side: BookSide): void {
  writeArrayHeader(out, side.length);
  for (let level = 0; level < side.length; level++) {
    writeArrayHeader(out, 2);
    writeCount(out, market.priceScale, side.price[level] as number);
    writeCount(out, market.quantityScale, side.quantity[level] as number);
  }
}

/** Writes messages as MessagePack. */
export const messagePackEncoder: PushEncoder = {
  priceUpdate(out: FrameWriter, market: MarketView) {
    writeFixed(out, PRICE_UPDATE);
    writeId(out, market.marketId);
    writeQuote(out, market);
    writeSeqAndTs(out, market.priceSeq, market.ts);
  },

  sizedPriceUpdate(out: FrameWriter, market: SizedView) {
    writeFixed(out, SIZED_PRICE_UPDATE);
    writeId(out, market.marketId);
    writeQuote(out, market);
    writeFixed(out, KEY.bidQuantity);
    writeCount(out, market.quantityScale, market.bidQuantity);
    writeFixed(out, KEY.askQuantity);
    writeCount(out, market.quantityScale, market.askQuantity);
    writeSeqAndTs(out, market.sizedSeq, market.sizedTs);
  },

  marketUpdate(out: FrameWriter, market: MarketView, updateType: MarketUpdateType) {
    writeFixed(out, MARKET_UPDATE);
    writeText(out, updateType);
    writeFixed(out, KEY.market);
    writeMarket(out, market);
  },

  orderBook(out: FrameWriter, market: BookMarket, book: BookView) {
    const { depth, checksum } = book;
    const more = (depth === undefined ? 0 : 1) + (checksum === undefined ? 0 : 1);
    writeFixed(out, ORDER_BOOK[more] as Buffer);
    writeId(out, market.marketId);
    writeSides(out, market, book);
    writeSeqAndTs(out, book.seq, book.ts);
    writeField(out, KEY.depth, depth);
    writeField(out, KEY.checksum, checksum);
  },

  bookUpdate(out: FrameWriter, market: BookMarket, update: BookUpdateView) {
    const { depth, prevSeq, checksum } = update;
    writeFixed(out, BOOK_UPDATE[checksum === undefined ? 0 : 1] as Buffer);
    writeId(out, market.marketId);
    writeField(out, KEY.depth, depth);
    writeSides(out, market, update);
    writeField(out, KEY.prevSeq, prevSeq);
    writeSeqAndTs(out, update.seq, update.ts);
    writeField(out, KEY.checksum, checksum);
  },

  tradeExecution(out: FrameWriter, market: MarketView, trade: TradeView) {
    writeFixed(out, TRADE_EXECUTION);
    writeText(out, trade.tradeId);
    writeFixed(out, KEY.marketId);
    writeId(out, market.marketId);
    writeFixed(out, KEY.price);
    writeCount(out, market.priceScale, trade.price);
    writeFixed(out, KEY.quantity);
    writeCount(out, market.quantityScale, trade.quantity);
    writeFixed(out, KEY.takerSide);
    writeText(out, trade.takerSide);
    writeSeqAndTs(out, trade.seq, trade.ts);
  },

  marketSnapshot(out, markets, from, bytesMax) {
    writeFixed(out, MARKET_SNAPSHOT);
    const fields = out.position;
    writeFixed(out, ONE_FIELD);
    writeFixed(out, KEY.markets);
    // How many there are, and whether they are all, is known only behind them.
    const header = out.position;
    out.reserve(ARRAY_16_BYTES);
    out.position += ARRAY_16_BYTES;
    let next = from;
    for (; next < markets.length && next - from < ARRAY_16_MAX; next++) {
      const at = out.position;
      writeMarket(out, markets[next] as MarketView);
      const end = next + 1 < markets.length ? MORE.length : 0;
      if (next > from && out.payloadLength + end > bytesMax) {
        out.position = at;
        break;
      }
    }
    out.bytes[header] = 0xdc;
    out.bytes.writeUInt16BE(next - from, header + 1);
    if (next < markets.length) {
      out.bytes[fields] = 0x82;
      writeFixed(out, MORE);
    }
    return next;
  },

  message(out, message) {
    const payload = packr.pack(withBigIntegers(message));
    out.reserve(payload.length);
    out.bytes.set(payload, out.position);
    out.position += payload.length;
  },
};

/** The same value with integers beyond 32 bits as BigInts, and without undefined fields. */
function withBigIntegers(value: unknown): unknown {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && (value > UINT32_MAX || value < INT32_MIN)
      ? BigInt(value)
      : value;
  }
  if (Array.isArray(value)) return value.map(withBigIntegers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, withBigIntegers(field)]),
  );
}
