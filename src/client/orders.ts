import type { OrderReference, OrderRequest } from "../contract/messages.js";
import type { RequestOptions } from "./options.js";
import { given } from "./plain-value.js";
import { randomOrderId } from "./random-order-id.js";
import type { Replies, Requests } from "./requests.js";

/*
 * Requests about orders. Each is sent again when its connection breaks before the answer: an order has
 * a `client_order_id`, by which the server knows it, and a cancelled order cannot be cancelled twice.
 */

export async function placeOrder(
  requests: Requests,
  order: OrderRequest,
  options?: RequestOptions,
): Promise<Replies["PlaceOrder"]> {
  const data = { order: { client_order_id: randomOrderId(), ...given(order) } };
  return requests.ask("PlaceOrder", data, { ...options, whenLost: "resend" });
}

export async function cancelOrder(
  requests: Requests,
  order: OrderReference,
  options?: RequestOptions,
): Promise<Replies["CancelOrder"]> {
  return requests.ask("CancelOrder", given(order), { ...options, whenLost: "resend" });
}

export async function getOrder(
  requests: Requests,
  order: OrderReference,
  options?: RequestOptions,
): Promise<Replies["GetOrder"]> {
  return requests.ask("GetOrder", given(order), { ...options, whenLost: "resend" });
}
