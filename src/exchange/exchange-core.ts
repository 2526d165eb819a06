import { setImmediate as nextTurn } from "node:timers/promises";
import type { ExchangeOptions } from "../config/thread-options.js";
import type { Command, EngineChanges, EngineEvent } from "../engine/commands.js";
import { Engine, type KnownOrder } from "../engine/engine.js";
import type { AdministeredMarket } from "../engine/market.js";
import type { MarketBounds } from "../engine/market-bounds.js";
import type { Order, Position, Trade } from "../engine/order.js";
import type { MarketDefinition } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { passedAt } from "../shared/time-stretches.js";
import type { Venue } from "../sim/venue.js";
import type { StoredState } from "../store/merged-batches.js";
import type { ExchangeMarkets, TradedMarket } from "./exchange-markets.js";
import type { ExchangeTime } from "./exchange-time.js";

/** Records that are restored in one turn of the event loop; some milliseconds' worth. */
const RESTORED_PER_TURN = 1000;

interface ExchangeCoreContext {
  readonly options: ExchangeOptions;
  /** With every market listed; the core's own from now on. */
  readonly markets: ExchangeMarkets;
  readonly time: Pick<ExchangeTime, "now" | "passed">;
}

/** Of both times: what is told, and what has passed. */
interface Moment {
  readonly ts: number;
  readonly passed: number;
}

/** Has a command executed; returns what came of it. */
export type Execute = (command: Command) => readonly EngineEvent[];

/**
 * Engine and markets of the exchange. Nothing else has either: all others ask here, so a reload leaves
 * nobody with an engine in which things have happened that are on no disk.
 *
 * It commits nothing. Whoever executes takes the changes, has them stored, and then publishes them; or
 * reloads what is stored, and nothing of them has happened.
 */
export class ExchangeCore implements Venue {
  readonly #context: ExchangeCoreContext;
  #engine: Engine;
  /** The latest moment that was looked at and at which nothing was due. */
  #clear: Moment = { ts: 0, passed: 0 };
  /** The last one that has been published. */
  #lastTrade: number;

  private constructor(context: ExchangeCoreContext, engine: Engine, lastTrade: number) {
    this.#context = context;
    this.#engine = engine;
    this.#lastTrade = lastTrade;
  }

  /** Makes a core of what is stored. */
  static async open(context: ExchangeCoreContext, state: StoredState): Promise<ExchangeCore> {
    return new ExchangeCore(context, await restoredEngine(context, state), state.nextTradeId - 1);
  }

  /** Returns to what is stored; until it resolves, the core stays as it is. */
  async reload(state: StoredState): Promise<void> {
    this.#engine = await restoredEngine(this.#context, state);
  }

  /**
   * Executes a command. What has become due since somebody looked waits for a command of its own, so that no
   * other brings any number of orders to their end; the command counts as given a moment before.
   */
  execute(command: Command): readonly EngineEvent[] {
    const { ts, passed } = this.#commandMoment();
    return this.#engine.execute(command, ts, passed);
  }

  /** Has happen what is due, so many orders at most or a wallet's more; returns whether that was all. */
  expire(most: number, took: (events: readonly EngineEvent[]) => void): boolean {
    const now = this.#moment();
    const events = this.#engine.execute({ type: "expire", most }, now.ts, now.passed);
    took(events);
    if (events.length >= most) return false;
    this.#clear = now;
    return true;
  }

  /**
   * When a command is given: now, or, where something is due by now, at the last moment before that was looked at.
   * It never goes back.
   */
  #commandMoment(): Moment {
    const now = this.#moment();
    if (!this.#isDueAt(now)) this.#clear = now;
    return this.#clear;
  }

  /** What has changed since it was last asked. The caller has it stored, or reloads. */
  takeChanges(): EngineChanges {
    return this.#engine.takeChanges();
  }

  /** Publishes what has changed: trades first, then the statuses of markets, and the books as they are now. */
  publish({ trades, orders, markets }: Pick<EngineChanges, "trades" | "orders" | "markets">): void {
    this.publishTrades(trades);
    for (const market of markets) this.#context.markets.publishStatus(market);
    for (const marketId of new Set(orders.map((order) => order.marketId)))
      this.publishBook(marketId);
  }

  publishTrades(trades: readonly Trade[]): void {
    for (const trade of trades) {
      this.#context.markets.publishTrade(trade);
      this.#lastTrade = Math.max(this.#lastTrade, trade.tradeId);
    }
  }

  publishBook(marketId: MarketId): void {
    this.#context.markets.publishBook(marketId, this.#engine);
  }

  /** Number of the last trade that has been published; later ones may be stored. */
  get lastTrade(): number {
    return this.#lastTrade;
  }

  // --- Markets ------------------------------------------------------------------------------------

  get markets(): Iterable<TradedMarket> {
    return this.#context.markets.all;
  }

  get marketCount(): number {
    return this.#context.markets.size;
  }

  market(marketId: MarketId): TradedMarket | undefined {
    return this.#context.markets.get(marketId);
  }

  /** Bounds of a market that has none of its own. */
  get usualBounds(): MarketBounds {
    return this.#context.markets.usualBounds;
  }

  /** Throws FeedInputError where a market could not be listed beside those that are. */
  checkListing(definition: MarketDefinition): void {
    this.#context.markets.checkListing(definition);
  }

  /** What was set of a market while the exchange ran, by the last command. */
  administered(marketId: MarketId): AdministeredMarket | undefined {
    return this.#engine.administered(marketId);
  }

  /** Whether markets that were closed have anything left to be cancelled or paid; one of them, or any. */
  isWindingUp(marketId?: MarketId): boolean {
    return this.#engine.isWindingUp(marketId);
  }

  /** A market that is known to be listed. */
  listed(marketId: MarketId): TradedMarket {
    return this.#context.markets.listed(marketId);
  }

  // --- What the engine holds ----------------------------------------------------------------------

  marketStatus(marketId: MarketId): ReturnType<Venue["marketStatus"]> {
    return this.#engine.marketStatus(marketId);
  }

  book(marketId: MarketId): ReturnType<Venue["book"]> {
    return this.#engine.book(marketId);
  }

  totals(marketId: MarketId): ReturnType<Venue["totals"]> {
    return this.#engine.totals(marketId);
  }

  openOrder(orderId: number): Order | undefined {
    return this.#engine.openOrder(orderId);
  }

  /** The latest version of an order that is open, or has changed since the changes were last taken. */
  latest(orderId: number): Order | undefined {
    return this.#engine.latest(orderId);
  }

  /** The number of a wallet's open orders. */
  openCount(wallet: string): number {
    return this.#engine.openCount(wallet);
  }

  /** How many open orders a mass cancel looks at. */
  looks(...what: Parameters<Engine["looks"]>): number {
    return this.#engine.looks(...what);
  }

  /**
   * Whether an order has expired, or a wallet's time is over. To be asked before each command that is not to be
   * ahead of that.
   */
  get isDue(): boolean {
    if (!this.#engine.hasDeadlines) return false;
    const now = this.#moment();
    const isDue = this.#isDueAt(now);
    if (!isDue) this.#clear = now;
    return isDue;
  }

  #isDueAt({ ts, passed }: Moment): boolean {
    return this.#engine.hasDeadlines && this.#engine.isDue(ts, passed);
  }

  #moment(): Moment {
    const { time } = this.#context;
    return { ts: time.now(), passed: time.passed };
  }

  openOrders(wallet: string): Iterable<Order> {
    return this.#engine.openOrders(wallet);
  }

  positions(wallet: string): Iterable<Position> {
    return this.#engine.positions(wallet);
  }

  /** The order that a wallet has given a client order id, as long as it is remembered. */
  knownOrder(wallet: string, clientOrderId: string): KnownOrder | undefined {
    // Not later than the command that follows, for which an id that is free now must be free.
    return this.#engine.knownOrder(wallet, clientOrderId, this.#commandMoment().passed);
  }

  /** Client order ids that are remembered. */
  get clientOrderIds(): number {
    return this.#engine.clientOrderIds;
  }

  /** Whether orders are bound to a session. */
  hasSession(session: string): boolean {
    return this.#engine.hasSession(session);
  }

  /** The sessions that orders are bound to. */
  sessions(): Iterable<string> {
    return this.#engine.sessions();
  }
}

/** Rebuilds an engine, in turns of the event loop: there may be millions of records. */
async function restoredEngine(
  { options, markets }: ExchangeCoreContext,
  state: StoredState,
): Promise<Engine> {
  const engine = new Engine({
    maxOpenOrders: options.maxOpenOrders,
    maxClientOrderIds: options.maxClientOrderIds,
    maxAllClientOrderIds: options.maxAllClientOrderIds,
    clientOrderIdRetentionMicros: options.clientOrderIdRetentionMs * 1000,
  });
  for (const market of markets.all) engine.list(market);
  let records = 0;
  for (const _ of engine.restoring(state, (ts) => passedAt(state.stretches, ts)))
    if (++records % RESTORED_PER_TURN === 0) await nextTurn();
  return engine;
}
