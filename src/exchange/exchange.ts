import { setImmediate as nextTurn } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import {
  type CounterSection,
  countListed,
  ORDER_RESULTS,
  observeCommit,
  PRODUCER,
} from "../counters/counters.js";
import type { EngineChanges } from "../engine/commands.js";
import type { Trade } from "../engine/order.js";
import type { Feed, FeedContext } from "../feed/feed.js";
import { Pacer } from "../feed/pacer.js";
import type { Logger } from "../shared/log.js";
import type { Store, StoredState } from "../store/store.js";
import type { ExchangeOptions, Refused } from "../workers/messages.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import { ExchangeShards } from "./exchange-shards.js";
import { type Clocks, ExchangeTime } from "./exchange-time.js";
import { type Asked, type Batch, batchOf } from "./order-desk.js";
import { isOfRun } from "./sessions.js";
import { BATCH_SIMULATED_MAX, TradingFloor } from "./trading-floor.js";

/** Requests of one batch, which share one commit. */
const BATCH_REQUESTS_MAX = 4096;
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
/** Books that are published in one turn of the event loop at the start. */
const BOOKS_PER_TURN = 1000;

/** Reasons that cancelled orders carry. */
const SERVER_RESTARTED = "cancel on disconnect: the server was restarted";
const SERVER_STOPPED = "cancel on disconnect: the server stopped";

const STORE_UNAVAILABLE: Refused = {
  code: "UNAVAILABLE",
  message: "orders cannot be stored at the moment; try again",
};

/** The part of the store that trading needs; a test may hold it back. */
export type ExchangeStore = Pick<Store, "load" | "commit" | "order" | "prune" | "probe" | "close">;

export interface ExchangeContext extends Clocks {
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
 * If a commit fails, nothing of its batch has happened: another trading floor is made from the store,
 * and orders are refused until the store can be written again. Ends of connections are never refused;
 * they wait.
 */
export class Exchange implements Feed {
  readonly #context: ExchangeContext;
  readonly #time: ExchangeTime;
  readonly #shards: ExchangeShards;
  /** The engine and what follows from it; another one after a batch has failed. */
  #floor: TradingFloor;
  #asked: Asked[] = [];
  /** Why nothing can be stored at the moment. */
  #storeFailure: string | undefined;
  /** Nobody has ever traded here. */
  readonly #isNew: boolean;
  /** What is behind it is stored, and not published yet. */
  #lastTrade: number;
  #probing = false;
  #stopping = false;
  #wake: () => void = () => {};

  private constructor(
    context: ExchangeContext,
    time: ExchangeTime,
    shards: ExchangeShards,
    floor: TradingFloor,
    { nextOrderId, nextTradeId }: StoredState,
  ) {
    this.#context = context;
    this.#time = time;
    this.#shards = shards;
    this.#floor = floor;
    this.#isNew = nextOrderId === 1;
    this.#lastTrade = nextTradeId - 1;
    for (const session of floor.engine.sessions()) {
      if (!isOfRun(session, context.run)) floor.desk.end(session, SERVER_RESTARTED);
    }
  }

  /**
   * Makes an exchange of what the store holds, with the context's markets listed. It has not recovered
   * yet.
   */
  static async open(context: ExchangeContext, state: StoredState): Promise<Exchange> {
    const time = new ExchangeTime(context, state);
    const shards = new ExchangeShards({
      request: (from, request) => exchange.#ask({ from, request }),
      // Behind what the shard asked while it lived.
      gone: (from) => exchange.#ask({ from, request: { type: "attach", connections: [] } }),
    });
    const floor = await TradingFloor.open({ ...context, time }, shards, state);
    const exchange = new Exchange(context, time, shards, floor, state);
    return exchange;
  }

  /**
   * Makes everything ready for the first order: publishes what an earlier producer left untold, before
   * any trade of its own, cancels what was bound to connections of earlier runs and what belongs to
   * nobody, has the simulated traders open a new exchange, or withdraw if there are none, and publishes
   * the books.
   */
  async recover(): Promise<void> {
    const { options, markets, untold = [] } = this.#context;
    for (const trade of untold) markets.publishTrade(trade);
    if (options.simTraders > 0 && this.#isNew)
      this.#floor.simulate(OPENING_COMMANDS_PER_MARKET * markets.size, Infinity);
    do {
      await this.#turn();
      await nextTurn();
    } while ((this.#floor.isBusy || this.#floor.isSimulating) && this.#storeFailure === undefined);
    let published = 0;
    for (const { marketId } of markets.all) {
      markets.publishBook(marketId, this.#floor.engine);
      if (++published % BOOKS_PER_TURN === 0) await nextTurn();
    }
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
    this.#floor.endSimulation();
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    const { engine, desk } = this.#floor;
    for (const session of engine.sessions()) desk.end(session, SERVER_STOPPED);
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
    return this.#storeFailure !== undefined || !this.#floor.isBusy;
  }

  // --- A batch ----------------------------------------------------------------------------------

  async #turn(): Promise<void> {
    const batch = this.#execute();
    const changes = this.#floor.takeChanges();
    if (isEmpty(changes) || (await this.#commit(changes))) this.#release(batch);
    else await this.#rollBack(batch);
  }

  #execute(): Batch {
    const canStore = this.#storeFailure === undefined;
    const batch = batchOf();
    // What a failed batch or an earlier run has left, before anybody can trade with it.
    if (canStore && !this.#floor.withdraw(batch)) return batch;
    batch.asked.push(...this.#asked.splice(0, BATCH_REQUESTS_MAX));
    for (const one of batch.asked) this.#floor.desk.answer(batch, one, this.#refusal);
    if (!canStore) return batch;
    // Behind everything that the sessions asked for.
    this.#floor.withdraw(batch);
    this.#floor.executeSimulated(batch);
    return batch;
  }

  // --- Store ------------------------------------------------------------------------------------

  /** Commits; returns whether it is on disk. */
  async #commit(changes: EngineChanges): Promise<boolean> {
    const startedAt = performance.now();
    let toldSlow = false;
    const slow = setTimeout(() => {
      toldSlow = true;
      this.#context.storeHealth(STORE_SLOW);
    }, SLOW_COMMIT_MS);
    try {
      await this.#context.store.commit(changes, this.#time.stretches);
    } catch (error) {
      this.#context.log.error({ err: error }, "the store cannot be written; orders are refused");
      this.#storeFailure = (error as Error).message;
      this.#context.storeHealth(`orders are refused: ${this.#storeFailure}`);
      return false;
    } finally {
      clearTimeout(slow);
    }
    const tookMs = performance.now() - startedAt;
    if (toldSlow) this.#context.storeHealth(undefined);
    observeCommit(this.#context.counters, tookMs / 1000);
    return true;
  }

  /** Publishes and tells what a batch has brought about, now that it is on disk. */
  #release({ trades, touched, results, news }: Batch): void {
    const { markets, counters } = this.#context;
    const { engine } = this.#floor;
    for (const trade of trades) {
      markets.publishTrade(trade);
      this.#lastTrade = trade.tradeId;
    }
    for (const marketId of touched) markets.publishBook(marketId, engine);
    this.#shards.tell(news);
    for (const result of results)
      countListed(counters, PRODUCER.ordersByResult, ORDER_RESULTS, result);
    counters[PRODUCER.clientOrderIds] = engine.clientOrderIds;
  }

  /**
   * Undoes a batch that is not on disk: another floor takes the place of the one that it was executed
   * on, and what was asked is answered there, orders by a refusal. What has ended outside has ended for
   * it, too.
   */
  async #rollBack({ asked, ended }: Batch): Promise<void> {
    const { store } = this.#context;
    const context = { ...this.#context, time: this.#time };
    const floor = await TradingFloor.open(context, this.#shards, await store.load());
    for (const [session, reason] of [...this.#floor.desk.ended, ...ended])
      floor.desk.end(session, reason);
    this.#floor = floor;
    const refused = batchOf();
    // Whether the store can be written again by now is the next batch's business.
    const refusal = this.#refusal ?? STORE_UNAVAILABLE;
    for (const one of asked) floor.desk.answer(refused, one, refusal);
    if (!isEmpty(floor.takeChanges()))
      throw new Error("exchange: an order was executed that no commit follows");
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
      await this.#context.store.prune(this.#time.now(), this.#time.stretches, this.#lastTrade);
    } catch (error) {
      this.#context.log.warn({ err: error }, "the store cannot be pruned");
    }
  }

  // --- Simulated traders ------------------------------------------------------------------------

  async #simulate(signal: AbortSignal): Promise<void> {
    const { simTraders, feedRate } = this.#context.options;
    if (simTraders === 0) return;
    const pacer = new Pacer(feedRate, signal);
    let wokenAt = Number.NEGATIVE_INFINITY;
    for (;;) {
      const due = await pacer.due();
      if (due === 0) return;
      // A store that is too slow for the simulation slows it down.
      this.#floor.simulate(due, BATCH_SIMULATED_MAX);
      // The next batch of clients' orders takes them along; by themselves they are no reason for a
      // commit each, which those orders would have to wait for.
      const now = performance.now();
      if (now - wokenAt < SIMULATED_COMMIT_MS) continue;
      wokenAt = now;
      this.#wake();
    }
  }
}

function isEmpty({ orders, trades, positions, totals }: EngineChanges): boolean {
  return orders.length + trades.length + positions.length + totals.length === 0;
}
