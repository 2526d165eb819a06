import type { EngineState } from "../engine/commands.js";
import type { AdministeredMarket } from "../engine/market.js";
import type { MarketTotals, Order, Position, Trade, WalletTimer } from "../engine/order.js";
import type { MarketId } from "../shared/market-id.js";
import { isOpen } from "../shared/order.js";
import type { Stretch } from "../shared/time-stretches.js";
import type { StoredSession } from "./records.js";
import type { StoredBatch } from "./stored-batch.js";

/**
 * Several batches in a row as one, which changes a store as they do one after the other: of each order,
 * position, total, timer, market and session what the last of them says, and every trade. Of an order that comes and
 * goes within them the store is told its end alone.
 */
export class MergedBatches {
  #last: StoredBatch | undefined;
  readonly #orders = new Map<number, Order>();
  readonly #trades: Trade[] = [];
  readonly #positions = new Map<MarketId, Map<string, Position>>();
  readonly #totals = new Map<MarketId, MarketTotals>();
  readonly #timers = new Map<string, WalletTimer>();
  readonly #markets = new Map<MarketId, AdministeredMarket>();
  readonly #sessions = new Map<string, StoredSession | undefined>();
  #positionCount = 0;

  add(batch: StoredBatch): void {
    const { changes, sessions } = batch;
    this.#last = batch;
    for (const order of changes.orders) this.#orders.set(order.orderId, order);
    for (const trade of changes.trades) this.#trades.push(trade);
    for (const position of changes.positions) {
      const held = this.#positions.get(position.marketId) ?? new Map<string, Position>();
      if (!held.has(position.wallet)) this.#positionCount++;
      this.#positions.set(position.marketId, held.set(position.wallet, position));
    }
    for (const total of changes.totals) this.#totals.set(total.marketId, total);
    for (const timer of changes.timers) this.#timers.set(timer.wallet, timer);
    for (const market of changes.markets) this.#markets.set(market.marketId, market);
    // As a commit does it, which writes before it removes.
    for (const session of sessions.put) this.#sessions.set(session.session, session);
    for (const session of sessions.removed) this.#sessions.set(session, undefined);
  }

  /** Records of all that it says. */
  get records(): number {
    const { size: orders } = this.#orders;
    const { size: markets } = this.#markets;
    return orders + this.#trades.length + this.#positionCount + this.#totals.size + markets;
  }

  /** There must have been one at least. */
  get batch(): StoredBatch {
    const last = this.#last;
    if (last === undefined) throw new RangeError("no batches are no batch");
    return {
      ...last,
      changes: {
        ...last.changes,
        orders: [...this.#orders.values()],
        trades: this.#trades,
        positions: [...this.#positions.values()].flatMap((held) => [...held.values()]),
        totals: [...this.#totals.values()],
        timers: [...this.#timers.values()],
        markets: [...this.#markets.values()],
      },
      sessions: {
        put: [...this.#sessions.values()].filter((session) => session !== undefined),
        removed: [...this.#sessions]
          .filter(([, session]) => session === undefined)
          .map(([name]) => name),
      },
    };
  }
}

/** What an engine is rebuilt from, and the time of it. */
export interface StoredState extends EngineState {
  /** The latest of an order, trade or position, or that may have been told; 0 where there is none. */
  readonly latestTs: number;
  readonly stretches: readonly Stretch[];
  readonly sessions: readonly StoredSession[];
}

/**
 * A state after one more batch. Of the millions of records that a state may have, those that the batch does not
 * name are looked at once.
 */
export function stateAfter(state: StoredState, batch: StoredBatch): StoredState {
  const { orders, positions, totals, timers, nextOrderId, nextTradeId } = batch.changes;
  const latest = new Map(orders.map((order) => [order.orderId, order]));
  const finished = [...state.clientOrderIds];
  for (const order of latest.values()) {
    const { orderId, wallet, clientOrderId, updatedTs: finishedTs } = order;
    if (!isOpen(order) && clientOrderId !== undefined)
      finished.push({ orderId, finishedTs, wallet, clientOrderId });
  }
  const open = [...state.openOrders].filter(({ orderId }) => !latest.has(orderId));
  for (const order of latest.values()) if (isOpen(order)) open.push(order);
  const held = positionsOf(positions);
  const untouched = [...state.positions].filter(
    ({ marketId, wallet }) => held.get(marketId)?.has(wallet) !== true,
  );
  const summed = new Map([...state.totals].map((one) => [one.marketId, one]));
  for (const total of totals) summed.set(total.marketId, total);
  const running = new Map([...state.timers].map((one) => [one.wallet, one]));
  for (const { wallet, setTs, triggerTs } of timers) {
    if (triggerTs === undefined) running.delete(wallet);
    else running.set(wallet, { wallet, setTs, triggerTs });
  }
  const administered = new Map([...state.markets].map((one) => [one.marketId, one]));
  for (const market of batch.changes.markets) administered.set(market.marketId, market);
  const sessions = new Map(state.sessions.map((one) => [one.session, one]));
  for (const session of batch.sessions.put) sessions.set(session.session, session);
  for (const session of batch.sessions.removed) sessions.delete(session);
  return {
    openOrders: open.sort((a, b) => a.orderId - b.orderId),
    clientOrderIds: finished.sort((a, b) => a.finishedTs - b.finishedTs || a.orderId - b.orderId),
    positions: [...untouched, ...listOf(held)],
    totals: [...summed.values()],
    timers: [...running.values()].sort((a, b) => (a.wallet < b.wallet ? -1 : 1)),
    markets: [...administered.values()],
    nextOrderId,
    nextTradeId,
    latestTs: [...orders, ...positions].reduce(
      (latest, { updatedTs }) => Math.max(latest, updatedTs),
      Math.max(state.latestTs, batch.latestTs),
    ),
    stretches: batch.stretches,
    sessions: [...sessions.values()],
  };
}

/** Positions by market and wallet, of each the last. */
function positionsOf(positions: Iterable<Position>): Map<MarketId, Map<string, Position>> {
  const held = new Map<MarketId, Map<string, Position>>();
  for (const position of positions) {
    const ofMarket = held.get(position.marketId);
    if (ofMarket === undefined) held.set(position.marketId, new Map([[position.wallet, position]]));
    else ofMarket.set(position.wallet, position);
  }
  return held;
}

function listOf(held: ReadonlyMap<MarketId, ReadonlyMap<string, Position>>): Position[] {
  return [...held.values()].flatMap((ofMarket) => [...ofMarket.values()]);
}
