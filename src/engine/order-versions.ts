import type { OrderStatus } from "../shared/order.js";
import type { CancelCause, Order, OrderTerms, OriginalTerms } from "./order.js";
import { tradeValue } from "./trade-value.js";

/** The first version of an order. */
export function newOrder(terms: OrderTerms, orderId: number, ts: number): Order {
  const { price, quantity } = terms;
  return version(
    terms,
    price,
    quantity,
    undefined,
    orderId,
    orderId,
    ts,
    0,
    0n,
    "Open",
    undefined,
    ts,
  );
}

/** The version of an order after a fill of no more than was left of it. */
export function filledOrder(order: Order, price: number, quantity: number, ts: number): Order {
  const { orderId, priority, original, createdTs } = order;
  const filled = order.filled + quantity;
  const value = order.filledValue + tradeValue(price, quantity);
  const status = filled === order.quantity ? "Filled" : "PartiallyFilled";
  return version(
    order,
    order.price,
    order.quantity,
    original,
    orderId,
    priority,
    createdTs,
    filled,
    value,
    status,
    undefined,
    ts,
  );
}

/** The last version of an order whose rest is cancelled. */
export function cancelledOrder(order: Order, cause: CancelCause, ts: number): Order {
  const { price, quantity, original, orderId, priority, createdTs, filled, filledValue } = order;
  return version(
    order,
    price,
    quantity,
    original,
    orderId,
    priority,
    createdTs,
    filled,
    filledValue,
    "Cancelled",
    cause,
    ts,
  );
}

/**
 * The version of an open order with another price or quantity.
 * @param quantity no less than is filled
 * @param priority the same, or one behind all others
 */
export function amendedOrder(
  order: Order,
  price: number | undefined,
  quantity: number,
  priority: number,
  ts: number,
): Order {
  const { orderId, createdTs, filled, filledValue } = order;
  const original = order.original ?? { price: order.price, quantity: order.quantity };
  const status = filled === quantity ? "Filled" : filled > 0 ? "PartiallyFilled" : "Open";
  return version(
    order,
    price,
    quantity,
    original,
    orderId,
    priority,
    createdTs,
    filled,
    filledValue,
    status,
    undefined,
    ts,
  );
}

/** Spelled out, as spreading an object of this size takes several times as long. */
function version(
  terms: OrderTerms,
  price: number | undefined,
  quantity: number,
  original: OriginalTerms | undefined,
  orderId: number,
  priority: number,
  createdTs: number,
  filled: number,
  filledValue: bigint,
  status: OrderStatus,
  cause: CancelCause | undefined,
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
    price,
    quantity,
    selfTrade: terms.selfTrade,
    expiresTs: terms.expiresTs,
    session: terms.session,
    orderId,
    priority,
    original,
    filled,
    filledValue,
    status,
    reason: cause?.text,
    reasonCode: cause?.code,
    createdTs,
    updatedTs,
  };
}
