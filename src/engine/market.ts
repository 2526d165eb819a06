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

/** A market as the engine keeps it. */
export interface Market {
  readonly instrument: Instrument;
  readonly book: OrderBook;
  readonly bounds: IntegerBounds | undefined;
  status: MarketStatus;
  totals: MarketTotals;
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
