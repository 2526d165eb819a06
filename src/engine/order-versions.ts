import type { Order, OrderTerms } from "./order.js";
import { tradeValue } from "./trade-value.js";

/** The first version of an order. */
export function newOrder(terms: OrderTerms, orderId: number, ts: number): Order {
  return {
    ...terms,
    orderId,
    filled: 0,
    filledValue: 0n,
    status: "Open",
    reason: undefined,
    createdTs: ts,
    updatedTs: ts,
  };
}

/** The version of an order after a fill of no more than was left of it. */
export function filledOrder(order: Order, price: number, quantity: number, ts: number): Order {
  const filled = order.filled + quantity;
  return {
    ...order,
    filled,
    filledValue: order.filledValue + tradeValue(price, quantity),
    status: filled === order.quantity ? "Filled" : "PartiallyFilled",
    updatedTs: ts,
  };
}

/** The last version of an order whose rest is cancelled. */
export function cancelledOrder(order: Order, reason: string, ts: number): Order {
  return { ...order, status: "Cancelled", reason, updatedTs: ts };
}
