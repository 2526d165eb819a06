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

/**
 * Why orders are not taken, nor what belongs to them.
 * @param takesOrders undefined where it is not known
 */
export function tradingFault(
  takesOrders: boolean | undefined,
  what: string,
): MessageFault | undefined {
  if (takesOrders === true) return undefined;
  if (takesOrders === false)
    return { code: "TRADING_DISABLED", message: `${what}: this server takes no orders` };
  const message = `${what}: the origin has not been reached yet; try again`;
  return { code: "UNAVAILABLE", message };
}

export function authRequired(what: string): MessageFault {
  return { code: "AUTH_REQUIRED", message: `${what}: this needs a token with a wallet` };
}

export function forbidden(message: string): MessageFault {
  return { code: "FORBIDDEN", message };
}
