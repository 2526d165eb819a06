import { setImmediate as nextTurn } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import type { ExchangeOptions } from "../config/thread-options.js";
import { type CounterSection, PRODUCER } from "../counters/counters.js";
import type { Command, EngineChanges, EngineEvent } from "../engine/commands.js";
import type { Trade } from "../engine/order.js";
import { Pacer } from "../feed/pacer.js";
import type { PositionClock } from "../market-data/position-clock.js";
import type { LeaseTerm } from "../shared/lease-term.js";
import type { Logger } from "../shared/log.js";
import type { StoredState } from "../store/merged-batches.js";
import type { Store } from "../store/store.js";
import type { Refused } from "../workers/messages.js";
import type { MarketAction, MarketOutcome } from "../workers/producer/messages.js";
import { AdministrationDesk } from "./administration-desk.js";
import { Commits } from "./commits.js";
import { ExchangeCore } from "./exchange-core.js";
import { ExchangeGateway } from "./exchange-gateway.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import { ExchangeTime } from "./exchange-time.js";
import { SessionDesk } from "./session-desk.js";
import { NO_SESSION_WRITES } from "./sessions.js";
import { BATCH_SIMULATED_MAX, Simulation } from "./simulation.js";
import { SnapshotDesk } from "./snapshot-desk.js";
import { WalletDesk } from "./wallet-desk.js";
import { namelessOrders, Withdrawals } from "./withdrawals.js";

/** What the simulated traders do before the first client of a new exchange: books have depth then. */
const OPENING_COMMANDS_PER_MARKET = 30;
/** Shortest time between two commits that simulated traders bring about. */
const SIMULATED_COMMIT_MS = 20;
/** How often a store that could not be written is tried again. */
const PROBE_INTERVAL_MS = 1000;
/** Orders after which a batch has no more of those end whose time has come. */
const LAPSED_PER_BATCH = 4096;
/** Orders and positions of closed markets that a batch cancels and pays. */
const WOUND_UP_PER_BATCH = 4096;
/** How often the waits of sessions, and what else is due, are looked at. */
const WAITS_INTERVAL_MS = 50;
/** How often the store is pruned. */
const PRUNE_INTERVAL_MS = 1000;
/** Books that are published in one turn of the event loop at the start. */
const BOOKS_PER_TURN = 1000;

/** Reasons that cancelled orders carry. */
const SERVER_RESTARTED = "cancel on disconnect: the server was restarted";
const SESSION_OVER = "cancel on disconnect: the session has ended";
const SERVER_STOPPED = "cancel on disconnect: the server stopped";

const STORE_UNAVAILABLE: Refused = {
  code: "UNAVAILABLE",
  message: "orders cannot be stored at the moment; try again",
};

/** The disk may have what it did not say that it has. */
const STORE_UNCERTAIN: Refused = {
  code: "UNAVAILABLE",
  message:
    "it is not certain that this is not stored: it may be there when the server starts again, so try again with the same client_order_id",
};

/** The part of the store that trading needs; a test may hold it back. */
export type ExchangeStore = Pick<
  Store,
  "load" | "commit" | "order" | "read" | "prune" | "probe" | "close"
>;

export interface ExchangeContext {
  readonly options: ExchangeOptions;
  /** Tells this run of the server from all others. */
  readonly run: string;
  readonly store: ExchangeStore;
  /** With every market listed. */
  readonly markets: ExchangeMarkets;
  /** Trades that are stored and were never published, as the producer before died in between. */
  readonly untold?: readonly Trade[];
  /** The source of every `ts`, of the publisher's, too. */
  readonly position: PositionClock;
  readonly counters: CounterSection;
  readonly log: Logger;
  /** While it is over nothing is carried out, and nothing told; undefined where no lease is needed. */
  readonly lease?: Pick<LeaseTerm, "certain"> | undefined;
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
 * If a commit fails, nothing of its batch has happened: the core reloads what is stored, and orders are
 * refused until the store can be written again. Ends of connections are never refused; they wait.
 */
export class Exchange {
  readonly #context: ExchangeContext;
  readonly #commits: Commits;
  readonly #core: ExchangeCore;
  readonly #gateway: ExchangeGateway;
  readonly #desk: SessionDesk;
  readonly #snapshots: SnapshotDesk;
  readonly #walletDesk: WalletDesk;
  readonly #administration: AdministrationDesk;
  readonly #withdrawals: Withdrawals;
  readonly #simulation: Simulation;
  /** Nobody has ever traded here. */
  readonly #isNew: boolean;
  #running = false;
  #stopping = false;
  #wake: () => void = () => {};

  private constructor(
    context: ExchangeContext,
    time: ExchangeTime,
    core: ExchangeCore,
    desk: SessionDesk,
    withdrawals: Withdrawals,
    { nextOrderId, nextTradeId }: StoredState,
  ) {
    this.#context = context;
    this.#commits = new Commits({ ...context, time });
    this.#core = core;
    this.#desk = desk;
    this.#withdrawals = withdrawals;
    this.#simulation = new Simulation(context.options, core);
    const { store, position, log, options } = context;
    const asked = (): void => this.#wake();
    this.#administration = new AdministrationDesk({ core, maxPrice: options.maxPrice, asked });
    this.#snapshots = new SnapshotDesk(core);
    this.#walletDesk = new WalletDesk({
      store,
      core,
      now: () => position.now(),
      told: () => this.#gateway.told,
      waits: (wallet) => this.#snapshots.isDueOf(wallet),
      log,
    });
    this.#gateway = new ExchangeGateway(
      { ...context, desk, snapshots: this.#snapshots, walletDesk: this.#walletDesk },
      core,
      {
        asked,
        ended: (session, reason) => withdrawals.end(session, reason),
      },
      { tradeId: nextTradeId, ts: position.now(), orderId: 0 },
    );
    // The first one that nobody has ever placed.
    this.#isNew = nextOrderId === 1;
  }

  /**
   * Makes an exchange of what the store holds, with the context's markets listed. It has not recovered
   * yet.
   */
  static async open(context: ExchangeContext, state: StoredState): Promise<Exchange> {
    const { options, markets, position, run, counters, log } = context;
    const time = new ExchangeTime(position, state);
    const core = await ExchangeCore.open({ options, markets, time }, state);
    const nameless = await namelessOrders(state.openOrders);
    if (nameless.length > 0)
      log.warn({ orders: nameless.length }, "orders of wallets that nobody can name are cancelled");
    const withdrawals = new Withdrawals(core, nameless);
    const { maxWaitingSessions: maxWaiting } = options;
    const desk = new SessionDesk(
      { run, maxWaiting, counters, now: () => time.passed / 1000 },
      (session, reason) => withdrawals.end(session, reason),
    );
    desk.sessions.restore(state.sessions);
    // An earlier version has stored no sessions.
    for (const session of core.sessions())
      if (!desk.sessions.has(session)) withdrawals.end(session, SERVER_RESTARTED);
    return new Exchange(context, time, core, desk, withdrawals, state);
  }

  /**
   * Makes everything ready for the first order: publishes what an earlier producer left untold, before
   * any trade of its own, cancels what was bound to connections of earlier runs and what belongs to
   * nobody, has the simulated traders open a new exchange, or withdraw if there are none, and publishes
   * the books.
   */
  async recover(): Promise<void> {
    const { options, position, untold = [] } = this.#context;
    this.#core.publishTrades(untold);
    position.release();
    if (options.simTraders > 0 && this.#isNew)
      this.#simulation.add(OPENING_COMMANDS_PER_MARKET * this.#core.marketCount, Infinity);
    do {
      await this.#turn();
      await nextTurn();
    } while (
      (this.#withdrawals.isDue || this.#simulation.isDue || this.#coreIsDue) &&
      this.#commits.failure === undefined
    );
    let published = 0;
    for (const { marketId } of this.#core.markets) {
      this.#core.publishBook(marketId);
      if (++published % BOOKS_PER_TURN === 0) await nextTurn();
    }
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    this.#gateway.attach(shard, port);
  }

  /**
   * Resolves when what an operator asks of a market is on disk and has been told, and the market wound up where it
   * was closed; or with why it is not done.
   */
  administer(action: MarketAction): Promise<MarketOutcome> {
    return this.#administration.ask(action);
  }

  /**
   * Trades until the signal aborts, then cancels what is bound to sessions that do not outlive the server,
   * and closes the store.
   */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake());
    const timers = [
      setInterval(() => void this.#commits.prune(this.#core.lastTrade), PRUNE_INTERVAL_MS),
      setInterval(() => {
        if (this.#desk.sessions.isDue || this.#walletDesk.isDue || this.#core.isDue) this.#wake();
      }, WAITS_INTERVAL_MS),
      setInterval(() => void this.#probe(), PROBE_INTERVAL_MS),
    ];
    this.#running = true;
    const simulation = this.#simulate(signal);
    while (!signal.aborted) {
      if (this.#idle) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.#turn();
      // What else the thread has to do comes before the next piece of much that is asked.
      if (this.#snapshots.isDue || this.#walletDesk.isDue) await nextTurn();
    }
    timers.forEach(clearInterval);
    await simulation;
    this.#simulation.end();
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#walletDesk.stop();
    for (const session of this.#core.sessions())
      if (!this.#desk.sessions.outlives(session)) this.#withdrawals.end(session, SERVER_STOPPED);
    do await this.#turn();
    while (!this.#idle);
    this.#gateway.close();
    await this.#context.store.close();
  }

  /** Why orders are refused at the moment. */
  get #refusal(): Refused | undefined {
    if (this.#stopping) return { code: "UNAVAILABLE", message: "the server is stopping" };
    return this.#commits.failure === undefined ? undefined : STORE_UNAVAILABLE;
  }

  get #idle(): boolean {
    const isAsked = this.#gateway.isAsked || this.#administration.isAsked;
    if (isAsked || this.#snapshots.isDue || this.#walletDesk.isDue) return false;
    if (this.#commits.failure !== undefined) return true;
    return !this.#withdrawals.isDue && !this.#simulation.isBehind && !this.#coreIsDue;
  }

  /** Whether the core has something to do that nobody asks for. */
  get #coreIsDue(): boolean {
    return this.#core.isDue || this.#core.isWindingUp();
  }

  // --- A batch ----------------------------------------------------------------------------------

  async #turn(): Promise<void> {
    const { position, lease } = this.#context;
    // Another node may be the exchange by now, where this process was suspended.
    await lease?.certain();
    // Whatever is told before the batch is on disk has no later ts than what the batch brings about.
    position.hold();
    this.#executeBatch();
    const changes = this.#core.takeChanges();
    // What cannot be stored of sessions waits until something can.
    const sessions =
      this.#commits.failure === undefined ? this.#desk.sessions.changes() : NO_SESSION_WRITES;
    const isNothing = isEmpty(changes) && sessions.put.length + sessions.removed.length === 0;
    const isStored = isNothing || (await this.#commits.commit(changes, sessions));
    await lease?.certain();
    position.release();
    if (isStored) {
      if (!isNothing) this.#desk.sessions.committed(sessions);
      this.#release(changes);
      this.#administration.committed();
    } else await this.#rollBack();
    this.#snapshots.serve();
    await this.#walletDesk.serve();
  }

  #executeBatch(): void {
    // While the exchange recovers nobody can come back, and when it stops nobody is to be waited for.
    if (this.#running && !this.#stopping) this.#desk.sessions.expire();
    const canStore = this.#commits.failure === undefined;
    if (canStore) {
      if (this.#core.isDue && !this.#core.expire(LAPSED_PER_BATCH, this.#collect)) return;
      // What a failed batch or an earlier run has left, before anybody can trade with it.
      this.#withdrawals.run(this.#execute);
      if (this.#withdrawals.isDue) return;
    }
    this.#administration.takeUp(this.#refusal, this.#execute);
    if (canStore && this.#core.isWindingUp())
      this.#administration.count(this.#execute({ type: "wind-up", most: WOUND_UP_PER_BATCH }));
    this.#gateway.takeUp(this.#refusal);
    if (!canStore) return;
    // Behind everything that the sessions asked for.
    this.#withdrawals.run(this.#execute);
    this.#simulation.run(this.#execute);
  }

  /** Executes a command of the exchange's own. */
  readonly #execute = (command: Command): readonly EngineEvent[] => {
    const events = this.#core.execute(command);
    this.#collect(events);
    return events;
  };

  readonly #collect = (events: readonly EngineEvent[]): void => this.#gateway.collect(events);

  /** Publishes and tells what a batch has brought about, now that it is on disk. */
  #release(changes: EngineChanges): void {
    this.#withdrawals.committed();
    const { marketCount } = this.#core;
    this.#core.publish(changes);
    // The traders take up a market that has just been listed.
    if (this.#core.marketCount > marketCount) this.#simulation.restart();
    this.#context.counters[PRODUCER.clientOrderIds] = this.#core.clientOrderIds;
    this.#gateway.release(changes);
  }

  /** Undoes a batch that is not on disk: nothing of it is left anywhere, and what it was asked is answered. */
  async #rollBack(): Promise<void> {
    await this.#core.reload(await this.#context.store.load());
    // Their orders were gone when they ended, and are back.
    for (const session of this.#core.sessions())
      if (!this.#desk.sessions.has(session)) this.#withdrawals.end(session, SESSION_OVER);
    this.#withdrawals.undone();
    this.#simulation.restart();
    // Whether the store can be written again by now is the next batch's business.
    const refusal = this.#refusal ?? STORE_UNAVAILABLE;
    this.#gateway.undone(this.#commits.maybeStored ? STORE_UNCERTAIN : refusal);
    this.#administration.undone(this.#refusal ?? STORE_UNAVAILABLE);
    const changes = this.#core.takeChanges();
    if (!isEmpty(changes))
      throw new Error("exchange: an order was executed that no commit follows");
    this.#release(changes);
  }

  /** Looks whether a store that could not be written can be again. */
  async #probe(): Promise<void> {
    // What waits is done in the turn that this wakes, before anything else that is asked.
    if (await this.#commits.probe()) this.#wake();
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
      this.#simulation.add(due, BATCH_SIMULATED_MAX);
      // The next batch of clients' orders takes them along; by themselves they are no reason for a
      // commit each, which those orders would have to wait for.
      const now = performance.now();
      if (now - wokenAt < SIMULATED_COMMIT_MS) continue;
      wokenAt = now;
      this.#wake();
    }
  }
}

function isEmpty(changes: EngineChanges): boolean {
  const { orders, trades, positions, totals, timers, markets } = changes;
  return [orders, trades, positions, totals, timers, markets].every(({ length }) => length === 0);
}
