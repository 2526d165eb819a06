import type { RangeOptions } from "lmdb";
import type { Environment } from "./environment.js";
import { StoreError } from "./store-error.js";
import type { Operation } from "./table.js";

/** How much of what is finished is kept. */
export interface Retention {
  readonly orderRetentionMs: number;
  /** Finished orders. */
  readonly maxStoredOrders: number;
  /** A finished order with a client order id is kept at least that long. */
  readonly clientOrderIdRetentionMs: number;
  readonly tradeRetentionMs: number;
  readonly maxStoredTrades: number;
}

/** What one step removes at most. An order is two records, so that makes 500 deletions of each. */
const ORDERS_PER_STEP = 250;
const TRADES_PER_STEP = 500;

/** One step of pruning: it removes `count` orders or trades, none where all may stay. */
interface PruningStep {
  readonly count: number;
  readonly operations: readonly Operation[];
}

/**
 * Says what is to be removed next, the oldest first. A damaged record is removed in its turn as a sound
 * one is.
 *
 * @param before the `ts` of so many milliseconds ago
 */
export type Pruning = (
  environment: Environment,
  retention: Retention,
  before: (ms: number) => number,
) => PruningStep;

/** The oldest orders of a table by finish time, as its keys say. */
function* oldestOf(
  table: Environment["finishTimes"] | Environment["clientOrderIds"],
  options: RangeOptions,
): Generator<{ finishedTs: number; orderId: number; removal: Operation }, void> {
  for (const key of table.keys(options)) {
    // A damaged key may be anything.
    const [finishedTs, orderId] = Array.isArray(key) ? key : [];
    if (typeof finishedTs !== "number" || typeof orderId !== "number") continue;
    yield { finishedTs, orderId, removal: table.remove([finishedTs, orderId]) };
  }
}

function stepOf(removals: readonly (readonly Operation[])[]): PruningStep {
  return { count: removals.length, operations: removals.flat() };
}

/**
 * The oldest finished orders that may go, as far as age or number demand it. Their keys say all that
 * is needed, so no record is read.
 */
export const pruneOrders: Pruning = (environment, retention, before) => {
  const { finishTimes, clientOrderIds, finishedOrders } = environment;
  const limit = ORDERS_PER_STEP;
  const unprotected = [before(retention.clientOrderIdRetentionMs)];
  const candidates = [
    ...oldestOf(finishTimes, { limit }),
    ...oldestOf(clientOrderIds, { end: unprotected, limit }),
  ].sort((a, b) => a.finishedTs - b.finishedTs);

  const oldestTs = before(retention.orderRetentionMs);
  const surplus = finishTimes.size + clientOrderIds.size - retention.maxStoredOrders;
  const removals = candidates
    .slice(0, limit)
    .filter(({ finishedTs }, index) => index < surplus || finishedTs < oldestTs)
    .map(({ orderId, removal }) => [finishedOrders.remove(orderId), removal]);
  return stepOf(removals);
};

/** The oldest trades, as far as age or number demand it, but none behind `lastTrade`. */
export const pruneTrades = (
  { trades }: Environment,
  retention: Retention,
  before: (ms: number) => number,
  lastTrade: number,
): PruningStep => {
  const oldestTs = before(retention.tradeRetentionMs);
  const surplus = trades.size - retention.maxStoredTrades;
  const oldest = [...trades.inspect({ limit: TRADES_PER_STEP })];
  // Trades follow one another in time, so a damaged one is older than the next that can be read.
  const overAge =
    1 + oldest.findLastIndex(({ value }) => !(value instanceof StoreError) && value.ts < oldestTs);
  const removed = oldest
    .slice(0, Math.max(surplus, overAge))
    .filter(({ key }) => !(key > lastTrade));
  return stepOf(removed.map(({ key }) => [trades.remove(key)]));
};
