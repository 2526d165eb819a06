import type { DecimalScale } from "../../../shared/decimal-scale.js";
import type { BookSide } from "../../../shared/market.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { BookMarket, BookView, MarketView, PushEncoder } from "../../push-encoder.js";

/*
 * JSON by template: field by field what JSON.stringify would give, at a fraction of its cost. A
 * number from a DecimalScale is finite, and its shortest form is valid JSON.
 */

const id = (marketId: MarketId): string =>
  typeof marketId === "number" ? `${marketId}` : `"${marketId}"`;

const price = (scale: DecimalScale, ticks: number | null): string =>
  ticks === null ? "null" : `${scale.toNumber(ticks)}`;

/** A `Market`. */
export function marketJson(market: MarketView): string {
  const { priceScale, quantityScale } = market;
  return (
    `{"market_id":${id(market.marketId)},"title":${JSON.stringify(market.title)},"status":"${market.status}",` +
    `"price":${price(priceScale, market.price)},"best_bid":${price(priceScale, market.bestBid)},` +
    `"best_ask":${price(priceScale, market.bestAsk)},"volume":${quantityScale.toNumber(market.volume)},` +
    `"tick_size":${priceScale.step},"lot_size":${quantityScale.step},"seq":${market.stateSeq},"ts":${market.ts}}`
  );
}

/** The fields of a price, up to its `seq`. */
const quote = (market: MarketView): string =>
  `{"type":"PriceUpdate","data":{"market_id":${id(market.marketId)},"price":${price(market.priceScale, market.price)},` +
  `"best_bid":${price(market.priceScale, market.bestBid)},"best_ask":${price(market.priceScale, market.bestAsk)}`;

/** The fields that only a book of a `Book` channel has. */
const sums = ({ checksum }: BookView): string =>
  checksum === undefined ? "" : `,"checksum":${checksum}`;

function levels(market: BookMarket, side: BookSide): string {
  let text = "[";
  for (let level = 0; level < side.length; level++) {
    const at = market.priceScale.toNumber(side.price[level] as number);
    const quantity = market.quantityScale.toNumber(side.quantity[level] as number);
    text += level === 0 ? `[${at},${quantity}]` : `,[${at},${quantity}]`;
  }
  return `${text}]`;
}

/** An `OrderBook`. */
export function bookJson(market: BookMarket, book: BookView): string {
  return (
    `{"market_id":${id(market.marketId)},"bids":${levels(market, book.bids)},` +
    `"asks":${levels(market, book.asks)},"seq":${book.seq},"ts":${book.ts}` +
    `${book.depth === undefined ? "" : `,"depth":${book.depth}`}${sums(book)}}`
  );
}

const SNAPSHOT_HEAD = '{"type":"MarketSnapshot","data":{"markets":[';
const SNAPSHOT_END = "]}}";
const SNAPSHOT_END_OF_PART = '],"more":true}}';

/** Writes messages as JSON. */
export const jsonEncoder: PushEncoder = {
  priceUpdate(out, market) {
    out.ascii(`${quote(market)},"seq":${market.priceSeq},"ts":${market.ts}}}`);
  },

  sizedPriceUpdate(out, market) {
    const { quantityScale, bidQuantity, askQuantity } = market;
    out.ascii(
      `${quote(market)},"bid_quantity":${price(quantityScale, bidQuantity)},` +
        `"ask_quantity":${price(quantityScale, askQuantity)},"seq":${market.sizedSeq},"ts":${market.sizedTs}}}`,
    );
  },

  marketUpdate(out, market, updateType) {
    out.utf8(
      `{"type":"MarketUpdate","data":{"update_type":"${updateType}","market":${marketJson(market)}}}`,
    );
  },

  orderBook(out, market, book) {
    out.ascii(`{"type":"OrderBook","data":${bookJson(market, book)}}`);
  },

  bookUpdate(out, market, update) {
    out.ascii(
      `{"type":"BookUpdate","data":{"market_id":${id(market.marketId)},"depth":${update.depth},` +
        `"bids":${levels(market, update.bids)},"asks":${levels(market, update.asks)},` +
        `"prev_seq":${update.prevSeq},"seq":${update.seq},"ts":${update.ts}${sums(update)}}}`,
    );
  },

  tradeExecution(out, market, trade) {
    out.utf8(
      `{"type":"TradeExecution","data":{"trade":{"trade_id":${JSON.stringify(trade.tradeId)},` +
        `"market_id":${id(market.marketId)},"price":${market.priceScale.toNumber(trade.price)},` +
        `"quantity":${market.quantityScale.toNumber(trade.quantity)},"taker_side":"${trade.takerSide}",` +
        `"seq":${trade.seq},"ts":${trade.ts}}}}`,
    );
  },

  marketSnapshot(out, markets, from, bytesMax) {
    out.utf8(SNAPSHOT_HEAD);
    let next = from;
    for (; next < markets.length; next++) {
      const at = out.position;
      const json = marketJson(markets[next] as MarketView);
      out.utf8(next === from ? json : `,${json}`);
      const end = next + 1 < markets.length ? SNAPSHOT_END_OF_PART : SNAPSHOT_END;
      if (next > from && out.payloadLength + end.length > bytesMax) {
        out.position = at;
        break;
      }
    }
    out.utf8(next < markets.length ? SNAPSHOT_END_OF_PART : SNAPSHOT_END);
    return next;
  },

  message(out, message) {
    out.utf8(JSON.stringify(message));
  },
};
