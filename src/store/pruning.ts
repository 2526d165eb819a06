import type { RangeOptions } from "lmdb";
import type { Environment } from "./environment.js";
import { StoreError } from "./store-error.js";
import type { Operation } from "./table.js";
import {
  entriesOfOrder,
  entriesOfTrade,
  removeEntries,
  type WalletEntry,
} from "./wallet-entries.js";
import type { Pruned } from "./wallet-marks.js";
import { WalletRecords } from "./wallet-records.js";

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

/** What one step removes at most. An order is two records and two entries of indexes, a trade one and two. */
const ORDERS_PER_STEP = 250;
const TRADES_PER_STEP = 500;

/** One step of pruning: it removes `count` orders or trades, none where all may stay. */
export interface PruningStep {
  readonly count: number;
  readonly operations: readonly Operation[];
  /** What is taken out of the indexes by wallet. */
  readonly entries: readonly WalletEntry[];
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

/** @param pruned up to where that is pruned with the step */
function stepOf(
  environment: Environment,
  removals: readonly (readonly Operation[])[],
  entries: readonly WalletEntry[],
  pruned: Pruned,
): PruningStep {
  const { length: count } = removals;
  if (count === 0) return { count, operations: [], entries };
  const noted = environment.pruned?.put(pruned) ?? [];
  const operations = [removals.flat(), removeEntries(environment, entries), noted].flat();
  return { count, operations, entries };
}

/**
 * The oldest finished orders that may go, as far as age or number demand it. Of one that cannot be read the
 * wallet is not known, and its entries of indexes stay.
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
  const removed = candidates
    .slice(0, limit)
    .filter(({ finishedTs }, index) => index < surplus || finishedTs < oldestTs);
  const records = new WalletRecords(environment);
  const removals = removed.map(({ orderId, removal }) => [finishedOrders.remove(orderId), removal]);
  const entries = removed.flatMap(({ orderId }) => {
    const order = records.order(orderId);
    return order === undefined ? [] : entriesOfOrder(order, true);
  });
  const to = Math.max(
    environment.pruned?.get("orders")?.to ?? 0,
    ...removed.map(({ finishedTs }) => finishedTs),
  );
  return stepOf(environment, removals, entries, { kind: "orders", to });
};

/** The oldest trades, as far as age or number demand it, but none behind `lastTrade`. */
export const pruneTrades = (
  environment: Environment,
  retention: Retention,
  before: (ms: number) => number,
  lastTrade: number,
): PruningStep => {
  const { trades } = environment;
  const oldestTs = before(retention.tradeRetentionMs);
  const surplus = trades.size - retention.maxStoredTrades;
  const oldest = [...trades.inspect({ limit: TRADES_PER_STEP })];
  // Trades follow one another in time, so a damaged one is older than the next that can be read.
  const overAge =
    1 + oldest.findLastIndex(({ value }) => !(value instanceof StoreError) && value.ts < oldestTs);
  const removed = oldest
    .slice(0, Math.max(surplus, overAge))
    .filter(({ key }) => !(key > lastTrade));
  const removals = removed.map(({ key }) => [trades.remove(key)]);
  const entries = removed.flatMap(({ value }) =>
    value instanceof StoreError ? [] : entriesOfTrade(value),
  );
  // Of a damaged one the next that can be read says it.
  const damaged = removed.some(({ value }) => value instanceof StoreError);
  const told = damaged ? oldest.slice(0, removed.length + 1) : removed;
  const to = Math.max(
    environment.pruned?.get("trades")?.to ?? 0,
    ...told.map(({ value }) => (value instanceof StoreError ? 0 : value.ts)),
  );
  return stepOf(environment, removals, entries, { kind: "trades", to });
};
