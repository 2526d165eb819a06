import type {
  ClientData,
  ClientMessage,
  MarketId,
  OrderReference,
  OrderRequest,
  ServerData,
  Side,
} from "../contract/messages.js";
import type { RequestOptions, ResolvedOptions } from "./options.js";
import type { Asking } from "./pending-request.js";
import { given } from "./plain-value.js";
import { randomOrderId } from "./random-order-id.js";
import type { Replies, Requests } from "./requests.js";
import type { ServerClock } from "./server-clock.js";

/**
 * The requests about orders. Each is sent again when its connection breaks before the answer: an order has
 * a `client_order_id`, by which the server knows it, and the others have done what they do once they were
 * carried out. What puts something new into a market waits for a connection only where the program wants it;
 * what ends something, or asks, always does.
 */
export abstract class OrderClient {
  protected abstract readonly requests: Requests;
  protected abstract readonly options: ResolvedOptions;
  protected abstract readonly clock: ServerClock;

  placeOrder(order: OrderRequest, options?: RequestOptions): Promise<Replies["PlaceOrder"]> {
    return this.#ask("PlaceOrder", { order: named(order) }, { ...options, ...this.#present() });
  }

  validateOrder(
    order: OrderRequest,
    options?: RequestOptions,
  ): Promise<ServerData["OrderValidated"]> {
    const data = { order: given(order), validate_only: true };
    // What comes back is another message.
    return this.#ask("PlaceOrder", data, {
      ...options,
      ...this.#dated(),
    }) as Promise<unknown> as Promise<ServerData["OrderValidated"]>;
  }

  placeOrders(
    orders: readonly OrderRequest[],
    options?: RequestOptions,
  ): Promise<Replies["PlaceOrders"]> {
    const data = { orders: orders.map(named) };
    return this.#ask("PlaceOrders", data, { ...options, ...this.#present() });
  }

  amendOrder(
    order: ClientData["AmendOrder"],
    options?: RequestOptions,
  ): Promise<Replies["AmendOrder"]> {
    return this.#ask("AmendOrder", given(order), { ...options, ...this.#present() });
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

  /** How to ask for what is not to be done later than it is meant. */
  #present(): Omit<Asking, "whenLost"> {
    return { ...this.#dated(), presentOnly: this.options.offline === "reject" };
  }

  /** How to ask for orders that are good for a while from now on, by whichever server they go to. */
  #dated(): Omit<Asking, "whenLost"> {
    const { maxOrderAgeMs } = this.options;
    if (maxOrderAgeMs === 0) return {};
    const [untilMs, untilWallMs] = [performance.now(), Date.now()].map((ms) => ms + maxOrderAgeMs);
    return {
      departing: (message) => {
        const now = performance.now();
        // The first stands still while the machine sleeps, the other may be set: what is over by either is over.
        const leftMs = Math.min((untilMs as number) - now, (untilWallMs as number) - Date.now());
        return dated(message, Math.floor(this.clock.at(now + leftMs) * 1000));
      },
    };
  }

  async #ask<T extends keyof ClientData>(
    type: T,
    data: ClientData[T],
    options: Omit<Asking, "whenLost"> | undefined,
  ): Promise<Replies[T]> {
    return this.requests.ask(type, data, { ...options, whenLost: "resend" });
  }
}

/** A message with orders, those that say nothing of it with the time until which they are good. */
function dated(message: ClientMessage, valid_until_ts: number): ClientMessage {
  const date = (order: OrderRequest): OrderRequest => ({ valid_until_ts, ...order });
  if (message.type === "PlaceOrder")
    return { ...message, data: { ...message.data, order: date(message.data.order) } };
  if (message.type === "PlaceOrders")
    return { ...message, data: { orders: message.data.orders.map(date) } };
  return message;
}

/** An order with an id by which it can be asked for again. */
function named(order: OrderRequest): OrderRequest {
  return { client_order_id: randomOrderId(), ...given(order) };
}
