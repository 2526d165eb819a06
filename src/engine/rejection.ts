/** Why the engine refuses a command: one of the contract's error codes, and the rule with the value. */
export interface Rejection {
  readonly code: "MARKET_NOT_FOUND" | "MARKET_NOT_ACTIVE" | "ORDER_NOT_FOUND" | "ORDER_REJECTED";
  readonly message: string;
  /** The bound that is reached, where one is. */
  readonly details?: { readonly rule: string; readonly limit: number };
}
