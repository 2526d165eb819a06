/*
 * Why an order is refused or cancelled, in words that a program reads. docs/protocol.md has these tables.
 */

/** The rules that `ORDER_REJECTED` names in `details.rule`, with what each asks. */
export const ORDER_RULES = {
  price_required: "a Limit order has a price",
  no_price: "a Market order has no price",
  market_time_in_force: "a Market order is IOC",
  post_only_time_in_force: "a post_only order is a GTC or GTD Limit order",
  expires_ts_required: "a GTD order has an `expires_ts`",
  no_expires_ts: "an order that is not GTD has no `expires_ts`",
  positive_price: "the price is positive",
  max_price: "the price is not over the market's highest, nor over `--max-price`",
  tick_size: "the price is a multiple of the market's tick size",
  exact_price: "the price is not over the largest that is exact in ticks",
  positive_quantity: "the quantity is positive",
  max_quantity: "the quantity is not over `--max-quantity`",
  lot_size: "the quantity is a multiple of the market's lot size",
  exact_quantity: "the quantity is not over the largest that is exact in lots",
  exact_position: "the wallet's position stays exact in lots, whatever of its orders is filled",
  price_band: "the price is not further from the last trade's than the market's price band",
  max_order_value: "what the order is worth is not over the market's largest value of an order",
  max_position:
    "the wallet's position stays within the market's largest one, whatever of its orders is filled",
  expired: "the exchange takes it by its `valid_until_ts`, and before its `expires_ts`",
  max_open_orders: "the wallet has fewer than `--max-open-orders` open orders",
  max_client_order_ids: "the wallet has used fewer than `--max-client-order-ids`",
  max_all_client_order_ids:
    "the wallet has used fewer client order ids than are free of `--max-all-client-order-ids`",
  client_order_id_reused: "an order with a client order id that was used has the first one's terms",
  post_only: "a post_only order does not trade when it comes, or is amended",
  below_filled: "an amended quantity is not below what is filled",
  wallet_name: "the wallet has a name that can be stored",
} as const;
export type OrderRule = keyof typeof ORDER_RULES;

/** What a program reads of an `ORDER_REJECTED`; null where a rule has no such thing. */
export type RuleDetails = {
  readonly rule: OrderRule;
  /** The field of the order at fault, by its name alone. */
  readonly field: string | null;
  /** What it has. */
  readonly value: number | string | boolean | null;
  /** What bounds it: the most, the least, or the step. */
  readonly limit: number | string | null;
};

/** The codes that a cancelled order carries in `reason_code`, with what each means. The journal knows them by their place: new ones go to the end. */
export const CANCEL_REASONS = {
  requested: "somebody asked for it",
  expired: "a GTD order whose `expires_ts` has come",
  cancel_after: "the wallet's `CancelAfter` was not renewed in time",
  fill_or_kill: "a FOK order that could not be filled at once",
  immediate_or_cancel: "the rest of an IOC order, with nothing left to trade with at its price",
  market_order: "the rest of a Market order, with nothing left to trade with",
  self_trade: "it would have traded with an order of the same wallet",
  cancel_on_disconnect: "its connection, its session or the server has ended",
  wallet_name: "its wallet has a name that no token can carry any more",
  price_band:
    "the rest of a Market order, with nothing left to trade with inside the market's price band",
} as const;
export type CancelReason = keyof typeof CANCEL_REASONS;
