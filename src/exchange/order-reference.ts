import type { OrderReference } from "../engine/commands.js";
import type { OrderName } from "../workers/messages.js";

/** The form of the order ids that the exchange gives. */
const ORDER_ID = /^[1-9][0-9]{0,15}$/;

/** An order as the engine names it; undefined where no order has such an id. */
export function toOrderReference(name: OrderName): OrderReference | undefined {
  if ("client_order_id" in name) return { clientOrderId: name.client_order_id };
  const orderId = toOrderId(name.order_id);
  return orderId === undefined ? undefined : { orderId };
}

/** The number of an order id; undefined where no order has such an id. */
export function toOrderId(name: string): number | undefined {
  return ORDER_ID.test(name) ? Number(name) : undefined;
}
