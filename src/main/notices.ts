import { CLOSE_CODES } from "../contract/close-codes.js";

/* What clients and operators are told of the server's own doing. */

export const DRAIN_REASON = `the server restarts; this connection will be closed with code ${CLOSE_CODES.serviceRestart}, please reconnect`;
export const PRODUCER_DOWN =
  "market data is interrupted; a new epoch and fresh snapshots will follow";
export const PRODUCER_LOST =
  "the producer's thread does not end, and its store cannot be opened beside it";
export const FENCED_OUT =
  "another origin has taken over this relay's prefix while this one was suspended or cut off from Redis; it ends";
export const EXCHANGE_DOWN = `${PRODUCER_DOWN}, and until then no order is taken`;
