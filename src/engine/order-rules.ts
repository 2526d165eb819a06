import { mayRest } from "../shared/order.js";
import { brokenBound, type Standing } from "./bound-rules.js";
import type { ClientOrderIdsFull } from "./client-order-ids.js";
import { crosses, type Instrument, limitOf, type Market } from "./market.js";
import type { CancelCause, Order, OrderTerms } from "./order.js";
import { type OrderBook, opposite } from "./order-book.js";
import { exposure } from "./positions.js";
import { orderRejected, type Rejection } from "./rejection.js";

/** Why the engine cancels an order of its own accord, or says so by default. */
export const CANCEL_CAUSE = {
  requested: { code: "requested", text: "requested" },
  expired: { code: "expired", text: "expired" },
  cancelAfter: {
    code: "cancel_after",
    text: "cancel after: the wallet did not renew it in time",
  },
  fillOrKill: {
    code: "fill_or_kill",
    text: "fill-or-kill: not all of it can be filled at once",
  },
  selfTradeTaker: {
    code: "self_trade",
    text: "self-trade prevention: the rest would trade with an order of the same wallet",
  },
  selfTradeMaker: {
    code: "self_trade",
    text: "self-trade prevention: a later order of the same wallet would trade with it",
  },
  priceBand: {
    code: "price_band",
    text: "market order: there is no more to trade with inside the market's price band",
  },
  market: { code: "market_order", text: "market order: there is no more to trade with" },
  immediateOrCancel: {
    code: "immediate_or_cancel",
    text: "immediate-or-cancel: there is no more to trade with at this price",
  },
} as const satisfies Record<string, CancelCause>;

/** The bounds that the engine's rules know. */
interface OrderLimits {
  readonly maxOpenOrders: number;
  readonly maxClientOrderIds: number;
  readonly maxAllClientOrderIds: number;
}

/** What the engine's rules know of the wallet that places an order. */
export interface WalletFigures {
  readonly openOrders: number;
  readonly standing: Standing;
  /** The bound that the wallet has reached, where the order has a client order id. */
  readonly clientOrderIdsFull: ClientOrderIdsFull | undefined;
}

/** When an order is taken, and until when it may be. */
interface OrderTimes {
  readonly ts: number;
  readonly validUntilTs: number | undefined;
}

/** The first rule that an order breaks, in the order of the checks; undefined where it breaks none. */
export function checkOrder(
  terms: OrderTerms,
  market: Market,
  wallet: WalletFigures,
  limits: OrderLimits,
  times: OrderTimes,
): Rejection | undefined {
  const { instrument, book, bounds, status } = market;
  if (status !== "Active")
    return {
      code: "MARKET_NOT_ACTIVE",
      message: `market ${instrument.marketId} is ${status} and takes no orders`,
    };
  const late = tooLate(terms, times);
  if (late !== undefined) return late;
  if (mayRest(terms) && wallet.openOrders >= limits.maxOpenOrders) {
    const limit = limits.maxOpenOrders;
    const message = `the wallet has ${limit} open orders, as many as it may have`;
    return orderRejected("max_open_orders", message, { value: wallet.openOrders, limit });
  }
  const { quantity } = terms;
  const { standing } = wallet;
  return (
    idsExhausted(terms, wallet, limits) ??
    exposed(quantity, quantity, exposureOf(standing, terms), instrument) ??
    (bounds === undefined
      ? undefined
      : brokenBound({ terms, left: quantity, filledValue: 0n, ownOpen: 0 }, standing, market)) ??
    brokenPostOnly(terms, instrument, book)
  );
}

function tooLate(
  { expiresTs }: OrderTerms,
  { ts, validUntilTs }: OrderTimes,
): Rejection | undefined {
  if (validUntilTs !== undefined && ts > validUntilTs) {
    const message = `valid_until_ts ${validUntilTs} is over: it is ${ts}`;
    return orderRejected("expired", message, {
      field: "valid_until_ts",
      value: validUntilTs,
      limit: ts,
    });
  }
  if (expiresTs === undefined || expiresTs > ts) return undefined;
  const message = `expires_ts ${expiresTs} is over: it is ${ts}`;
  return orderRejected("expired", message, { field: "expires_ts", value: expiresTs, limit: ts });
}

/**
 * The first rule that an amend breaks; undefined where it breaks none. Whether the new price and quantity
 * will do by themselves has been seen to.
 *
 */
export function checkAmend(
  order: Order,
  price: number | undefined,
  quantity: number,
  market: Market,
  standing: Standing,
): Rejection | undefined {
  const { instrument, book, bounds, status } = market;
  const { marketId, quantityScale } = instrument;
  if (quantity < order.filled) {
    const [value, limit] = [quantity, order.filled].map((lots) => quantityScale.toNumber(lots));
    const message = `quantity ${value} is below what is filled, ${limit}`;
    const details = { field: "quantity", value: value as number, limit: limit as number };
    return orderRejected("below_filled", message, details);
  }
  if (isReduction(order, price, quantity)) return undefined;
  if (status !== "Active")
    return {
      code: "MARKET_NOT_ACTIVE",
      message: `market ${marketId} is ${status}: an order can only be reduced, and cancelled`,
    };
  const { side, postOnly, selfTrade, filledValue } = order;
  const terms = { side, price, quantity, selfTrade };
  const ownOpen = order.quantity - order.filled;
  const left = quantity - order.filled;
  const others = exposureOf(standing, order) - ownOpen;
  return (
    exposed(quantity, left, others, instrument) ??
    (bounds === undefined
      ? undefined
      : brokenBound({ terms, left, filledValue, ownOpen }, standing, market)) ??
    brokenPostOnly({ side, price, postOnly }, instrument, book)
  );
}

/** Lots that a wallet's position could grow to on an order's side. */
function exposureOf({ holding }: Standing, { side }: Pick<OrderTerms, "side">): number {
  return holding === undefined ? 0 : exposure(holding, side);
}

/** Whether an amend only takes from an order, so that it keeps its place. */
export function isReduction(
  order: OrderTerms,
  price: number | undefined,
  quantity: number,
): boolean {
  return price === order.price && quantity < order.quantity;
}

function idsExhausted(
  { clientOrderId }: OrderTerms,
  { clientOrderIdsFull }: WalletFigures,
  limits: OrderLimits,
): Rejection | undefined {
  if (clientOrderIdsFull === undefined) return undefined;
  const at = { field: "client_order_id", value: clientOrderId ?? null };
  if (clientOrderIdsFull === "wallet") {
    const limit = limits.maxClientOrderIds;
    const message = `the wallet has used ${limit} client order ids, as many as are remembered`;
    return orderRejected("max_client_order_ids", message, { ...at, limit });
  }
  const limit = limits.maxAllClientOrderIds;
  const message = `the wallet has used its share of the ${limit} client order ids that are remembered for all wallets`;
  return orderRejected("max_all_client_order_ids", message, { ...at, limit });
}

/**
 * Whether an order's open quantity, beside what else the wallet could come to hold, would leave what is
 * exact. Up to there every sum of the wallet's quantities is an exact integer, and can be sent as one.
 */
function exposed(
  quantity: number,
  left: number,
  exposure: number,
  { marketId, quantityScale }: Instrument,
): Rejection | undefined {
  if (exposure + left <= quantityScale.countMax) return undefined;
  const value = quantityScale.toNumber(quantity);
  const limit = quantityScale.toNumber(quantityScale.countMax);
  const message = `quantity ${value} could take the position in market ${marketId} past ${limit}`;
  return orderRejected("exact_position", message, { field: "quantity", value, limit });
}

function brokenPostOnly(
  terms: Pick<OrderTerms, "side" | "price" | "postOnly">,
  { priceScale }: Instrument,
  book: OrderBook,
): Rejection | undefined {
  const { side, postOnly } = terms;
  const price = limitOf(terms);
  if (!postOnly || !crosses(book, side, price)) return undefined;
  const value = priceScale.toNumber(price);
  const limit = priceScale.toNumber(book.best(opposite(side)) as number);
  const message = `a post-only order to ${side === "Buy" ? "buy" : "sell"} at ${value} would trade at ${limit}`;
  return orderRejected("post_only", message, { field: "price", value, limit });
}

/**
 * Why the rest of an order that has been matched is cancelled; undefined where it rests in the book.
 * @param limit the worst price at which it could trade
 */
export function restCause(
  order: Order,
  { book }: Pick<Market, "book">,
  limit: number,
): CancelCause | undefined {
  // Matching has stopped in front of an order that it could trade with: one of the same wallet.
  if (crosses(book, order.side, limit)) return CANCEL_CAUSE.selfTradeTaker;
  if (mayRest(order)) return undefined;
  if (order.orderType !== "Market") return CANCEL_CAUSE.immediateOrCancel;
  return crosses(book, order.side, limitOf(order)) ? CANCEL_CAUSE.priceBand : CANCEL_CAUSE.market;
}
