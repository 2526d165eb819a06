import type { ClientMessage } from "../contract/messages.js";

/**
 * What a request is about that an earlier one may be about as well.
 * @param follows of one that must not overtake those before it; else of one that may not be overtaken
 */
export function namesOf({ type, data }: ClientMessage, follows: boolean): readonly string[] {
  switch (type) {
    case "PlaceOrder":
      return follows ? [] : [`order ${data.order.client_order_id}`];
    case "PlaceOrders":
      return follows ? [] : data.orders.map((order) => `order ${order.client_order_id}`);
    case "AmendOrder":
      return [`order ${data.client_order_id ?? `id ${data.order_id}`}`];
    case "CancelOrder":
      return follows ? [`order ${data.client_order_id ?? `id ${data.order_id}`}`] : [];
    case "CancelAfter":
      return [type];
    default:
      return [];
  }
}
