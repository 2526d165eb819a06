import { setImmediate as turn } from "node:timers/promises";
import { afterEach } from "vitest";
import type { ExchangeOptions } from "../../src/config/thread-options.js";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { Exchange, type ExchangeContext } from "../../src/exchange/exchange.js";
import { ExchangeMarkets } from "../../src/exchange/exchange-markets.js";
import { PositionClock } from "../../src/market-data/position-clock.js";
import { Publisher } from "../../src/market-data/publisher.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { nowMicros } from "../../src/shared/clock.js";
import { LeaseTerm } from "../../src/shared/lease-term.js";
import { createLogger } from "../../src/shared/log.js";
import type { StoredState } from "../../src/store/merged-batches.js";
import { Store } from "../../src/store/store.js";
import { KEEP_ALL } from "../store/directories.js";
import { PublishedTruth } from "../support/published-truth.js";
import { HeldStore } from "./held-store.js";
import { ShardEnd } from "./shard-end.js";

export const MARKET = { marketId: 1, title: "One", tickSize: 0.01, lotSize: 1 };

export const OPTIONS: ExchangeOptions = {
  ...KEEP_ALL,
  feed: "exchange",
  dataDir: "",
  marketsFile: undefined,
  simTraders: 0,
  feedRate: 1000,
  feedSeed: 1,
  maxPrice: 1e9,
  maxQuantity: 1e9,
  priceBandPercent: 0,
  maxPosition: 0,
  maxOrderValue: 0,
  maxOpenOrders: 100_000,
  maxClientOrderIds: 100_000,
  maxAllClientOrderIds: 1_000_000,
  bookIntervalMs: 0,
  maxWaitingSessions: 100,
};

const SIZES = {
  ringSize: 1 << 20,
  tradeRingSize: 1 << 20,
  maxMarkets: 8,
  maxTitleBytes: 64,
  bookDepth: 50,
};
/** Turns of the event loop in which whatever is under way between ports arrives. */
const QUIET_TURNS = 20;

const worlds: ExchangeWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

/** A publisher with rings of its own, and everything that comes out of it. */
export function publisherWorld(clocks = new TestClocks()) {
  const position = new PositionClock(clocks);
  const memory = createMarketMemory("epoch", SIZES);
  const counters = counterBlockOf(createCounterBuffer(1)).producer;
  const publisher = new Publisher(memory, counters, {
    bookIntervalMs: 0,
    now: position.tell,
    defer: setImmediate,
    setTimer: setTimeout,
    reject: (kind, message) => {
      throw new Error(`${kind}: ${message}`);
    },
  });
  return { counters, memory, position, publisher, truth: new PublishedTruth(memory) };
}

/** The machine's clocks, which a test may set and wind on. */
export class TestClocks {
  /** What is passed over, in microseconds: by the wall clock alone, and by both. */
  #set = 0;
  #wound = 0;

  now(): number {
    return nowMicros() + this.#set + this.#wound;
  }

  monotonicNow(): number {
    return performance.now() * 1000 + this.#wound;
  }

  /** Somebody sets the wall clock ahead, or back. */
  set(byMicros: number): void {
    this.#set += byMicros;
  }

  /** Time passes. */
  wind(byMicros: number): void {
    this.#wound += byMicros;
  }
}

/** A real exchange on a real store and real rings, with shards in the test's hand. */
export class ExchangeWorld {
  readonly store: HeldStore;
  readonly clocks: TestClocks;
  /** Of the lease without which nothing is carried out; it does not end unless a test has it end. */
  readonly lease = new LeaseTerm();
  readonly counters: Float64Array;
  /** What has been said of the store's health: "ok", or why not. */
  readonly health: string[] = [];
  /** Resolves when the exchange has stopped. */
  running: Promise<void> = Promise.resolve();
  readonly #context: ExchangeContext;
  readonly #truth: PublishedTruth;
  readonly #abort = new AbortController();
  #exchange: Exchange | undefined;

  private constructor(
    store: HeldStore,
    run: string,
    options: Partial<ExchangeOptions>,
    clocks: TestClocks,
  ) {
    this.store = store;
    this.clocks = clocks;
    this.lease.extend(Number.POSITIVE_INFINITY);
    const { counters, position, publisher, truth } = publisherWorld(clocks);
    this.counters = counters;
    this.#truth = truth;
    const markets = new ExchangeMarkets(publisher, options);
    markets.list({ definition: MARKET, status: "Active", maxPrice: undefined }, undefined);
    this.#context = {
      options: { ...OPTIONS, ...options },
      run,
      store,
      markets,
      position,
      counters,
      lease: this.lease,
      log: createLogger({ level: "silent", format: "json" }, {}),
      storeHealth: (reason: string | undefined) => this.health.push(reason ?? "ok"),
    };
  }

  get exchange(): Exchange {
    if (this.#exchange === undefined) throw new Error("the world has no exchange yet");
    return this.#exchange;
  }

  /**
   * Opens the store of a directory and makes an exchange that has not recovered yet.
   * @param stateOf what it is made of, given what is stored
   */
  static async open(
    dir: string,
    run = "run-1",
    options: Partial<ExchangeOptions> = {},
    clocks = new TestClocks(),
    stateOf = (state: StoredState): StoredState => state,
  ): Promise<ExchangeWorld> {
    const store = await Store.open(dir, { ...KEEP_ALL, ...options });
    await store.putMarkets([MARKET]);
    const world = new ExchangeWorld(new HeldStore(store), run, options, clocks);
    worlds.push(world);
    world.#exchange = await Exchange.open(world.#context, stateOf(await store.load()));
    return world;
  }

  /** One that has recovered and runs. */
  static async start(
    dir: string,
    run?: string,
    options?: Partial<ExchangeOptions>,
    clocks?: TestClocks,
  ): Promise<ExchangeWorld> {
    const world = await ExchangeWorld.open(dir, run, options, clocks);
    await world.exchange.recover();
    world.run();
    return world;
  }

  run(): void {
    this.running = this.exchange.run(this.#abort.signal);
  }

  shard(number = 0): ShardEnd {
    const shard = new ShardEnd(number);
    this.exchange.attach(number, shard.port);
    return shard;
  }

  /** Tells the exchange to stop. */
  abort(): void {
    this.#abort.abort();
  }

  /** Stops as the producer does, whatever a test has left held or failing. */
  async stop(): Promise<void> {
    this.store.release();
    this.lease.extend(Number.POSITIVE_INFINITY);
    this.abort();
    await this.running;
    await this.store.close();
  }

  /** Resolves when everything that is under way has arrived. */
  async quiet(): Promise<void> {
    for (let at = 0; at < QUIET_TURNS; at++) await turn();
  }

  /** All that has come over the rings about the market. */
  get published() {
    this.#truth.read();
    const { states, books, trades } = this.#truth.of(MARKET.marketId);
    return { states, books, trades };
  }

  /** The last quote that has come over the ring. */
  get quote() {
    const { bestBid, bestAsk } = this.published.states.at(-1) ?? {};
    return [bestBid, bestAsk];
  }
}
