import type { LatencySummary } from "./load-messages.js";

/** What the orders bench tells its order client, over IPC; each request has one reply. */
export type OrderRequestMessage =
  /** Connects a client for each path and has it place one order after the other. */
  | {
      readonly kind: "start";
      readonly port: number;
      readonly subprotocol: string;
      readonly paths: readonly string[];
      readonly marketIds: readonly number[];
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
  /** Orders with an `OrderUpdate`. */
  readonly acknowledged: number;
  /** Orders with anything else. */
  readonly refused: number;
  /** One of the latter. */
  readonly refusal: string | undefined;
  /** From the write of an order to its answer, in microseconds. */
  readonly latency: LatencySummary;
  readonly cpuCores: number;
}
