import type { MessagePort } from "node:worker_threads";
import { admitOrder } from "../../../engine/admission.js";
import type {
  Command,
  EngineChanges,
  EngineEvent,
  OrderReference,
} from "../../../engine/commands.js";
import { Engine, type KnownOrder } from "../../../engine/engine.js";
import type { Order, Trade } from "../../../engine/order.js";
import type { Feed, FeedContext } from "../../../feed/feed.js";
import { Pacer } from "../../../feed/pacer.js";
import {
  type CounterSection,
  countListed,
  ORDER_RESULTS,
  type OrderResult,
  observeCommit,
  PRODUCER,
} from "../../../ring/counters.js";
import type { Logger } from "../../../shared/log.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { OrderStatus } from "../../../shared/order.js";
import { SimulatedTraders } from "../../../sim/simulated-traders.js";
import {
  type ContractOrder,
  toContractOrder,
  toContractPosition,
} from "../../../store/contract-form.js";
import type { Store } from "../../../store/store.js";
import type { ExchangeOptions, ExchangeRequest, OrderName, Refused } from "../../messages.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import { type AttachedShard, ExchangeShards } from "./exchange-shards.js";
import { isOfRun, sessionOf, shardPrefix } from "./sessions.js";

/** Requests and simulated commands of one batch, which share one commit. */
const BATCH_REQUESTS_MAX = 4096;
const BATCH_SIMULATED_MAX = 256;
/** What the simulated traders do before the first client of a new exchange: books have depth then. */
const OPENING_COMMANDS_PER_MARKET = 30;
/** How often a store that could not be written is tried again. */
const PROBE_INTERVAL_MS = 1000;
/** How often the store is pruned. */
const PRUNE_INTERVAL_MS = 1000;

/** The form of the order ids that the exchange gives. */
const ORDER_ID = /^[1-9][0-9]{0,15}$/;

/** Reasons that cancelled orders carry. */
const CONNECTION_ENDED = "cancel on disconnect: the connection ended";
const SERVER_RESTARTED = "cancel on disconnect: the server was restarted";
const SERVER_STOPPED = "cancel on disconnect: the server stopped";

const STORE_UNAVAILABLE: Refused = {
  code: "UNAVAILABLE",
  message: "orders cannot be stored at the moment; try again",
};

const RESULTS = {
  Open: "open",
  PartiallyFilled: "partially_filled",
  Filled: "filled",
  Cancelled: "cancelled",
} as const satisfies Record<OrderStatus, OrderResult>;

/** The part of the store that trading needs; a test may hold it back. */
export type ExchangeStore = Pick<Store, "load" | "commit" | "order" | "prune" | "probe" | "close">;

export interface ExchangeContext {
  readonly options: ExchangeOptions;
  /** Tells this run of the server from all others. */
  readonly run: string;
  readonly store: ExchangeStore;
  /** With every market listed. */
  readonly markets: ExchangeMarkets;
  readonly counters: CounterSection;
  readonly log: Logger;
  /** Microseconds since the Unix epoch. */
  readonly now: () => number;
  /** Why nothing can be stored, or undefined when it can again. */
  readonly storeHealth: (reason: string | undefined) => void;
}

interface Asked {
  readonly from: AttachedShard;
  readonly request: ExchangeRequest;
}

/** What has been executed and is not on disk yet. */
interface Batch {
  readonly asked: readonly Asked[];
  readonly trades: Trade[];
  /** Markets whose books may have changed. */
  readonly touched: Set<MarketId>;
  readonly results: OrderResult[];
  /** Sessions whose orders it has cancelled. */
  readonly ended: readonly string[];
}

/**
 * The embedded exchange: takes orders from the shards and from simulated traders, has the engine
 * match them, and tells what came of it once that is on disk.
 *
 * It turns in batches: execute all that has been asked, commit, publish and answer; what is asked
 * meanwhile waits for the next batch. So many orders share a commit, and between two batches the
 * engine, the disk and what has been told are one and the same.
 *
 * If a commit fails, nothing of its batch has happened: the engine is made anew from the store, and
 * orders are refused until the store can be written again. Ends of connections are never refused;
 * they wait.
 */
export class Exchange implements Feed {
  readonly #context: ExchangeContext;
  readonly #shards: ExchangeShards;
  #engine: Engine;
  #traders: SimulatedTraders;
  #asked: Asked[] = [];
  #simulationsDue: number;
  /** Sessions whose orders are to be cancelled, with the reason. */
  readonly #ended = new Map<string, string>();
  /** Why nothing can be stored at the moment. */
  #storeFailure: string | undefined;
  #probing = false;
  #stopping = false;
  #wake: () => void = () => {};

  constructor(context: ExchangeContext) {
    this.#context = context;
    this.#shards = new ExchangeShards({
      request: (from, request) => this.#ask({ from, request }),
      // Behind what the shard asked while it lived.
      gone: (from) => this.#ask({ from, request: { type: "attach", connections: [] } }),
    });
    this.#engine = this.#restoredEngine();
    this.#traders = this.#newTraders();
    this.#simulationsDue = this.#firstSimulations;
    for (const session of this.#engine.sessions()) {
      if (!isOfRun(session, context.run)) this.#ended.set(session, SERVER_RESTARTED);
    }
  }

  /**
   * Makes everything ready for the first order: cancels what was bound to connections of earlier runs,
   * has the simulated traders open a new exchange, or withdraw if there are none, and publishes the
   * books.
   */
  async recover(): Promise<void> {
    const { options, markets, store } = this.#context;
    if (options.simTraders === 0) this.#simulationsDue = Number.POSITIVE_INFINITY;
    else if (store.load().nextOrderId === 1)
      this.#simulationsDue = OPENING_COMMANDS_PER_MARKET * markets.size;
    do await this.#turn();
    while (this.#simulationsDue > 0 && this.#storeFailure === undefined);
    for (const { marketId } of markets.all) markets.publishBook(marketId, this.#engine);
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    this.#shards.attach(shard, port);
  }

  /** Trades until the signal aborts, then cancels what is bound to connections and closes the store. */
  async run(_: unknown, { signal }: Pick<FeedContext, "signal">): Promise<void> {
    signal.addEventListener("abort", () => this.#wake());
    const timers = [
      setInterval(() => void this.#prune(), PRUNE_INTERVAL_MS),
      setInterval(() => void this.#probe(), PROBE_INTERVAL_MS),
    ];
    const simulation = this.#simulate(signal);
    while (!signal.aborted) {
      if (this.#idle) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.#turn();
    }
    timers.forEach(clearInterval);
    await simulation;
    this.#simulationsDue = 0;
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    for (const session of this.#engine.sessions()) this.#ended.set(session, SERVER_STOPPED);
    do await this.#turn();
    while (!this.#idle);
    this.#shards.close();
    await this.#context.store.close();
  }

  #ask(asked: Asked): void {
    this.#asked.push(asked);
    this.#wake();
  }

  /** Why orders are refused at the moment. */
  get #refusal(): Refused | undefined {
    if (this.#stopping) return { code: "UNAVAILABLE", message: "the server is stopping" };
    return this.#storeFailure === undefined ? undefined : STORE_UNAVAILABLE;
  }

  get #idle(): boolean {
    if (this.#asked.length > 0) return false;
    if (this.#storeFailure !== undefined) return true;
    return this.#ended.size === 0 && this.#simulationsDue === 0;
  }

  // --- A batch ----------------------------------------------------------------------------------

  async #turn(): Promise<void> {
    const batch = this.#execute();
    const changes = this.#engine.takeChanges();
    if (isEmpty(changes) || (await this.#commit(changes))) this.#release(batch);
    else this.#rollBack(batch);
  }

  #execute(): Batch {
    const canStore = this.#storeFailure === undefined;
    const asked = this.#asked.splice(0, BATCH_REQUESTS_MAX);
    const batch: Batch = {
      asked,
      trades: [],
      touched: new Set(),
      results: [],
      ended: [],
    };
    // Those that a failed batch or an earlier run has left, before anybody can trade with them.
    if (canStore) this.#endSessions(batch);
    for (const one of asked) this.#answer(batch, one);
    if (!canStore) return batch;
    this.#executeSimulated(batch);
    // Behind everything that the sessions asked for.
    this.#endSessions(batch);
    return { ...batch, ended: [...this.#ended.keys()] };
  }

  #endSessions(batch: Batch): void {
    for (const [session, reason] of this.#ended) {
      const end: Command = { type: "end-session", session, reason };
      this.#take(batch, this.#engine.execute(end, this.#now()));
    }
  }

  #answer(batch: Batch, { from, request }: Asked): void {
    const { run } = this.#context;
    switch (request.type) {
      case "place":
        return this.#place(batch, from, request);
      case "cancel":
        return this.#cancel(batch, from, request);
      case "watch":
        this.#shards.watch(from, request.wallet);
        from.news.push(this.#snapshot(request.request, request.wallet));
        return;
      case "unwatch":
        return this.#shards.unwatch(from, request.wallet);
      case "ended":
        this.#ended.set(sessionOf(run, from.shard, request.connection), CONNECTION_ENDED);
        return;
      case "attach": {
        const alive = new Set(request.connections.map((one) => sessionOf(run, from.shard, one)));
        for (const session of this.#engine.sessions()) {
          if (!session.startsWith(shardPrefix(run, from.shard)) || alive.has(session)) continue;
          this.#ended.set(session, CONNECTION_ENDED);
        }
      }
    }
  }

  #place(batch: Batch, from: AttachedShard, request: RequestOf<"place">): void {
    const { options, markets, run } = this.#context;
    const { wallet, order, boundTo } = request;
    const refused = (refusal: Refused): void => {
      batch.results.push(refusal.code === "UNAVAILABLE" ? "unavailable" : "rejected");
      from.news.push({ type: "refusal", request: request.request, refusal });
    };
    const refusal = this.#refusal;
    if (refusal !== undefined) return refused(refusal);
    // Before all other rules, so that sending an order again always tells what became of it.
    const known =
      order.client_order_id === undefined
        ? undefined
        : this.#engine.knownOrder(wallet, order.client_order_id, this.#now());
    if (known !== undefined) return this.#replyKnown(batch, { from, request }, known);
    const session = boundTo === undefined ? undefined : sessionOf(run, from.shard, boundTo);
    const terms = admitOrder(order, markets.get(order.market_id), options, wallet, session);
    if ("code" in terms) return refused(terms);
    const events = this.#engine.execute({ type: "place", terms }, this.#now());
    this.#take(batch, events, { from, request });
  }

  #cancel(batch: Batch, from: AttachedShard, request: RequestOf<"cancel">): void {
    const refuse = (refusal: Refused): void => {
      from.news.push({ type: "refusal", request: request.request, refusal });
    };
    const refusal = this.#refusal;
    if (refusal !== undefined) return refuse(refusal);
    const order = toOrderReference(request.order);
    if (order === undefined) {
      const name = "order_id" in request.order ? request.order.order_id : "";
      return refuse({ code: "ORDER_NOT_FOUND", message: `no open order has the id ${name}` });
    }
    const { wallet } = request;
    const events = this.#engine.execute({ type: "cancel", wallet, order }, this.#now());
    this.#take(batch, events, { from, request });
  }

  #executeSimulated(batch: Batch): void {
    const due = Math.min(this.#simulationsDue, BATCH_SIMULATED_MAX);
    for (let done = 0; done < due; done++) {
      const command: Command | undefined = this.#traders.next();
      if (command === undefined) {
        this.#simulationsDue = 0;
        return;
      }
      this.#take(batch, this.#engine.execute(command, this.#now()));
    }
    this.#simulationsDue -= due;
  }

  /**
   * Takes what came of a command into the batch, and collects the news of it. The order that a
   * request was about is its answer: the last one of the command.
   */
  #take(batch: Batch, events: readonly EngineEvent[], asked?: Asked): void {
    const answer = asked && events.findLast((event) => event.type === "order");
    for (const event of events) {
      switch (event.type) {
        case "trade":
          batch.trades.push(event.trade);
          break;
        case "order":
          batch.touched.add(event.order.marketId);
          if (event === answer) this.#reply(batch, asked, event.order, true);
          else this.#tellOfOrder(event.order);
          break;
        case "position": {
          const { position } = event;
          const watching = this.#shards.watching(position.wallet);
          if (watching === undefined) break;
          const news = {
            type: "position" as const,
            position: toContractPosition(position, this.#context.markets.listed(position.marketId)),
          };
          for (const shard of watching) shard.news.push(news);
          break;
        }
        case "duplicate":
          this.#replyKnown(batch, asked, event);
          break;
        case "rejected":
          this.#refuse(batch, asked, event.rejection);
      }
    }
  }

  #reply(batch: Batch, asked: Asked | undefined, order: Order, changed: boolean): void {
    if (asked?.request.type === "place") {
      batch.results.push(changed ? RESULTS[order.status] : "duplicate");
    }
    if (asked === undefined || !("request" in asked.request)) return;
    const contractOrder = this.#contractOrder(order);
    const { request } = asked.request;
    asked.from.news.push({ type: "reply", request, order: contractOrder, changed });
    if (changed) this.#tellOfOrder(order, contractOrder, asked.from);
  }

  /** Tells what became of an order that was placed before. */
  #replyKnown(batch: Batch, asked: Asked | undefined, { orderId, order }: KnownOrder): void {
    const first = order ?? this.#storedOrder(orderId);
    if (first !== undefined) this.#reply(batch, asked, first, false);
    else
      this.#refuse(batch, asked, {
        code: "INTERNAL",
        message: `the client order id was used for order ${orderId}, which cannot be read`,
      });
  }

  /** Undefined where the store has lost it: one order that cannot be told is no end of trading. */
  #storedOrder(orderId: number): Order | undefined {
    const { store, log } = this.#context;
    try {
      const order = store.order(orderId);
      if (order === undefined) log.error({ orderId }, "an order is not in the store");
      return order;
    } catch (error) {
      log.error({ err: error, orderId }, "an order cannot be read from the store");
      return undefined;
    }
  }

  #refuse(batch: Batch, asked: Asked | undefined, refusal: Refused): void {
    if (asked === undefined || !("request" in asked.request)) return;
    if (asked.request.type === "place") batch.results.push("rejected");
    asked.from.news.push({ type: "refusal", request: asked.request.request, refusal });
  }

  /** Tells the shards that watch an order's wallet, but for the one that has it as an answer. */
  #tellOfOrder(order: Order, contractOrder?: ContractOrder, except?: AttachedShard): void {
    const watching = this.#shards.watching(order.wallet);
    if (watching === undefined) return;
    const news = { type: "order" as const, order: contractOrder ?? this.#contractOrder(order) };
    for (const shard of watching) if (shard !== except) shard.news.push(news);
  }

  #snapshot(request: number, wallet: string) {
    const { markets } = this.#context;
    return {
      type: "snapshot" as const,
      request,
      orders: [...this.#engine.openOrders(wallet)].map((order) => this.#contractOrder(order)),
      positions: [...this.#engine.positions(wallet)].map((position) =>
        toContractPosition(position, markets.listed(position.marketId)),
      ),
    };
  }

  #contractOrder(order: Order): ContractOrder {
    return toContractOrder(order, this.#context.markets.listed(order.marketId));
  }

  // --- Store ------------------------------------------------------------------------------------

  /** Commits; returns whether it is on disk. */
  async #commit(changes: EngineChanges): Promise<boolean> {
    const startedAt = performance.now();
    try {
      await this.#context.store.commit(changes);
    } catch (error) {
      this.#context.log.error({ err: error }, "the store cannot be written; orders are refused");
      this.#storeFailure = (error as Error).message;
      this.#context.storeHealth(`orders are refused: ${this.#storeFailure}`);
      return false;
    }
    observeCommit(this.#context.counters, (performance.now() - startedAt) / 1000);
    return true;
  }

  /** Publishes and tells what a batch has brought about, now that it is on disk. */
  #release({ trades, touched, results, ended }: Batch): void {
    const { markets, counters } = this.#context;
    for (const trade of trades) markets.publishTrade(trade);
    for (const marketId of touched) markets.publishBook(marketId, this.#engine);
    this.#shards.flush();
    for (const session of ended) this.#ended.delete(session);
    for (const result of results)
      countListed(counters, PRODUCER.ordersByResult, ORDER_RESULTS, result);
  }

  /** Undoes a batch that is not on disk: what was asked is answered again, orders by a refusal. */
  #rollBack({ asked }: Batch): void {
    this.#shards.discard();
    this.#engine = this.#restoredEngine();
    this.#traders = this.#newTraders();
    this.#simulationsDue = this.#firstSimulations;
    const refused: Batch = { asked, trades: [], touched: new Set(), results: [], ended: [] };
    for (const one of asked) this.#answer(refused, one);
    this.#release(refused);
  }

  /** Looks whether a store that could not be written can be again. */
  async #probe(): Promise<void> {
    if (this.#storeFailure === undefined || this.#probing) return;
    this.#probing = true;
    try {
      await this.#context.store.probe();
      this.#storeFailure = undefined;
      this.#context.log.info("the store can be written again; orders are taken");
      this.#context.storeHealth(undefined);
      this.#wake();
    } catch {
      // Not yet.
    } finally {
      this.#probing = false;
    }
  }

  async #prune(): Promise<void> {
    if (this.#storeFailure !== undefined) return;
    try {
      await this.#context.store.prune(this.#now());
    } catch (error) {
      this.#context.log.warn({ err: error }, "the store cannot be pruned");
    }
  }

  #restoredEngine(): Engine {
    const { options, markets, store } = this.#context;
    const engine = new Engine({
      maxOpenOrders: options.maxOpenOrders,
      maxClientOrderIds: options.maxClientOrderIds,
      clientOrderIdRetentionMicros: options.clientOrderIdRetentionMs * 1000,
    });
    for (const market of markets.all) engine.list(market);
    engine.restore(store.load());
    return engine;
  }

  // --- Simulated traders ------------------------------------------------------------------------

  #newTraders(): SimulatedTraders {
    const { options, markets } = this.#context;
    return new SimulatedTraders(
      {
        traders: options.simTraders,
        seed: options.feedSeed,
        maxOpenOrders: options.maxOpenOrders,
        markets: [...markets.all].map(({ marketId, priceScale, maxPrice }) => ({
          marketId,
          priceMax: maxPrice === undefined ? undefined : priceScale.toCount(maxPrice),
        })),
      },
      {
        marketStatus: (marketId) => this.#engine.marketStatus(marketId),
        book: (marketId) => this.#engine.book(marketId),
        totals: (marketId) => this.#engine.totals(marketId),
        openOrder: (orderId) => this.#engine.openOrder(orderId),
        openOrders: (wallet) => this.#engine.openOrders(wallet),
      },
    );
  }

  /** Without simulated traders, what earlier ones left is withdrawn. */
  get #firstSimulations(): number {
    return this.#context.options.simTraders === 0 ? Number.POSITIVE_INFINITY : 0;
  }

  async #simulate(signal: AbortSignal): Promise<void> {
    const { simTraders, feedRate } = this.#context.options;
    if (simTraders === 0) return;
    const pacer = new Pacer(feedRate, signal);
    for (;;) {
      const due = await pacer.due();
      if (due === 0) return;
      // A store that is too slow for the simulation slows it down.
      this.#simulationsDue = Math.min(this.#simulationsDue + due, BATCH_SIMULATED_MAX);
      this.#wake();
    }
  }

  #now(): number {
    return this.#context.now();
  }
}

type RequestOf<T extends ExchangeRequest["type"]> = Extract<ExchangeRequest, { readonly type: T }>;

function isEmpty({ orders, trades, positions, totals }: EngineChanges): boolean {
  return orders.length + trades.length + positions.length + totals.length === 0;
}

function toOrderReference(name: OrderName): OrderReference | undefined {
  if ("client_order_id" in name) return { clientOrderId: name.client_order_id };
  return ORDER_ID.test(name.order_id) ? { orderId: Number(name.order_id) } : undefined;
}
