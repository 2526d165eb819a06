import type { MarketId } from "./market-id.js";

/** Statuses of a market, in the order of their codes in shared memory. */
export const MARKET_STATUSES = ["Active", "Halted", "Closed"] as const;
export type MarketStatus = (typeof MARKET_STATUSES)[number];

/** Sides of an order; of a trade, the side of the order that took liquidity. */
export const SIDES = ["Buy", "Sell"] as const;
export type Side = (typeof SIDES)[number];

/** Most book levels a side that a feed may say and a server can keep. */
export const BOOK_LEVELS_MAX = 200;
/** Book levels a side that a `Market` channel tells. */
export const TOP_BOOK_LEVELS = 20;

/** What never changes about a market once it is listed. */
export interface MarketDefinition {
  readonly marketId: MarketId;
  readonly title: string;
  /** Smallest price step, a positive decimal such as 0.01. */
  readonly tickSize: number;
  /** Smallest quantity step, a positive decimal such as 1. */
  readonly lotSize: number;
}

/**
 * One side of an order book, best level first: `price` in ticks and `quantity` in lots, of which the
 * first `length` entries count.
 */
export interface BookSide {
  readonly price: Float64Array;
  readonly quantity: Float64Array;
  length: number;
}

export interface Book {
  readonly bids: BookSide;
  readonly asks: BookSide;
}

/** An empty book with room for so many levels a side. */
export function createBook(levels = BOOK_LEVELS_MAX): Book {
  const side = (): BookSide => ({
    price: new Float64Array(levels),
    quantity: new Float64Array(levels),
    length: 0,
  });
  return { bids: side(), asks: side() };
}
