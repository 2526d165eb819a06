import { randomUUID } from "node:crypto";
import { InvalidArgumentError } from "commander";
import type {
  MarketId,
  OrderReference,
  OrderRequest,
  OrderType,
  SelfTrade,
  Side,
  TimeInForce,
} from "../client/node.js";
import { CLIENT_ORDER_ID_CHARACTERS_MAX } from "../contract/limits.js";
import { UsageError } from "./usage-error.js";

const CLIENT_ORDER_ID = new RegExp(`^[A-Za-z0-9_-]{1,${CLIENT_ORDER_ID_CHARACTERS_MAX}}$`);

/** An order to place, as flags say it. */
export interface OrderRequestFlags {
  readonly market: MarketId;
  readonly side: Side;
  readonly type: OrderType;
  readonly price?: number;
  readonly quantity: number;
  readonly tif?: TimeInForce;
  readonly postOnly?: boolean;
  readonly clientOrderId?: string;
  readonly selfTrade?: SelfTrade;
  /** µs since the Unix epoch. */
  readonly expires?: number;
}

/** An order to cancel, as flags name it. */
export interface OrderReferenceFlags {
  readonly orderId?: string;
  readonly clientOrderId?: string;
}

/** A parser of `--client-order-id`. */
export function parseClientOrderId(text: string): string {
  if (CLIENT_ORDER_ID.test(text)) return text;
  throw new InvalidArgumentError(
    `It is not 1 to ${CLIENT_ORDER_ID_CHARACTERS_MAX} of A-Z a-z 0-9 _ -.`,
  );
}

/** A parser of `--expires`: a time as ISO 8601 has it, in µs since the Unix epoch. */
export function parseTime(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (ms > 0) return ms * 1000;
  throw new InvalidArgumentError("It is not a time such as 2027-01-31T17:00:00Z.");
}

/** The order that flags ask for. Throws UsageError for flags that do not fit each other. */
export function orderRequest(
  flags: OrderRequestFlags,
): OrderRequest & { readonly client_order_id: string } {
  const { price, tif, postOnly, market: market_id, side, quantity } = flags;
  // Made here, so that it can be named where the answer is missing.
  const client_order_id = flags.clientOrderId ?? randomUUID();
  const { selfTrade, expires } = flags;
  const base = {
    ...{ market_id, side, quantity, client_order_id },
    ...(selfTrade !== undefined && { self_trade: selfTrade }),
  };
  if (flags.type === "Market") {
    if (price !== undefined) throw new UsageError("price: is for a Limit order only");
    if (postOnly === true) throw new UsageError("post-only: is for a Limit order only");
    if (tif !== undefined && tif !== "IOC")
      throw new UsageError("tif: a Market order is IOC (flag --tif)");
    if (expires !== undefined) throw new UsageError("expires: is for a Limit order only");
    return { ...base, order_type: "Market" };
  }
  if (price === undefined) throw new UsageError("price: a Limit order needs one (flag --price)");
  const timeInForce = tif ?? (expires === undefined ? undefined : "GTD");
  if ((timeInForce === "GTD") !== (expires !== undefined))
    throw new UsageError("expires: a GTD order needs it, and no other takes it (flag --expires)");
  return {
    ...base,
    order_type: "Limit",
    price,
    ...(timeInForce !== undefined && { time_in_force: timeInForce }),
    ...(expires !== undefined && { expires_ts: expires }),
    ...(postOnly === true && { post_only: true }),
  };
}

/** The order that flags name. Throws UsageError unless they do so in one way. */
export function orderReference({ orderId, clientOrderId }: OrderReferenceFlags): OrderReference {
  if (orderId !== undefined && clientOrderId === undefined) return { order_id: orderId };
  if (clientOrderId !== undefined && orderId === undefined)
    return { client_order_id: clientOrderId };
  throw new UsageError("order-id, client-order-id: one of them must be given, and not both");
}
