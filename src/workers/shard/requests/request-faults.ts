import type { MessageFault } from "../../../codec/decode.js";
import type { TokenBucket } from "../connections/token-bucket.js";

/* Why requests of any kind are refused. */

/** @param amount how much of what is limited was asked for */
export function rateLimited(
  bucket: TokenBucket,
  what: string,
  now: number,
  amount = 1,
): MessageFault {
  const limit = bucket.perSecond;
  return {
    code: "RATE_LIMITED",
    message: `at most ${limit} ${what} a second are taken`,
    details: { limit, retry_after_ms: bucket.waitMs(now, amount) },
  };
}

export function tradingDisabled(what: string): MessageFault {
  return { code: "TRADING_DISABLED", message: `${what}: this server takes no orders` };
}

export function authRequired(what: string): MessageFault {
  return { code: "AUTH_REQUIRED", message: `${what}: this needs a token with a wallet` };
}

export function forbidden(message: string): MessageFault {
  return { code: "FORBIDDEN", message };
}
