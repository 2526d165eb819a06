import type { DecimalScale } from "../../../shared/decimal-scale.js";
import type { BookSide } from "../../../shared/market.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { BookView, MarketView, PushEncoder } from "../../push-encoder.js";

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

function levels(market: MarketView, side: BookSide, depth: number): string {
  let text = "[";
  for (let level = 0; level < side.length && level < depth; level++) {
    const at = market.priceScale.toNumber(side.price[level] as number);
    const quantity = market.quantityScale.toNumber(side.quantity[level] as number);
    text += level === 0 ? `[${at},${quantity}]` : `,[${at},${quantity}]`;
  }
  return `${text}]`;
}

/** An `OrderBook` with at most so many levels a side. */
export function bookJson(market: MarketView, book: BookView, depth: number): string {
  return (
    `{"market_id":${id(market.marketId)},"bids":${levels(market, book.bids, depth)},` +
    `"asks":${levels(market, book.asks, depth)},"seq":${book.seq},"ts":${book.ts}}`
  );
}

const SNAPSHOT_HEAD = '{"type":"MarketSnapshot","data":{"markets":[';
const SNAPSHOT_END = "]}}";
const SNAPSHOT_END_OF_PART = '],"more":true}}';

/** Writes messages as JSON. */
export const jsonEncoder: PushEncoder = {
  priceUpdate(out, market) {
    const { priceScale } = market;
    out.ascii(
      `{"type":"PriceUpdate","data":{"market_id":${id(market.marketId)},"price":${price(priceScale, market.price)},` +
        `"best_bid":${price(priceScale, market.bestBid)},"best_ask":${price(priceScale, market.bestAsk)},` +
        `"seq":${market.priceSeq},"ts":${market.ts}}}`,
    );
  },

  marketUpdate(out, market, updateType) {
    out.utf8(
      `{"type":"MarketUpdate","data":{"update_type":"${updateType}","market":${marketJson(market)}}}`,
    );
  },

  orderBook(out, market, book) {
    out.ascii(`{"type":"OrderBook","data":${bookJson(market, book, Number.POSITIVE_INFINITY)}}`);
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
