import type { LatencySummary } from "./load-messages.js";

/** What each connection of the order client does, one request after the other. */
export const ORDER_MIXES = ["place", "amend", "cancel", "batch"] as const;
export type OrderMix = (typeof ORDER_MIXES)[number];

/** Orders of a `PlaceOrders` of the mix `batch`. */
export const BATCH_ORDERS = 50;

/** What the orders bench tells its order client, over IPC; each request has one reply. */
export type OrderRequestMessage =
  /** Connects a client for each path and has it send one request after the other. */
  | {
      readonly kind: "start";
      readonly port: number;
      readonly subprotocol: string;
      readonly paths: readonly string[];
      readonly marketIds: readonly number[];
      readonly mix: OrderMix;
    }
  /** Ends an interval of measurement and begins the next. */
  | { readonly kind: "interval" }
  | { readonly kind: "stop" };

export type OrderReplyMessage =
  | { readonly kind: "started" }
  | OrderInterval
  | { readonly kind: "stopped" };

/** What was answered in an interval, over all connections. */
export interface OrderInterval {
  readonly kind: "interval";
  readonly seconds: number;
  /** Orders, amends and cancels that were carried out. */
  readonly acknowledged: number;
  /** Requests with another answer. */
  readonly refused: number;
  /** One of the latter. */
  readonly refusal: string | undefined;
  /** From the write of a request to its answer, in microseconds. */
  readonly latency: LatencySummary;
  readonly cpuCores: number;
}
