/** Types of an order. */
export const ORDER_TYPES = ["Limit", "Market"] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

/**
 * How long an order may wait: good till cancelled, immediate or cancel, fill or kill, good till a date.
 */
export const TIMES_IN_FORCE = ["GTC", "IOC", "FOK", "GTD"] as const;
export type TimeInForce = (typeof TIMES_IN_FORCE)[number];

/** What is cancelled where an order would trade with one of its own wallet: the one that comes, the one that rests, or both. */
export const SELF_TRADES = ["CancelTaker", "CancelMaker", "CancelBoth"] as const;
export type SelfTrade = (typeof SELF_TRADES)[number];

export const ORDER_STATUSES = ["Open", "PartiallyFilled", "Filled", "Cancelled"] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

/** On which side of a trade an order was: it rested in the book, or came to trade. */
export type Liquidity = "Maker" | "Taker";

/** Whether an order that is not filled at once may wait in the book. */
export function mayRest(order: {
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
}): boolean {
  const { orderType, timeInForce } = order;
  return orderType === "Limit" && (timeInForce === "GTC" || timeInForce === "GTD");
}

/** Whether an order rests in the book, or would if nothing else happened to it. */
export function isOpen({ status }: { readonly status: OrderStatus }): boolean {
  return status === "Open" || status === "PartiallyFilled";
}
