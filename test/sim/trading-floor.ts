import type { Command, EngineEvent, EngineState } from "../../src/engine/commands.js";
import { Engine } from "../../src/engine/engine.js";
import type { MarketTotals, Order, Position } from "../../src/engine/order.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import type { MarketStatus, Side } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { isOpen } from "../../src/shared/order.js";
import type { SimMarket, SimulatedTraders } from "../../src/sim/simulated-traders.js";

const TICK = DecimalScale.of(0.001) as DecimalScale;
const LOT = DecimalScale.of(1) as DecimalScale;
const DAY_MICROS = 86_400_000_000;

/** Commands between two takings of the engine's changes. */
const BATCH = 100;

/** The engine with its markets, a clock that ticks with each command, and what a store would keep. */
export class TradingFloor {
  readonly engine: Engine;
  readonly #markets: readonly SimMarket[];
  readonly #maxOpenOrders: number;
  readonly #kept = {
    openOrders: new Map<number, Order>(),
    positions: new Map<string, Position>(),
    totals: new Map<MarketId, MarketTotals>(),
    timers: [],
    markets: [],
  };
  #nextOrderId = 1;
  #nextTradeId = 1;
  #ts = 1_800_000_000_000_000;

  constructor(markets: readonly SimMarket[], maxOpenOrders: number, state?: EngineState) {
    this.#markets = markets;
    this.#maxOpenOrders = maxOpenOrders;
    this.engine = new Engine({
      maxOpenOrders,
      maxClientOrderIds: 100,
      maxAllClientOrderIds: 1000,
      clientOrderIdRetentionMicros: DAY_MICROS,
    });
    for (const { marketId } of markets) {
      this.engine.list({ marketId, status: "Active", priceScale: TICK, quantityScale: LOT });
    }
    if (state === undefined) return;
    this.engine.restore(state);
    for (const order of state.openOrders) this.#kept.openOrders.set(order.orderId, order);
  }

  execute(command: Command): readonly EngineEvent[] {
    this.#ts += 5000;
    return this.engine.execute(command, this.#ts);
  }

  /** Executes `count` commands of the traders one by one, and tells what came of each. */
  run(
    traders: SimulatedTraders,
    count: number,
    look: (events: readonly EngineEvent[], command: Command) => void = () => {},
  ): void {
    for (let i = 1; i <= count; i++) {
      const command = traders.next();
      if (command === undefined) throw new Error("the traders have nothing to do");
      look(this.execute(command), command);
      if (i % BATCH === 0 || i === count) this.#keep();
    }
  }

  setStatus(marketId: MarketId, status: MarketStatus): void {
    this.execute({ type: "set-status", marketId, status });
  }

  /** A Limit order of a user, GTC; a Market order without a price. */
  place(wallet: string, marketId: MarketId, side: Side, quantity: number, price?: number) {
    const limit = price !== undefined;
    return this.execute({
      type: "place",
      terms: {
        marketId,
        wallet,
        clientOrderId: undefined,
        side,
        orderType: limit ? "Limit" : "Market",
        timeInForce: limit ? "GTC" : "IOC",
        postOnly: false,
        selfTrade: "CancelTaker",
        expiresTs: undefined,
        price,
        quantity,
        session: undefined,
      },
    });
  }

  /** The same floor after a restart: another engine, restored from what was kept. */
  restarted(): TradingFloor {
    this.#keep();
    return new TradingFloor(this.#markets, this.#maxOpenOrders, {
      openOrders: [...this.#kept.openOrders.values()].sort((a, b) => a.orderId - b.orderId),
      clientOrderIds: [],
      positions: this.#kept.positions.values(),
      totals: this.#kept.totals.values(),
      timers: [],
      markets: [],
      nextOrderId: this.#nextOrderId,
      nextTradeId: this.#nextTradeId,
    });
  }

  /** Price levels of a side, at most 20. */
  depth(marketId: MarketId, side: Side): number {
    const levels = { price: new Float64Array(20), quantity: new Float64Array(20), length: 0 };
    this.engine.book(marketId)?.levels(side, levels);
    return levels.length;
  }

  /** In ticks; undefined where a side is empty. */
  spread(marketId: MarketId): number | undefined {
    const bid = this.engine.book(marketId)?.best("Buy");
    const ask = this.engine.book(marketId)?.best("Sell");
    return bid === undefined || ask === undefined ? undefined : ask - bid;
  }

  #keep(): void {
    const changes = this.engine.takeChanges();
    const { openOrders, positions, totals } = this.#kept;
    for (const order of changes.orders) {
      if (isOpen(order)) openOrders.set(order.orderId, order);
      else openOrders.delete(order.orderId);
    }
    for (const one of changes.positions) positions.set(`${one.wallet} ${one.marketId}`, one);
    for (const one of changes.totals) totals.set(one.marketId, one);
    this.#nextOrderId = changes.nextOrderId;
    this.#nextTradeId = changes.nextTradeId;
  }
}
