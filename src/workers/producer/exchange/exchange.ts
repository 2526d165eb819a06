import type { MessagePort } from "node:worker_threads";
import type { Command, EngineChanges, EngineState } from "../../../engine/commands.js";
import { Engine } from "../../../engine/engine.js";
import type { Trade } from "../../../engine/order.js";
import type { Feed, FeedContext } from "../../../feed/feed.js";
import { Pacer } from "../../../feed/pacer.js";
import {
  type CounterSection,
  countListed,
  ORDER_RESULTS,
  observeCommit,
  PRODUCER,
} from "../../../ring/counters.js";
import type { Logger } from "../../../shared/log.js";
import { SimulatedTraders } from "../../../sim/simulated-traders.js";
import type { Store } from "../../../store/store.js";
import type { ExchangeOptions, Refused } from "../../messages.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import { ExchangeShards } from "./exchange-shards.js";
import { type Asked, type Batch, OrderDesk } from "./order-desk.js";
import { isOfRun } from "./sessions.js";

/** Requests and simulated commands of one batch, which share one commit. */
const BATCH_REQUESTS_MAX = 4096;
const BATCH_SIMULATED_MAX = 256;
/** What the simulated traders do before the first client of a new exchange: books have depth then. */
const OPENING_COMMANDS_PER_MARKET = 30;
/** Shortest time between two commits that simulated traders bring about. */
const SIMULATED_COMMIT_MS = 20;
/** How often a store that could not be written is tried again. */
const PROBE_INTERVAL_MS = 1000;
/** A commit that takes longer is reported: orders get no answer meanwhile. */
const SLOW_COMMIT_MS = 5000;
const STORE_SLOW = `orders wait: a write of the store takes longer than ${SLOW_COMMIT_MS} ms`;
/** How often the store is pruned. */
const PRUNE_INTERVAL_MS = 1000;

/** Reasons that cancelled orders carry. */
const SERVER_RESTARTED = "cancel on disconnect: the server was restarted";
const SERVER_STOPPED = "cancel on disconnect: the server stopped";

const STORE_UNAVAILABLE: Refused = {
  code: "UNAVAILABLE",
  message: "orders cannot be stored at the moment; try again",
};

/** The part of the store that trading needs; a test may hold it back. */
export type ExchangeStore = Pick<Store, "load" | "commit" | "order" | "prune" | "probe" | "close">;

export interface ExchangeContext {
  readonly options: ExchangeOptions;
  /** Tells this run of the server from all others. */
  readonly run: string;
  readonly store: ExchangeStore;
  /** With every market listed. */
  readonly markets: ExchangeMarkets;
  /** Trades that are stored and were never published, as the producer before died in between. */
  readonly untold?: readonly Trade[];
  readonly counters: CounterSection;
  readonly log: Logger;
  /** Microseconds since the Unix epoch. */
  readonly now: () => number;
  /** Why nothing can be stored, or undefined when it can again. */
  readonly storeHealth: (reason: string | undefined) => void;
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
  readonly #desk: OrderDesk;
  #traders: SimulatedTraders;
  #asked: Asked[] = [];
  #simulationsDue: number;
  /** Why nothing can be stored at the moment. */
  #storeFailure: string | undefined;
  /** Nobody has ever traded here. */
  readonly #isNew: boolean;
  readonly #clock: () => number;
  #lastTs: number;
  /** What is behind it is stored, and not published yet. */
  #lastTrade: number;
  #probing = false;
  #stopping = false;
  #wake: () => void = () => {};

  /** @param state what the store holds, with the context's markets listed */
  constructor(context: ExchangeContext, state: EngineState) {
    this.#context = { ...context, now: () => this.#now() };
    this.#clock = context.now;
    this.#lastTs = latestTs(state);
    this.#lastTrade = state.nextTradeId - 1;
    this.#shards = new ExchangeShards({
      request: (from, request) => this.#ask({ from, request }),
      // Behind what the shard asked while it lived.
      gone: (from) => this.#ask({ from, request: { type: "attach", connections: [] } }),
    });
    this.#isNew = state.nextOrderId === 1;
    this.#desk = new OrderDesk(this.#context, this.#shards, this.#engineOf(state));
    this.#traders = this.#newTraders();
    this.#simulationsDue = this.#firstSimulations;
    for (const session of this.#desk.engine.sessions()) {
      if (!isOfRun(session, context.run)) this.#desk.ended.set(session, SERVER_RESTARTED);
    }
  }

  /**
   * Makes everything ready for the first order: publishes what an earlier producer left untold, before
   * any trade of its own, cancels what was bound to connections of earlier runs,
   * has the simulated traders open a new exchange, or withdraw if there are none, and publishes the
   * books.
   */
  async recover(): Promise<void> {
    const { options, markets, untold = [] } = this.#context;
    for (const trade of untold) markets.publishTrade(trade);
    if (options.simTraders > 0 && this.#isNew)
      this.#simulationsDue = OPENING_COMMANDS_PER_MARKET * markets.size;
    do await this.#turn();
    while (this.#simulationsDue > 0 && this.#storeFailure === undefined);
    for (const { marketId } of markets.all) markets.publishBook(marketId, this.#desk.engine);
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
    for (const session of this.#desk.engine.sessions())
      this.#desk.ended.set(session, SERVER_STOPPED);
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
    // More than a batch of simulated commands is a withdrawal, which is done at once.
    return this.#desk.ended.size === 0 && this.#simulationsDue <= BATCH_SIMULATED_MAX;
  }

  // --- A batch ----------------------------------------------------------------------------------

  async #turn(): Promise<void> {
    const batch = this.#execute();
    const changes = this.#desk.engine.takeChanges();
    if (isEmpty(changes) || (await this.#commit(changes))) this.#release(batch);
    else await this.#rollBack(batch);
  }

  #execute(): Batch {
    const canStore = this.#storeFailure === undefined;
    const asked = this.#asked.splice(0, BATCH_REQUESTS_MAX);
    const batch = batchOf(asked);
    // Those that a failed batch or an earlier run has left, before anybody can trade with them.
    if (canStore) this.#desk.endSessions(batch);
    for (const one of asked) this.#desk.answer(batch, one, this.#refusal);
    if (!canStore) return batch;
    // Behind everything that the sessions asked for.
    this.#desk.endSessions(batch);
    this.#executeSimulated(batch);
    return { ...batch, ended: [...this.#desk.ended.keys()] };
  }

  #executeSimulated(batch: Batch): void {
    const due = Math.min(this.#simulationsDue, BATCH_SIMULATED_MAX);
    for (let done = 0; done < due; done++) {
      const command: Command | undefined = this.#traders.next();
      if (command === undefined) {
        this.#simulationsDue = 0;
        return;
      }
      this.#desk.execute(batch, command);
    }
    this.#simulationsDue -= due;
  }

  // --- Store ------------------------------------------------------------------------------------

  /** Commits; returns whether it is on disk. */
  async #commit(changes: EngineChanges): Promise<boolean> {
    const startedAt = performance.now();
    const slow = setTimeout(() => this.#context.storeHealth(STORE_SLOW), SLOW_COMMIT_MS);
    try {
      await this.#context.store.commit(changes);
    } catch (error) {
      this.#context.log.error({ err: error }, "the store cannot be written; orders are refused");
      this.#storeFailure = (error as Error).message;
      this.#context.storeHealth(`orders are refused: ${this.#storeFailure}`);
      return false;
    } finally {
      clearTimeout(slow);
    }
    const tookMs = performance.now() - startedAt;
    if (tookMs >= SLOW_COMMIT_MS) this.#context.storeHealth(undefined);
    observeCommit(this.#context.counters, tookMs / 1000);
    return true;
  }

  /** Publishes and tells what a batch has brought about, now that it is on disk. */
  #release({ trades, touched, results, ended }: Batch): void {
    const { markets, counters } = this.#context;
    for (const trade of trades) {
      markets.publishTrade(trade);
      this.#lastTrade = trade.tradeId;
    }
    for (const marketId of touched) markets.publishBook(marketId, this.#desk.engine);
    this.#shards.flush();
    for (const session of ended) this.#desk.ended.delete(session);
    for (const result of results)
      countListed(counters, PRODUCER.ordersByResult, ORDER_RESULTS, result);
  }

  /** Undoes a batch that is not on disk: what was asked is answered again, orders by a refusal. */
  async #rollBack({ asked }: Batch): Promise<void> {
    this.#shards.discard();
    this.#desk.engine = this.#engineOf(await this.#context.store.load());
    this.#traders = this.#newTraders();
    this.#simulationsDue = this.#firstSimulations;
    const refused = batchOf(asked);
    for (const one of asked) this.#desk.answer(refused, one, this.#refusal);
    this.#release(refused);
  }

  /** Looks whether a store that could not be written can be again. */
  async #probe(): Promise<void> {
    if (this.#storeFailure === undefined || this.#probing) return;
    this.#probing = true;
    try {
      await this.#context.store.probe();
      // What waits is done in the turn that this wakes, before anything else that is asked.
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
      await this.#context.store.prune(this.#now(), this.#lastTrade);
    } catch (error) {
      this.#context.log.warn({ err: error }, "the store cannot be pruned");
    }
  }

  #engineOf(state: EngineState): Engine {
    const { options, markets } = this.#context;
    const engine = new Engine({
      maxOpenOrders: options.maxOpenOrders,
      maxClientOrderIds: options.maxClientOrderIds,
      clientOrderIdRetentionMicros: options.clientOrderIdRetentionMs * 1000,
    });
    for (const market of markets.all) engine.list(market);
    engine.restore(state);
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
          priceMax:
            maxPrice === undefined
              ? undefined
              : Math.floor(Math.min(maxPrice, options.maxPrice) / priceScale.step),
        })),
      },
      {
        marketStatus: (marketId) => this.#desk.engine.marketStatus(marketId),
        book: (marketId) => this.#desk.engine.book(marketId),
        totals: (marketId) => this.#desk.engine.totals(marketId),
        openOrder: (orderId) => this.#desk.engine.openOrder(orderId),
        openOrders: (wallet) => this.#desk.engine.openOrders(wallet),
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
    let wokenAt = Number.NEGATIVE_INFINITY;
    for (;;) {
      const due = await pacer.due();
      if (due === 0) return;
      // A store that is too slow for the simulation slows it down.
      this.#simulationsDue = Math.min(this.#simulationsDue + due, BATCH_SIMULATED_MAX);
      // The next batch of clients' orders takes them along; by themselves they are no reason for a
      // commit each, which those orders would have to wait for.
      const now = performance.now();
      if (now - wokenAt < SIMULATED_COMMIT_MS) continue;
      wokenAt = now;
      this.#wake();
    }
  }

  /** Never goes back, not even behind what is stored: an order does not change before it was made. */
  #now(): number {
    this.#lastTs = Math.max(this.#lastTs, this.#clock());
    return this.#lastTs;
  }
}

/** The latest time that a state knows of. */
function latestTs({ openOrders, positions, clientOrderIds }: EngineState): number {
  let latest = 0;
  for (const { updatedTs } of openOrders) latest = Math.max(latest, updatedTs);
  for (const { updatedTs } of positions) latest = Math.max(latest, updatedTs);
  for (const { finishedTs = 0 } of clientOrderIds) latest = Math.max(latest, finishedTs);
  return latest;
}

function batchOf(asked: readonly Asked[]): Batch {
  return { asked, trades: [], touched: new Set(), results: [], ended: [] };
}

function isEmpty({ orders, trades, positions, totals }: EngineChanges): boolean {
  return orders.length + trades.length + positions.length + totals.length === 0;
}
