import type { MarketTotals, Order, Position, Trade } from "../engine/order.js";
import type { MarketId } from "../shared/market-id.js";
import type { StoredSession } from "./records.js";
import type { StoredBatch } from "./stored-batch.js";

/**
 * Several batches in a row as one, which changes a store as they do one after the other: of each order,
 * position, total and session what the last of them says, and every trade. Of an order that comes and goes
 * within them the store is told its end alone. There must be one at least.
 */
export function mergeBatches(batches: readonly StoredBatch[]): StoredBatch {
  const last = batches.at(-1);
  if (last === undefined) throw new RangeError("no batches are no batch");
  if (batches.length === 1) return last;
  const orders = new Map<number, Order>();
  const trades: Trade[] = [];
  const positions = new Map<MarketId, Map<string, Position>>();
  const totals = new Map<MarketId, MarketTotals>();
  const sessions = new Map<string, StoredSession | undefined>();
  for (const { changes, sessions: written } of batches) {
    for (const order of changes.orders) orders.set(order.orderId, order);
    for (const trade of changes.trades) trades.push(trade);
    for (const position of changes.positions) {
      const held = positions.get(position.marketId) ?? new Map<string, Position>();
      positions.set(position.marketId, held.set(position.wallet, position));
    }
    for (const total of changes.totals) totals.set(total.marketId, total);
    // As a commit does it, which writes before it removes.
    for (const session of written.put) sessions.set(session.session, session);
    for (const session of written.removed) sessions.set(session, undefined);
  }
  return {
    ...last,
    changes: {
      ...last.changes,
      orders: [...orders.values()],
      trades,
      positions: [...positions.values()].flatMap((held) => [...held.values()]),
      totals: [...totals.values()],
    },
    sessions: {
      put: [...sessions.values()].filter((session) => session !== undefined),
      removed: [...sessions].filter(([, session]) => session === undefined).map(([name]) => name),
    },
  };
}
