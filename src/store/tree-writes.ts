import type { AdministeredMarket } from "../engine/market.js";
import type { Order } from "../engine/order.js";
import { isOpen } from "../shared/order.js";
import type { Environment } from "./environment.js";
import type { StoredBatch } from "./stored-batch.js";
import type { Operation } from "./table.js";

/** What a batch changes of the trees, which contain the journal up to `journaled` then. */
export function treeWrites(
  environment: Environment,
  { changes, stretches, latestTs, sessions: { put, removed } }: StoredBatch,
  journaled: number,
): Operation[] {
  const { trades, positions, totals, counters, sessions, timers } = environment;
  return [
    ...put.flatMap((session) => sessions?.put(session) ?? []),
    ...removed.flatMap((session) => sessions?.remove(session) ?? []),
    ...changes.orders.flatMap((order) => putOrder(environment, order)),
    ...changes.trades.map((trade) => trades.put(trade)),
    ...changes.positions.map((position) => positions.put(position)),
    ...changes.totals.map((total) => totals.put(total)),
    ...changes.timers.flatMap(({ wallet, setTs, triggerTs }) =>
      triggerTs === undefined
        ? (timers?.remove(wallet) ?? [])
        : (timers?.put({ wallet, setTs, triggerTs }) ?? []),
    ),
    ...changes.markets.flatMap((market) => putMarket(environment, market)),
    // In the same transaction, so that no id is used twice when its order has been pruned.
    counters.put({
      nextOrderId: changes.nextOrderId,
      nextTradeId: changes.nextTradeId,
      stretches,
      latestTs,
    }),
    ...(environment.journaled === undefined ? [] : [environment.journaled.put(journaled)]),
  ];
}

function putMarket(
  { administered, markets }: Environment,
  market: AdministeredMarket,
): Operation[] {
  const { marketId, listing } = market;
  const put = administered?.put(market) ?? [];
  // As it was first listed: its orders are kept in these steps.
  if (listing === undefined || markets.get(String(marketId)) !== undefined) return [put].flat();
  const { title, tickSize, lotSize } = listing;
  return [markets.put({ marketId, title, tickSize, lotSize }), put].flat();
}

function putOrder(environment: Environment, order: Order): Operation[] {
  const { openOrders, finishedOrders, finishTimes, clientOrderIds } = environment;
  const { orderId, wallet, clientOrderId, updatedTs: finishedTs } = order;
  if (isOpen(order)) return [openOrders.put(order)];
  return [
    openOrders.remove(orderId),
    finishedOrders.put(order),
    clientOrderId === undefined
      ? finishTimes.put({ orderId, finishedTs })
      : clientOrderIds.put({ orderId, finishedTs, wallet, clientOrderId }),
  ];
}
