import type { MarketId } from "../shared/market-id.js";
import type { EngineChanges } from "./commands.js";
import type { AdministeredMarket } from "./market.js";
import type { MarketTotals, Order, Position, Trade, WalletTimer } from "./order.js";

/**
 * What has changed since it was last asked: every trade, and of all else the latest version. It holds
 * as much as is done between two takings, which the caller bounds.
 */
export class ChangeLog {
  readonly #orders = new Map<number, Order>();
  readonly #positions = new Map<object, Position>();
  readonly #totals = new Map<object, MarketTotals>();
  readonly #timers = new Map<string, WalletTimer>();
  readonly #markets = new Map<MarketId, AdministeredMarket>();
  #trades: Trade[] = [];

  order(order: Order): void {
    this.#orders.set(order.orderId, order);
  }

  /** The latest version of an order; undefined where it has not changed since it was last asked. */
  orderOf(orderId: number): Order | undefined {
    return this.#orders.get(orderId);
  }

  trade(trade: Trade): void {
    this.#trades.push(trade);
  }

  /** @param holding what the position is a version of */
  position(holding: object, position: Position): void {
    this.#positions.set(holding, position);
  }

  /** @param market what the totals are a version of */
  totals(market: object, totals: MarketTotals): void {
    this.#totals.set(market, totals);
  }

  timer(timer: WalletTimer): void {
    this.#timers.set(timer.wallet, timer);
  }

  market(market: AdministeredMarket): void {
    this.#markets.set(market.marketId, market);
  }

  take(nextOrderId: number, nextTradeId: number): EngineChanges {
    const changes = {
      orders: [...this.#orders.values()],
      trades: this.#trades,
      positions: [...this.#positions.values()],
      totals: [...this.#totals.values()],
      timers: [...this.#timers.values()],
      markets: [...this.#markets.values()],
      nextOrderId,
      nextTradeId,
    };
    this.#orders.clear();
    this.#positions.clear();
    this.#totals.clear();
    this.#timers.clear();
    this.#markets.clear();
    this.#trades = [];
    return changes;
  }
}
