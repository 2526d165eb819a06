import { z } from "zod";
import { CANCEL_REASONS, type CancelReason } from "../contract/order-rules.js";
import type { Order } from "../engine/order.js";
import { SELF_TRADES } from "../shared/order.js";

/*
 * The end of an order's record: what most orders have not, and those of earlier versions never. An order
 * without any of it has no such end.
 */

const positive = z.number().refine((value) => Number.isSafeInteger(value) && value > 0);
const codes = Object.keys(CANCEL_REASONS) as CancelReason[];

/** Its priority, price and quantity as it was placed, when it expires, its self-trade, its reason's code. */
export const rareOrderFields = z.tuple([
  positive,
  positive.nullable(),
  positive.nullable(),
  positive.nullable(),
  z.enum(SELF_TRADES),
  z.enum(codes).nullable(),
]);
type Fields = z.output<typeof rareOrderFields>;

type Rare = Pick<Order, "priority" | "original" | "expiresTs" | "selfTrade" | "reasonCode">;

/** The end of an order's record, or none. */
export function packRare(order: Order): [Fields] | [] {
  const { orderId, priority, original, expiresTs, selfTrade, reasonCode } = order;
  const isPlain =
    priority === orderId &&
    original === undefined &&
    expiresTs === undefined &&
    selfTrade === "CancelTaker" &&
    reasonCode === undefined;
  if (isPlain) return [];
  const { price = null, quantity = null } = original ?? {};
  return [[priority, price, quantity, expiresTs ?? null, selfTrade, reasonCode ?? null]];
}

/** What the end of an order's record says. */
export function unpackRare(orderId: number, fields: Fields | undefined): Rare {
  const [priority = orderId, price, quantity, expiresTs, selfTrade = "CancelTaker", reasonCode] =
    fields ?? [];
  return {
    priority,
    original: quantity == null ? undefined : { price: price ?? undefined, quantity },
    expiresTs: expiresTs ?? undefined,
    selfTrade,
    reasonCode: reasonCode ?? undefined,
  };
}
