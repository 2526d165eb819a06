import type { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { IntegerBounds, MarketBounds } from "./market-bounds.js";
import type { MarketTotals, OrderTerms } from "./order.js";
import { type OrderBook, opposite } from "./order-book.js";

/** A market as the engine is told of it. The scales word messages in the contract's numbers. */
export interface Instrument {
  readonly marketId: MarketId;
  readonly status: MarketStatus;
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
  readonly bounds?: MarketBounds | undefined;
}

/** What is said of a market that is listed while the exchange runs, in the contract's numbers. */
export interface Listing {
  readonly title: string;
  readonly tickSize: number;
  readonly lotSize: number;
  readonly maxPrice: number | undefined;
}

/** What was set of a market while the exchange ran, in its latest version. */
export interface AdministeredMarket {
  readonly marketId: MarketId;
  readonly status: MarketStatus;
  /** In ticks, at which its positions are closed; undefined where it is not settled. A settled one is Closed. */
  readonly settlementPrice: number | undefined;
  /** Undefined where it was listed at a start. */
  readonly listing: Listing | undefined;
  readonly updatedTs: number;
}

/** A market as the engine keeps it. */
export interface Market {
  readonly instrument: Instrument;
  readonly book: OrderBook;
  readonly bounds: IntegerBounds | undefined;
  status: MarketStatus;
  /** Undefined where nothing was set while the exchange ran. */
  administered: AdministeredMarket | undefined;
  totals: MarketTotals;
}

/**
 * The status of a market that was listed as `configured`: closed where either says so, as what was closed has lost
 * its orders, and what is not listed any more is to be traded no more; else what was set while the exchange ran.
 */
export function statusOf(
  configured: MarketStatus,
  administered: AdministeredMarket | undefined,
): MarketStatus {
  return configured === "Closed" ? configured : (administered?.status ?? configured);
}

/** The worst price at which an order trades; any at all for a Market order. */
export function limitOf({ side, price }: Pick<OrderTerms, "side" | "price">): number {
  return price ?? (side === "Buy" ? Infinity : -Infinity);
}

/** Whether an order of `side` that trades up to `limit` meets one of the other side. */
export function crosses(book: OrderBook, side: Side, limit: number): boolean {
  const best = book.best(opposite(side));
  return best !== undefined && (side === "Buy" ? best <= limit : best >= limit);
}
