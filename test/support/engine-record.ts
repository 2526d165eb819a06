import type {
  EngineChanges,
  EngineState,
  RememberedClientOrderId,
} from "../../src/engine/commands.js";
import type { AdministeredMarket } from "../../src/engine/market.js";
import type { MarketTotals, Order, Position, Trade, WalletTimer } from "../../src/engine/order.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { isOpen } from "../../src/shared/order.js";

/** All that an engine's changes say, in plain collections: what a store is to keep of them. */
export class EngineRecord {
  readonly orders = new Map<number, Order>();
  readonly trades: Trade[] = [];
  readonly totals = new Map<MarketId, MarketTotals>();
  /** What was set of markets. */
  readonly markets = new Map<MarketId, AdministeredMarket>();
  readonly #open = new Map<number, Order>();
  readonly #positions = new Map<string, Position>();
  readonly #timers = new Map<string, WalletTimer>();
  /** Of each trade, the price that its maker had then. */
  readonly makerPrices: (number | undefined)[] = [];
  #nextOrderId = 1;
  #nextTradeId = 1;

  /** Takes changes in. Throws where an id was used before. */
  apply(changes: EngineChanges): void {
    for (const order of changes.orders) {
      if (!this.orders.has(order.orderId) && order.orderId < this.#nextOrderId)
        throw new Error(`order id ${order.orderId} is below the next one, ${this.#nextOrderId}`);
      this.orders.set(order.orderId, order);
      if (isOpen(order)) this.#open.set(order.orderId, order);
      else this.#open.delete(order.orderId);
    }
    for (const trade of changes.trades) {
      if (trade.tradeId !== this.trades.length + 1)
        throw new Error(`trade ${trade.tradeId} follows ${this.trades.length} trades`);
      this.trades.push(trade);
      this.makerPrices.push(this.orders.get(trade.makerOrderId)?.price);
    }
    for (const position of changes.positions)
      this.#positions.set(JSON.stringify([position.wallet, position.marketId]), position);
    for (const totals of changes.totals) this.totals.set(totals.marketId, totals);
    for (const market of changes.markets) this.markets.set(market.marketId, market);
    for (const timer of changes.timers)
      if (timer.triggerTs === undefined) this.#timers.delete(timer.wallet);
      else this.#timers.set(timer.wallet, timer);
    this.#nextOrderId = changes.nextOrderId;
    this.#nextTradeId = changes.nextTradeId;
  }

  get positions(): readonly Position[] {
    return [...this.#positions.values()];
  }

  get openOrders(): readonly Order[] {
    return [...this.#open.values()].sort((a, b) => a.orderId - b.orderId);
  }

  /** What another engine is restored from. */
  state(): EngineState {
    const finished = [...this.orders.values()].filter((order) => !isOpen(order));
    return {
      openOrders: this.openOrders,
      clientOrderIds: finished
        .sort((a, b) => a.updatedTs - b.updatedTs)
        .flatMap(({ wallet, clientOrderId, orderId, updatedTs }): RememberedClientOrderId[] =>
          clientOrderId === undefined
            ? []
            : [{ wallet, clientOrderId, orderId, finishedTs: updatedTs }],
        ),
      positions: this.positions,
      totals: this.totals.values(),
      timers: this.#timers.values(),
      markets: this.markets.values(),
      nextOrderId: this.#nextOrderId,
      nextTradeId: this.#nextTradeId,
    };
  }
}
