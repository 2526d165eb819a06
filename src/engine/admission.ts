import type { RequestedOrder, ValidatedOrder } from "../contract/messages.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketId } from "../shared/market-id.js";
import { mayRest, type TimeInForce } from "../shared/order.js";
import type { Order, OrderTerms } from "./order.js";
import { orderRejected, type Rejection } from "./rejection.js";

/** What admission knows of a market. */
export interface TradableMarket {
  readonly marketId: MarketId;
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
  /** The highest price of an order, a number of the contract. */
  readonly maxPrice?: number | undefined;
}

/** Bounds on every order, numbers of the contract. */
interface AdmissionLimits {
  readonly maxPrice: number;
  readonly maxQuantity: number;
}

/**
 * Turns an order as a client asks for it into integers, or says which rule it breaks: the market, then
 * the combination of terms, then the price, then the quantity.
 *
 * @param session the connection whose end cancels the order, if one does
 */
export function admitOrder(
  request: RequestedOrder,
  market: TradableMarket | undefined,
  limits: AdmissionLimits,
  wallet: string,
  session: string | undefined,
): OrderTerms | Rejection {
  if (market === undefined)
    return { code: "MARKET_NOT_FOUND", message: `market ${request.market_id} is not listed` };
  const { side, order_type: orderType, post_only: postOnly = false } = request;
  const { self_trade: selfTrade = "CancelTaker", expires_ts: expiresTs } = request;
  const timeInForce = timeInForceOf(request);
  const broken =
    brokenCombination(request, timeInForce) ??
    (request.price === undefined ? undefined : brokenPrice(request.price, market, limits)) ??
    brokenQuantity(request.quantity, market, limits);
  if (broken !== undefined) return broken;
  return {
    marketId: market.marketId,
    wallet,
    clientOrderId: request.client_order_id,
    side,
    orderType,
    timeInForce,
    postOnly,
    price: request.price === undefined ? undefined : market.priceScale.toCount(request.price),
    quantity: market.quantityScale.toCount(request.quantity) as number,
    selfTrade,
    expiresTs,
    session,
  };
}

/**
 * What an amend makes of an order, in integers, or which rule that breaks by itself.
 */
export function admitAmend(
  {
    price,
    quantity,
  }: { readonly price?: number | undefined; readonly quantity?: number | undefined },
  market: TradableMarket,
  limits: AdmissionLimits,
): { readonly price?: number; readonly quantity?: number } | Rejection {
  const broken =
    (price === undefined ? undefined : brokenPrice(price, market, limits)) ??
    (quantity === undefined ? undefined : brokenQuantity(quantity, market, limits));
  if (broken !== undefined) return broken;
  return {
    ...(price !== undefined && { price: market.priceScale.toCount(price) as number }),
    ...(quantity !== undefined && { quantity: market.quantityScale.toCount(quantity) as number }),
  };
}

/** Whether a request is for what an order was when it was placed, with the defaults filled in. */
export function isSameOrder(
  request: RequestedOrder,
  order: Order,
  { priceScale, quantityScale }: TradableMarket,
): boolean {
  const { price, quantity } = order.original ?? order;
  const { post_only, self_trade, expires_ts } = understood(request);
  return (
    request.market_id === order.marketId &&
    request.side === order.side &&
    request.order_type === order.orderType &&
    timeInForceOf(request) === order.timeInForce &&
    post_only === order.postOnly &&
    self_trade === order.selfTrade &&
    expires_ts === order.expiresTs &&
    (request.price === undefined ? undefined : priceScale.toCount(request.price)) === price &&
    quantityScale.toCount(request.quantity) === quantity
  );
}

/** An order with the defaults of what was not said. */
export function understood(request: RequestedOrder): ValidatedOrder {
  return {
    ...request,
    time_in_force: timeInForceOf(request),
    post_only: request.post_only ?? false,
    self_trade: request.self_trade ?? "CancelTaker",
  };
}

function brokenCombination(
  { order_type: orderType, price, post_only: postOnly, expires_ts: expiresTs }: RequestedOrder,
  timeInForce: TimeInForce,
): Rejection | undefined {
  const tif = { field: "time_in_force", value: timeInForce };
  if (orderType === "Limit" && price === undefined)
    return orderRejected("price_required", "a Limit order needs a price", { field: "price" });
  if (orderType === "Market" && price !== undefined) {
    const message = `a Market order takes no price, and has ${price}`;
    return orderRejected("no_price", message, { field: "price", value: price });
  }
  if (orderType === "Market" && timeInForce !== "IOC") {
    const message = `a Market order is IOC and cannot be ${timeInForce}`;
    return orderRejected("market_time_in_force", message, { ...tif, limit: "IOC" });
  }
  if (postOnly && !mayRest({ orderType, timeInForce })) {
    const message = `a post_only order is a GTC or GTD Limit order and cannot be ${timeInForce} ${orderType}`;
    return orderRejected("post_only_time_in_force", message, { ...tif, limit: "GTC" });
  }
  const expiry = { field: "expires_ts", value: expiresTs ?? null };
  if (timeInForce === "GTD" && expiresTs === undefined)
    return orderRejected("expires_ts_required", "a GTD order needs an expires_ts", expiry);
  if (timeInForce !== "GTD" && expiresTs !== undefined) {
    const message = `a ${timeInForce} order takes no expires_ts, and has ${expiresTs}`;
    return orderRejected("no_expires_ts", message, { ...expiry, limit: "GTD" });
  }
  return undefined;
}

/** The time in force of an order, its default where it has none. */
function timeInForceOf({
  order_type,
  time_in_force,
}: Pick<RequestedOrder, "order_type" | "time_in_force">): TimeInForce {
  return time_in_force ?? (order_type === "Market" ? "IOC" : "GTC");
}

/** The rule that a price breaks, in a market and by itself. */
function brokenPrice(
  price: number,
  { priceScale, maxPrice = Infinity }: TradableMarket,
  limits: AdmissionLimits,
): Rejection | undefined {
  const at = { field: "price", value: price };
  if (!(price > 0))
    return orderRejected("positive_price", `price ${price} is not positive`, { ...at, limit: 0 });
  const max = Math.min(maxPrice, limits.maxPrice);
  if (price > max) {
    const message = `price ${price} is over the highest, ${max}`;
    return orderRejected("max_price", message, { ...at, limit: max });
  }
  return brokenStep("price", price, priceScale);
}

/** The rule that a quantity breaks. */
function brokenQuantity(
  quantity: number,
  { quantityScale }: TradableMarket,
  { maxQuantity }: AdmissionLimits,
): Rejection | undefined {
  const at = { field: "quantity", value: quantity };
  if (!(quantity > 0)) {
    const message = `quantity ${quantity} is not positive`;
    return orderRejected("positive_quantity", message, { ...at, limit: 0 });
  }
  if (quantity > maxQuantity) {
    const message = `quantity ${quantity} is over the largest, ${maxQuantity}`;
    return orderRejected("max_quantity", message, { ...at, limit: maxQuantity });
  }
  return brokenStep("quantity", quantity, quantityScale);
}

const STEPS = {
  price: { exact: "exact_price", rule: "tick_size", step: "tick size" },
  quantity: { exact: "exact_quantity", rule: "lot_size", step: "lot size" },
} as const;

/** @param value positive */
function brokenStep(
  field: keyof typeof STEPS,
  value: number,
  scale: DecimalScale,
): Rejection | undefined {
  const { exact, rule, step } = STEPS[field];
  const largest = scale.toNumber(scale.countMax);
  if (value > largest) {
    const message = `${field} ${value} is over the largest exact one, ${largest}`;
    return orderRejected(exact, message, { field, value, limit: largest });
  }
  if (scale.toCount(value) !== undefined) return undefined;
  const message = `${field} ${value} is no multiple of the ${step} ${scale.step}`;
  return orderRejected(rule, message, { field, value, limit: scale.step });
}
