import type { Side } from "./market.js";
import type { MarketId } from "./market-id.js";

/** Types of an order. */
export const ORDER_TYPES = ["Limit", "Market"] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

/**
 * How long an order may wait: good till cancelled, immediate or cancel, fill or kill.
 */
export const TIMES_IN_FORCE = ["GTC", "IOC", "FOK"] as const;
export type TimeInForce = (typeof TIMES_IN_FORCE)[number];

export const ORDER_STATUSES = ["Open", "PartiallyFilled", "Filled", "Cancelled"] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

/** Whether an order rests in the book, or would if nothing else happened to it. */
export function isOpen({ status }: { readonly status: OrderStatus }): boolean {
  return status === "Open" || status === "PartiallyFilled";
}

/** An order as a client asks for it, in the contract's terms; its form has been checked. */
export interface OrderRequest {
  readonly market_id: MarketId;
  readonly side: Side;
  readonly order_type: OrderType;
  /** There for a Limit order, and only there. */
  readonly price?: number | undefined;
  readonly quantity: number;
  readonly time_in_force?: TimeInForce | undefined;
  readonly post_only?: boolean | undefined;
  readonly client_order_id?: string | undefined;
}
