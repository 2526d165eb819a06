import type { OrderStatus } from "../shared/order.js";
import type { Order, OrderTerms } from "./order.js";
import { tradeValue } from "./trade-value.js";

/** The first version of an order. */
export function newOrder(terms: OrderTerms, orderId: number, ts: number): Order {
  return version(terms, orderId, ts, 0, 0n, "Open", undefined, ts);
}

/** The version of an order after a fill of no more than was left of it. */
export function filledOrder(order: Order, price: number, quantity: number, ts: number): Order {
  const { orderId, createdTs, reason } = order;
  const filled = order.filled + quantity;
  const value = order.filledValue + tradeValue(price, quantity);
  const status = filled === order.quantity ? "Filled" : "PartiallyFilled";
  return version(order, orderId, createdTs, filled, value, status, reason, ts);
}

/** The last version of an order whose rest is cancelled. */
export function cancelledOrder(order: Order, reason: string, ts: number): Order {
  const { orderId, createdTs, filled, filledValue } = order;
  return version(order, orderId, createdTs, filled, filledValue, "Cancelled", reason, ts);
}

/** Spelled out, as spreading an object of this size takes several times as long. */
function version(
  terms: OrderTerms,
  orderId: number,
  createdTs: number,
  filled: number,
  filledValue: bigint,
  status: OrderStatus,
  reason: string | undefined,
  updatedTs: number,
): Order {
  return {
    marketId: terms.marketId,
    wallet: terms.wallet,
    clientOrderId: terms.clientOrderId,
    side: terms.side,
    orderType: terms.orderType,
    timeInForce: terms.timeInForce,
    postOnly: terms.postOnly,
    price: terms.price,
    quantity: terms.quantity,
    session: terms.session,
    orderId,
    filled,
    filledValue,
    status,
    reason,
    createdTs,
    updatedTs,
  };
}
