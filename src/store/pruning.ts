import type { Environment } from "./environment.js";
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

/** What one step removes at most. An order is two records, so that makes 1,000 deletions. */
const ORDERS_PER_STEP = 250;
const TRADES_PER_STEP = 500;

/** One step of pruning: it removes `count` orders and trades. */
export interface PruningStep {
  readonly count: number;
  readonly operations: readonly Operation[];
}

/** The oldest finished orders that may go, as far as age or number demand it, each as its removal. */
function pruneOrders(environment: Environment, retention: Retention, nowMicros: number) {
  const { finishTimes, clientOrderIds, finishedOrders } = environment;
  const limit = ORDERS_PER_STEP;
  const unprotected = [nowMicros - retention.clientOrderIdRetentionMs * 1000];
  const candidates = [
    ...[...finishTimes.values({ limit })].map((order) => ({ ...order, table: finishTimes })),
    ...[...clientOrderIds.values({ end: unprotected, limit })].map((order) => ({
      ...order,
      table: clientOrderIds,
    })),
  ].sort((a, b) => a.finishedTs - b.finishedTs);

  const oldestTs = nowMicros - retention.orderRetentionMs * 1000;
  const surplus = finishTimes.size + clientOrderIds.size - retention.maxStoredOrders;
  return candidates
    .slice(0, limit)
    .filter((order, index) => index < surplus || order.finishedTs < oldestTs)
    .map(({ table, orderId, finishedTs }) => [
      finishedOrders.remove(orderId),
      table.remove([finishedTs, orderId]),
    ]);
}

/** The oldest trades, as far as age or number demand it, each as its removal. */
function pruneTrades({ trades }: Environment, retention: Retention, nowMicros: number) {
  const oldestTs = nowMicros - retention.tradeRetentionMs * 1000;
  const surplus = trades.size - retention.maxStoredTrades;
  return [...trades.values({ limit: TRADES_PER_STEP })]
    .filter((trade, index) => index < surplus || trade.ts < oldestTs)
    .map((trade) => [trades.remove(trade.tradeId)]);
}

/** What is to be removed next, oldest first; nothing where all may stay. */
export function pruningStep(
  environment: Environment,
  retention: Retention,
  nowMicros: number,
): PruningStep {
  const removals = [
    ...pruneOrders(environment, retention, nowMicros),
    ...pruneTrades(environment, retention, nowMicros),
  ];
  return { count: removals.length, operations: removals.flat() };
}
