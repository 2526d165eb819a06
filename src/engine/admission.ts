import type { RequestedOrder } from "../contract/messages.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketId } from "../shared/market-id.js";
import type { TimeInForce } from "../shared/order.js";
import type { OrderTerms } from "./order.js";
import type { Rejection } from "./rejection.js";

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
  const timeInForce = request.time_in_force ?? (orderType === "Market" ? "IOC" : "GTC");
  const broken =
    brokenCombination(request, timeInForce) ??
    (request.price === undefined ? undefined : brokenPrice(request.price, market, limits)) ??
    brokenQuantity(request.quantity, market, limits);
  if (broken !== undefined) return { code: "ORDER_REJECTED", message: broken };
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
    session,
  };
}

function brokenCombination(request: RequestedOrder, timeInForce: TimeInForce): string | undefined {
  const { order_type: orderType, price, post_only: postOnly } = request;
  if (orderType === "Limit" && price === undefined) return "a Limit order needs a price";
  if (orderType === "Market" && price !== undefined)
    return `a Market order takes no price, and has ${price}`;
  if (orderType === "Market" && timeInForce !== "IOC")
    return `a Market order is IOC and cannot be ${timeInForce}`;
  if (postOnly && timeInForce !== "GTC")
    return `a post_only order is a GTC Limit order and cannot be ${timeInForce} ${orderType}`;
  return undefined;
}

function brokenPrice(
  price: number,
  { priceScale, maxPrice = Infinity }: TradableMarket,
  limits: AdmissionLimits,
): string | undefined {
  if (!(price > 0)) return `price ${price} is not positive`;
  const max = Math.min(maxPrice, limits.maxPrice);
  if (price > max) return `price ${price} is over the highest, ${max}`;
  return brokenStep("price", price, "tick size", priceScale);
}

function brokenQuantity(
  quantity: number,
  { quantityScale }: TradableMarket,
  { maxQuantity }: AdmissionLimits,
): string | undefined {
  if (!(quantity > 0)) return `quantity ${quantity} is not positive`;
  if (quantity > maxQuantity) return `quantity ${quantity} is over the largest, ${maxQuantity}`;
  return brokenStep("quantity", quantity, "lot size", quantityScale);
}

/** @param value positive */
function brokenStep(
  what: string,
  value: number,
  step: string,
  scale: DecimalScale,
): string | undefined {
  const largest = scale.toNumber(scale.countMax);
  if (value > largest) return `${what} ${value} is over the largest exact one, ${largest}`;
  return scale.toCount(value) === undefined
    ? `${what} ${value} is no multiple of the ${step} ${scale.step}`
    : undefined;
}
