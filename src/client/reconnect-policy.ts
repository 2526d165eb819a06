import {
  isFinalOwnCode,
  isFinalStandardCode,
  SLOW_CONSUMER,
  TOKEN_EXPIRED,
} from "../contract/close-codes.js";
import { DisconnectedError, HandshakeError, type MarketcastError, ServerError } from "./errors.js";

/** Client errors of HTTP that may pass: timeout, too early, too many requests. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

/** Whether the token was refused: at the upgrade, or by an `Error` to the first message. */
export function isTokenRefusal(cause: MarketcastError): boolean {
  return (
    (cause instanceof HandshakeError && cause.status === 401) ||
    (cause instanceof ServerError && (cause.code === "AUTH_FAILED" || cause.code === "FORBIDDEN"))
  );
}

/**
 * Whether a connection that ended for `cause` may be made again.
 * @param renewable there is a function that gives fresh tokens
 * @param tokenRefusals connects in a row whose token was refused, this one included
 */
export function mayReconnect(
  cause: MarketcastError,
  renewable: boolean,
  tokenRefusals: number,
): boolean {
  // The first refused token may have expired on its way; a second fresh one will not be the last.
  if (isTokenRefusal(cause)) return renewable && tokenRefusals < 2;
  if (cause instanceof HandshakeError) {
    return cause.status >= 500 || PASSING_STATUSES.has(cause.status);
  }
  if (cause instanceof DisconnectedError) {
    const { closeCode } = cause;
    if (closeCode === TOKEN_EXPIRED) return renewable;
    return !isFinalStandardCode(closeCode) && !isFinalOwnCode(closeCode);
  }
  return true;
}

/**
 * How long to wait before an attempt, in milliseconds: exponential backoff with full jitter, so that
 * clients that lost one server do not come back all at once.
 * @param attempt counts from 1
 * @param random gives a number in [0, 1)
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function reconnectDelayMs(
  attempt: number,
  intervalMs: number,
  maxIntervalMs: number,
  cause: MarketcastError,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxIntervalMs, intervalMs * 2 ** (attempt - 1));
  const asked = cause instanceof HandshakeError ? (cause.retryAfterMs ?? 0) : 0;
  return Math.min(asked, maxIntervalMs) + random() * ceiling;
}

/** Whether the server closed a connection as that of a slow consumer. */
export function isSlowness(cause: MarketcastError): boolean {
  return cause instanceof DisconnectedError && cause.closeCode === SLOW_CONSUMER;
}
