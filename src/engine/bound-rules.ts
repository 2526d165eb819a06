import { countToNumber } from "../shared/decimal-scale.js";
import { limitOf, type Market } from "./market.js";
import { type PriceBand, priceBand } from "./market-bounds.js";
import type { OrderTerms } from "./order.js";
import { opposite } from "./order-book.js";
import { type Holding, reach } from "./positions.js";
import { orderRejected, type Rejection } from "./rejection.js";
import { tradeValue } from "./trade-value.js";

/** An order as it would come into its market, new or amended. */
interface BoundedOrder {
  readonly terms: Pick<OrderTerms, "side" | "price" | "quantity" | "selfTrade">;
  /** Lots of it that are not filled. */
  readonly left: number;
  /** What was paid for those that are, in ticks × lots. */
  readonly filledValue: bigint;
  /** Lots of the wallet's open orders of its side that are its own, from before an amend. */
  readonly ownOpen: number;
}

/** How the order's wallet stands in the market. */
export interface Standing {
  readonly holding: Holding | undefined;
  /** Its number in the book, where the market has bounds. */
  readonly owner: number;
}

/** The first bound of its market that an order breaks; undefined where it breaks none. */
export function brokenBound(
  order: BoundedOrder,
  standing: Standing,
  market: Market,
): Rejection | undefined {
  return (
    brokenBand(order, market) ??
    brokenOrderValue(order, standing, market) ??
    brokenPosition(order, standing, market)
  );
}

/**
 * The worst price at which an order trades when it comes: its own; of a Market order the far edge of the
 * market's price band, where there is one, else any at all. Asked once, before it trades: its own trades
 * do not move its band.
 */
export function tradingLimit(
  order: Pick<OrderTerms, "side" | "price">,
  { bounds, totals }: Market,
): number {
  if (bounds === undefined || order.price !== undefined) return limitOf(order);
  const band = priceBand(bounds, totals.lastPrice);
  return band === undefined ? limitOf(order) : edgeOf(band, order.side);
}

function edgeOf({ low, high }: PriceBand, side: OrderTerms["side"]): number {
  return side === "Buy" ? high : low;
}

function brokenBand(
  { terms: { price } }: BoundedOrder,
  { bounds, totals, instrument: { marketId, priceScale } }: Market,
): Rejection | undefined {
  if (bounds === undefined || price === undefined) return undefined;
  const band = priceBand(bounds, totals.lastPrice);
  if (band === undefined || (price >= band.low && price <= band.high)) return undefined;
  const limit = priceScale.toNumber(price < band.low ? band.low : band.high);
  const value = priceScale.toNumber(price);
  const last = priceScale.toNumber(totals.lastPrice as number);
  const where = price < band.low ? `below ${limit}` : `over ${limit}`;
  const message = `price ${value} is ${where}, the end of the band of ${band.percent} % about the last trade of market ${marketId}, at ${last}`;
  return orderRejected("price_band", message, { field: "price", value, limit });
}

function brokenOrderValue(
  order: BoundedOrder,
  standing: Standing,
  market: Market,
): Rejection | undefined {
  const { maxOrderValue } = market.bounds ?? {};
  if (maxOrderValue === undefined) return undefined;
  const worth = worthOf(order, standing, market, maxOrderValue.most);
  if (worth <= maxOrderValue.most) return undefined;
  const { priceScale, quantityScale } = market.instrument;
  const value = countToNumber(worth, [priceScale, quantityScale]);
  const limit = maxOrderValue.given;
  const message = `the order's value, ${value}, is over the largest, ${limit}`;
  return orderRejected("max_order_value", message, { value, limit });
}

/**
 * What an order is worth, in ticks × lots. A Limit order to buy never pays more than its price. One to sell
 * gets its price or more, and a Market order whatever is there, so what they meet is counted as they would
 * trade it.
 *
 * @param most where it is worth more no more is counted, so that an order that is refused costs no more than
 *   one that is taken
 */
function worthOf(
  { terms, left, filledValue }: BoundedOrder,
  { owner }: Standing,
  market: Market,
  most: bigint,
): bigint {
  const { side, price, selfTrade } = terms;
  if (side === "Buy" && price !== undefined) return filledValue + tradeValue(price, left);
  const limit = tradingLimit(terms, market);
  let value = filledValue;
  let rest = left;
  for (const resting of market.book.orders(opposite(side))) {
    if (rest === 0 || (side === "Buy" ? resting.price > limit : resting.price < limit)) break;
    if (resting.owner === owner) {
      if (selfTrade === "CancelMaker") continue;
      return value;
    }
    const traded = Math.min(rest, resting.quantity);
    value += tradeValue(resting.price, traded);
    rest -= traded;
    if (value > most) return value;
  }
  return price === undefined ? value : value + tradeValue(price, rest);
}

function brokenPosition(
  { terms: { side, quantity }, left, ownOpen }: BoundedOrder,
  { holding }: Standing,
  { bounds, instrument: { marketId, quantityScale } }: Market,
): Rejection | undefined {
  const { maxPosition } = bounds ?? {};
  if (maxPosition === undefined) return undefined;
  const others = holding === undefined ? 0 : reach(holding, side) - ownOpen;
  if (others + left <= maxPosition.most) return undefined;
  const value = quantityScale.toNumber(quantity);
  const limit = maxPosition.given;
  const message = `quantity ${value} could take the position in market ${marketId} past ${limit}`;
  return orderRejected("max_position", message, { field: "quantity", value, limit });
}
