const DAY_MS = 86_400_000;

/** Of a store of which nothing is pruned while a bench lasts. */
export const LONG_RETENTION = {
  orderRetentionMs: 3650 * DAY_MS,
  maxStoredOrders: 10_000_000,
  clientOrderIdRetentionMs: DAY_MS,
  tradeRetentionMs: 3650 * DAY_MS,
  maxStoredTrades: 10_000_000,
};
