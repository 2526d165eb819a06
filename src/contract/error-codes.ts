/** The codes an `Error` message can carry. */
export const ERROR_CODES = [
  "INVALID_MESSAGE",
  "UNKNOWN_TYPE",
  "AUTH_REQUIRED",
  "AUTH_FAILED",
  "FORBIDDEN",
  "MARKET_NOT_FOUND",
  "MARKET_NOT_ACTIVE",
  "ORDER_NOT_FOUND",
  "ORDER_REJECTED",
  "TRADING_DISABLED",
  "TOO_MANY_SUBSCRIPTIONS",
  "RATE_LIMITED",
  "UNAVAILABLE",
  "INTERNAL",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];
