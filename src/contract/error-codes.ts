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

/** The codes that only an answer over HTTP carries, beside those of an `Error` message. */
export const HTTP_ERROR_CODES = ["NOT_FOUND", "METHOD_NOT_ALLOWED"] as const;
export type HttpErrorCode = ErrorCode | (typeof HTTP_ERROR_CODES)[number];
