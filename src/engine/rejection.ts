import type { OrderRule, RuleDetails } from "../contract/order-rules.js";
import type { MarketId } from "../shared/market-id.js";

/** Why the engine refuses a command: one of the contract's error codes, and the rule with the value. */
export type Rejection =
  | {
      readonly code: "MARKET_NOT_FOUND" | "MARKET_NOT_ACTIVE" | "ORDER_NOT_FOUND";
      readonly message: string;
    }
  | { readonly code: "ORDER_REJECTED"; readonly message: string; readonly details: RuleDetails };

/** What of a rule's details there is. */
type Given = Partial<Omit<RuleDetails, "rule">>;

export function marketNotFound(marketId: MarketId): Rejection {
  return { code: "MARKET_NOT_FOUND", message: `market ${marketId} is not listed` };
}

/** The refusal of an order that breaks a rule. */
export function orderRejected(
  rule: OrderRule,
  message: string,
  { field = null, value = null, limit = null }: Given = {},
): Rejection {
  return { code: "ORDER_REJECTED", message, details: { rule, field, value, limit } };
}
