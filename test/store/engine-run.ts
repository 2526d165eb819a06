import type { EngineChanges } from "../../src/engine/commands.js";
import { Engine } from "../../src/engine/engine.js";
import type { AdministeredMarket } from "../../src/engine/market.js";
import type { MarketTotals, Order, Position, Trade, WalletTimer } from "../../src/engine/order.js";
import { isOpen } from "../../src/shared/order.js";
import type { StoredMarket } from "../../src/store/records.js";
import { type CommandOptions, engineCommands, instrument } from "../support/engine-commands.js";

export const MARKETS: readonly StoredMarket[] = [
  { marketId: 1, title: "Will it rain?", tickSize: 0.001, lotSize: 1 },
  { marketId: 2, title: "Wird es schneien? ❄", tickSize: 0.001, lotSize: 1 },
  {
    marketId: "340282366920938463463374607431768211455",
    title: "The last one",
    tickSize: 0.001,
    lotSize: 1,
  },
];

/** An engine's memory of client order ids is not what is tested here: long, and without a bound. */
export const ENGINE_LIMITS = {
  maxOpenOrders: 1000,
  maxClientOrderIds: 1_000_000,
  maxAllClientOrderIds: 10_000_000,
  clientOrderIdRetentionMicros: 86_400_000_000,
};

export function createEngine(): Engine {
  const engine = new Engine(ENGINE_LIMITS);
  for (const { marketId } of MARKETS) engine.list(instrument(marketId));
  return engine;
}

/** Everything that changes have said, each thing in its latest version. */
export class ChangeLedger {
  readonly orders = new Map<number, Order>();
  readonly trades = new Map<number, Trade>();
  readonly positions = new Map<string, Position>();
  readonly totals = new Map<string, MarketTotals>();
  readonly timers = new Map<string, WalletTimer>();
  readonly markets = new Map<string, AdministeredMarket>();
  nextOrderId = 1;
  nextTradeId = 1;

  add(changes: EngineChanges): void {
    for (const order of changes.orders) this.orders.set(order.orderId, order);
    for (const trade of changes.trades) this.trades.set(trade.tradeId, trade);
    for (const position of changes.positions) {
      this.positions.set(JSON.stringify([position.wallet, position.marketId]), position);
    }
    for (const timer of changes.timers)
      if (timer.triggerTs === undefined) this.timers.delete(timer.wallet);
      else this.timers.set(timer.wallet, timer);
    for (const totals of changes.totals) this.totals.set(String(totals.marketId), totals);
    for (const market of changes.markets) this.markets.set(String(market.marketId), market);
    this.nextOrderId = changes.nextOrderId;
    this.nextTradeId = changes.nextTradeId;
  }

  /** What a store that has all of it must load, with lists in an order of its own. */
  get state() {
    const orders = [...this.orders.values()];
    return {
      openOrders: orders.filter(isOpen).sort((a, b) => a.orderId - b.orderId),
      clientOrderIds: orders
        .filter((order) => !isOpen(order) && order.clientOrderId !== undefined)
        .sort((a, b) => a.updatedTs - b.updatedTs || a.orderId - b.orderId)
        .map(({ wallet, clientOrderId, orderId, updatedTs }) => ({
          wallet,
          clientOrderId,
          orderId,
          finishedTs: updatedTs,
        })),
      positions: byJson([...this.positions.values()]),
      totals: byJson([...this.totals.values()]),
      timers: [...this.timers.values()].sort((a, b) => (a.wallet < b.wallet ? -1 : 1)),
      markets: byJson([...this.markets.values()]),
      nextOrderId: this.nextOrderId,
      nextTradeId: this.nextTradeId,
      latestTs: orders.reduce((latest, { updatedTs }) => Math.max(latest, updatedTs), 0),
      stretches: [],
      sessions: [],
    };
  }
}

function exact(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

/** In an order that depends on nothing but what the values are. */
export function byJson<T>(values: Iterable<T>): T[] {
  const json = (value: T) => JSON.stringify(value, exact);
  return [...values].sort((a, b) => (json(a) < json(b) ? -1 : 1));
}

/** The changes of a real engine under a stream of commands, some commands at a time. */
export function* engineRun(
  seed: number,
  commandsPerBatch: number,
  options?: Partial<CommandOptions>,
): Generator<EngineChanges, never> {
  const engine = createEngine();
  const commands = engineCommands(seed, options);
  for (;;) {
    for (let i = 0; i < commandsPerBatch; i++) {
      const { command, ts } = commands.next().value;
      engine.execute(command, ts);
    }
    yield engine.takeChanges();
  }
}

export function take<T>(values: Iterator<T>, count: number): T[] {
  return Array.from({ length: count }, () => values.next().value as T);
}
