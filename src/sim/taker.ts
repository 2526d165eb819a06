import type { OrderTerms } from "../engine/order.js";
import type { Side } from "../shared/market.js";
import type { Random } from "../shared/random.js";
import type { MarketMaker } from "./market-maker.js";
import type { Venue } from "./venue.js";

/** Of so many orders, how many sweep several levels, and how many of the others are Market orders. */
const KINDS = 10;
const SWEEPS = 1;
const MARKET_ORDERS = 3;

/** In lots. */
const QUANTITY_MAX = 60;
const SWEEP_QUANTITY_MIN = 100;
const SWEEP_QUANTITY_MAX = 500;

/** How far beyond the best price a sweep may go, in ticks. */
const SWEEP_TICKS_MAX = 6;

/**
 * An order of `wallet` that trades at once against what rests in a maker's market; its rest never
 * stays there. Undefined where the side that was drawn is empty, or priced beyond all that the maker
 * would quote: somebody else's order, and a bad bargain.
 */
export function drawTakerOrder(
  { marketId, priceMax, quantityMax, worst }: MarketMaker,
  wallet: string,
  venue: Pick<Venue, "book">,
  random: Random,
): OrderTerms | undefined {
  const buys = random.below(2) === 0;
  const side: Side = buys ? "Buy" : "Sell";
  const best = venue.book(marketId)?.best(buys ? "Sell" : "Buy");
  if (best === undefined || (buys ? best > worst.Sell : best < worst.Buy)) return undefined;

  const kind = random.below(KINDS);
  const common = { marketId, wallet, clientOrderId: undefined, side, session: undefined };
  const usual = { selfTrade: "CancelTaker", expiresTs: undefined } as const;
  const terms = { ...common, ...usual, timeInForce: "IOC", postOnly: false } as const;
  if (kind < SWEEPS) {
    const reach = 1 + random.below(SWEEP_TICKS_MAX);
    const price = buys ? Math.min(best + reach, priceMax - 1) : Math.max(best - reach, 1);
    const quantity = Math.min(quantityMax, between(SWEEP_QUANTITY_MIN, SWEEP_QUANTITY_MAX, random));
    return { ...terms, orderType: "Limit", price, quantity };
  }
  const quantity = Math.min(quantityMax, between(1, QUANTITY_MAX, random));
  if (kind < SWEEPS + MARKET_ORDERS) {
    return { ...terms, orderType: "Market", price: undefined, quantity };
  }
  return { ...terms, orderType: "Limit", price: best, quantity };
}

function between(min: number, max: number, random: Random): number {
  return min + random.below(max - min + 1);
}
