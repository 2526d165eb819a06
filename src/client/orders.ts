import type {
  ClientData,
  MarketId,
  OrderReference,
  OrderRequest,
  ServerData,
  Side,
} from "../contract/messages.js";
import type { RequestOptions } from "./options.js";
import { given } from "./plain-value.js";
import { randomOrderId } from "./random-order-id.js";
import type { Replies, Requests } from "./requests.js";

/**
 * The requests about orders. Each is sent again when its connection breaks before the answer: an order has
 * a `client_order_id`, by which the server knows it, and the others have done what they do once they were
 * carried out.
 */
export abstract class OrderClient {
  protected abstract readonly requests: Requests;

  placeOrder(order: OrderRequest, options?: RequestOptions): Promise<Replies["PlaceOrder"]> {
    return this.#ask("PlaceOrder", { order: named(order) }, options);
  }

  validateOrder(
    order: OrderRequest,
    options?: RequestOptions,
  ): Promise<ServerData["OrderValidated"]> {
    const data = { order: given(order), validate_only: true };
    // What comes back is another message.
    return this.#ask("PlaceOrder", data, options) as Promise<unknown> as Promise<
      ServerData["OrderValidated"]
    >;
  }

  placeOrders(
    orders: readonly OrderRequest[],
    options?: RequestOptions,
  ): Promise<Replies["PlaceOrders"]> {
    return this.#ask("PlaceOrders", { orders: orders.map(named) }, options);
  }

  amendOrder(
    order: ClientData["AmendOrder"],
    options?: RequestOptions,
  ): Promise<Replies["AmendOrder"]> {
    return this.#ask("AmendOrder", given(order), options);
  }

  cancelOrder(order: OrderReference, options?: RequestOptions): Promise<Replies["CancelOrder"]> {
    return this.#ask("CancelOrder", given(order), options);
  }

  cancelOrders(
    which: { readonly market_id?: MarketId; readonly side?: Side } = {},
    options?: RequestOptions,
  ): Promise<Replies["CancelOrders"]> {
    return this.#ask("CancelOrders", given(which), options);
  }

  cancelAfter(timeoutMs: number, options?: RequestOptions): Promise<Replies["CancelAfter"]> {
    return this.#ask("CancelAfter", { timeout_ms: timeoutMs }, options);
  }

  getOrder(order: OrderReference, options?: RequestOptions): Promise<Replies["GetOrder"]> {
    return this.#ask("GetOrder", given(order), options);
  }

  async #ask<T extends keyof ClientData>(
    type: T,
    data: ClientData[T],
    options: RequestOptions | undefined,
  ): Promise<Replies[T]> {
    return this.requests.ask(type, data, { ...options, whenLost: "resend" });
  }
}

/** An order with an id by which it can be asked for again. */
function named(order: OrderRequest): OrderRequest {
  return { client_order_id: randomOrderId(), ...given(order) };
}
