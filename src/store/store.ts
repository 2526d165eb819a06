import { join } from "node:path";
import type { EngineChanges, EngineState } from "../engine/commands.js";
import type { Order, Trade } from "../engine/order.js";
import { makeDirectory } from "../shared/make-directory.js";
import { isOpen } from "../shared/order.js";
import { type Stretch, tsBefore } from "../shared/time-stretches.js";
import { requireRoom } from "./disk-room.js";
import type { Environment } from "./environment.js";
import { migrate } from "./migrations.js";
import {
  type Pruning,
  type PruningStep,
  pruneOrders,
  pruneTrades,
  type Retention,
} from "./pruning.js";
import { COUNTERS_KEY, SCHEMA_VERSION, type StoredMarket, type StoredSession } from "./records.js";
import { damaged, reasonOf, StoreError } from "./store-error.js";
import { DATA_FILE, openOrCreate, reopen, unreadable } from "./store-file.js";
import { StoreLock } from "./store-lock.js";
import type { Operation } from "./table.js";
import { WalletIndexer } from "./wallet-indexer.js";
import { WalletRecords } from "./wallet-records.js";

/** Markets of one write, which keeps the thread for some milliseconds. */
const MARKETS_PER_WRITE = 1000;

/** All that an engine is rebuilt from, and where its time had come to. */
export interface StoredState extends EngineState {
  /** The latest of an order, trade or position, or that may have been told; 0 where there is none. */
  readonly latestTs: number;
  readonly stretches: readonly Stretch[];
  readonly sessions: readonly StoredSession[];
}

/** Sessions that are written and removed with a batch. */
export interface SessionWrites {
  readonly put: readonly StoredSession[];
  readonly removed: readonly string[];
}

/**
 * Orders, trades, positions and counters on disk, in one LMDB file.
 *
 * Writes happen one after another, each as one transaction, and none while a state is loaded. After a
 * failed one the file is opened anew, because LMDB does not say what state a failure leaves it in.
 */
export class Store {
  readonly #dir: string;
  readonly #retention: Retention;
  readonly #lock: StoreLock;
  #environment: Environment | undefined;
  /** Ends with the last of what has been queued. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #indexer = new WalletIndexer();
  #pruning: Promise<number> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(dir: string, retention: Retention, lock: StoreLock) {
    this.#dir = dir;
    this.#retention = retention;
    this.#lock = lock;
  }

  /**
   * Opens the store of a directory, or makes one where there is none. Rejects with StoreError, whose
   * code is STORE_LOCKED, STORE_DAMAGED, STORE_VERSION, STORE_UNREADABLE, or STORE_WRITE_FAILED where
   * there is no room for it.
   */
  static async open(dir: string, retention: Retention): Promise<Store> {
    try {
      await makeDirectory(dir, 0o700);
      const lock = await StoreLock.acquire(dir);
      const store = new Store(dir, retention, lock);
      try {
        store.#environment = await openOrCreate(dir);
        await migrate((operations) => store.#write(operations));
        await store.#indexer.begin(store.#reopen());
        return store;
      } catch (error) {
        await store.close();
        throw error;
      }
    } catch (error) {
      throw unreadable(dir, error);
    }
  }

  /**
   * All that an engine is rebuilt from, and the time of it, as it is on disk. There may be millions of
   * records, so the thread gets to other things in between; writes wait. Rejects with StoreError.
   */
  load(): Promise<StoredState> {
    return this.#inTurn(async () => {
      const environment = this.#reopen();
      const { counters, clientOrderIds } = environment;
      const { nextOrderId, nextTradeId, stretches, latestTs } =
        counters.get(COUNTERS_KEY) ?? this.#missing("counters");
      const openOrders = await environment.openOrders.all();
      const positions = await environment.positions.all();
      const finishedTs = latestFinishedTs(environment);
      const retentionMicros = this.#retention.clientOrderIdRetentionMs * 1000;
      // What finished before cannot be remembered any more, whatever the time is now.
      const since = Math.floor(Math.max(0, tsBefore(stretches, finishedTs, retentionMicros)));
      return {
        openOrders,
        clientOrderIds: await clientOrderIds.all([since]),
        positions,
        totals: await environment.totals.all(),
        timers: (await environment.timers?.all()) ?? [],
        nextOrderId,
        nextTradeId,
        latestTs: positions.reduce(
          laterTs,
          openOrders.reduce(laterTs, Math.max(finishedTs, latestTs)),
        ),
        stretches,
        sessions: (await environment.sessions?.all()) ?? [],
      };
    });
  }

  /** The markets: tick size and lot size as first listed, the latest title. Rejects with StoreError. */
  markets(): Promise<readonly StoredMarket[]> {
    return this.#inTurn(() => this.#reopen().markets.all());
  }

  /** Resolves when the markets are on disk, some thousands at a time. Rejects with StoreError. */
  async putMarkets(markets: readonly StoredMarket[]): Promise<void> {
    for (let at = 0; at < markets.length; at += MARKETS_PER_WRITE) {
      const some = markets.slice(at, at + MARKETS_PER_WRITE);
      await this.#write((environment) => some.map((market) => environment.markets.put(market)));
    }
  }

  /**
   * Stores what an engine has changed, in one transaction; resolves when it is on disk. Rejects with
   * STORE_WRITE_FAILED, and then none of it is there.
   *
   * @param stretches of the time of all that is stored
   * @param latestTs the latest that may be told before the next commit
   */
  commit(
    changes: EngineChanges,
    stretches: readonly Stretch[] = [],
    latestTs = 0,
    { put, removed }: SessionWrites = { put: [], removed: [] },
  ): Promise<void> {
    const committed = (): void => this.#indexer.committed(changes);
    return this.#write((environment) => {
      const { trades, positions, totals, counters, sessions, timers } = environment;
      return [
        ...put.flatMap((session) => sessions?.put(session) ?? []),
        ...removed.flatMap((session) => sessions?.remove(session) ?? []),
        ...changes.orders.flatMap((order) => putOrder(environment, order)),
        ...changes.trades.map((trade) => trades.put(trade)),
        ...changes.positions.map((position) => positions.put(position)),
        ...changes.totals.map((total) => totals.put(total)),
        ...changes.timers.flatMap(({ wallet, setTs, triggerTs }) =>
          triggerTs === undefined
            ? (timers?.remove(wallet) ?? [])
            : (timers?.put({ wallet, setTs, triggerTs }) ?? []),
        ),
        // In the same transaction, so that no id is used twice when its order has been pruned.
        counters.put({
          nextOrderId: changes.nextOrderId,
          nextTradeId: changes.nextTradeId,
          stretches,
          latestTs,
        }),
      ];
    }, committed);
  }

  /** An order that is open, or finished and not yet pruned. Throws StoreError. */
  order(orderId: number): Order | undefined {
    const { openOrders, finishedOrders } = this.#open();
    return openOrders.get(orderId) ?? finishedOrders.get(orderId);
  }

  /**
   * Reads what there is of wallets, of one state, when all that was asked for before has ended; the state is
   * not kept. Rejects with StoreError where the store cannot be opened.
   */
  read<T>(query: (records: WalletRecords) => T): Promise<T> {
    return this.#inTurn(async () => {
      const environment = this.#reopen();
      environment.endReads();
      try {
        return query(new WalletRecords(environment, this.#indexer.pending));
      } finally {
        environment.endReads();
      }
    });
  }

  /** The trades behind one, by ascending id; those that are damaged are left out. */
  tradesAfter(tradeId: number): readonly Trade[] {
    const records = this.#open().trades.inspect({ start: tradeId + 1 });
    return [...records].flatMap(({ value }) => (value instanceof StoreError ? [] : value));
  }

  /**
   * Brings the indexes by wallet up to date, and removes what the retention no longer covers, in steps of at most 500 records, with which other
   * writes take turns. Resolves with the number of orders and trades. Rejects with StoreError, of
   * whichever of the two could not be pruned. What commands have left that read the store and were
   * killed goes as well: for each of them the file would grow without end.
   *
   * @param nowMicros microseconds since the Unix epoch
   * @param stretches of the time until then: what has not passed makes nothing older
   * @param lastTrade trades behind this one stay
   */
  prune(
    nowMicros: number,
    stretches: readonly Stretch[] = [],
    lastTrade = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    const before = (ms: number): number => tsBefore(stretches, nowMicros, ms * 1000);
    this.#pruning ??= this.#prune(before, lastTrade).finally(() => {
      this.#pruning = undefined;
    });
    return this.#pruning;
  }

  /**
   * Writes nothing, durably. Rejects with STORE_WRITE_FAILED while there is no room for more than
   * that, so that a disk that has just a little room is not taken for one that works again.
   */
  async probe(): Promise<void> {
    try {
      await requireRoom(this.#dir);
    } catch (error) {
      throw writeFailed(this.#dir, error);
    }
    await this.#write(({ schema }) => [schema.put(SCHEMA_VERSION)]);
  }

  /** Resolves when all that was asked for has ended and another server may open the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#queue;
    await this.#environment?.close();
    await this.#lock.release();
  }

  /** The environment for a caller, who must not call after {@link close}. */
  #open(): Environment {
    if (this.#closing !== undefined) throw new Error("the store is closed");
    return this.#reopen();
  }

  /** The environment; opened anew after a failed write. */
  #reopen(): Environment {
    this.#environment ??= reopen(this.#dir);
    return this.#environment;
  }

  #missing(what: string): never {
    throw damaged(join(this.#dir, DATA_FILE), `it has no ${what}`);
  }

  /** Orders and trades by themselves, so that what is wrong with the ones does not keep the others. */
  async #prune(before: (ms: number) => number, lastTrade: number): Promise<number> {
    this.#environment?.clearDeadReaders();
    await this.#indexer.flush(
      (operations) => this.#write(operations),
      () => this.#closing === undefined,
    );
    const trades: Pruning = (...step) => pruneTrades(...step, lastTrade);
    const prunings = [pruneOrders, trades].map((pruning) => this.#pruneBy(pruning, before));
    await Promise.allSettled(prunings);
    const [ordersRemoved = 0, tradesRemoved = 0] = await Promise.all(prunings);
    return ordersRemoved + tradesRemoved;
  }

  async #pruneBy(pruning: Pruning, before: (ms: number) => number): Promise<number> {
    let count = 0;
    while (this.#closing === undefined) {
      let removed = 0;
      let entries: PruningStep["entries"] = [];
      // What to remove is found in the write's own turn: one before may have closed the environment.
      await this.#write((environment) => {
        const step = pruning(environment, this.#retention, before);
        removed = step.count;
        entries = step.entries;
        return step.operations;
      });
      this.#indexer.pending.remove(entries);
      if (removed === 0) break;
      count += removed;
    }
    return count;
  }

  /** @param written called in the same turn, before anything else sees what is written */
  #write(
    operations: (environment: Environment) => readonly Operation[],
    written?: () => void,
  ): Promise<void> {
    return this.#inTurn(async () => {
      await this.#writeNow(operations);
      written?.();
    });
  }

  /** Does something when all that was asked for before has ended. Rejects after {@link close}. */
  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Error("the store is closed");
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #writeNow(operations: (environment: Environment) => readonly Operation[]): Promise<void> {
    const environment = this.#reopen();
    const writes = operations(environment);
    try {
      // All in one turn of the event loop, which makes them one transaction.
      await Promise.all(writes.map(({ write }) => write()));
    } catch (error) {
      this.#environment = undefined;
      await environment.close();
      throw writeFailed(this.#dir, await commitError(error));
    }
  }
}

/** When the last of the finished orders that are stored finished. */
function latestFinishedTs({ finishTimes, clientOrderIds }: Environment): number {
  const lastFirst = { reverse: true, limit: 1 };
  const last = [...finishTimes.values(lastFirst), ...clientOrderIds.values(lastFirst)];
  return Math.max(0, ...last.map(({ finishedTs }) => finishedTs));
}

function laterTs(ts: number, { updatedTs }: { readonly updatedTs: number }): number {
  return Math.max(ts, updatedTs);
}

function putOrder(environment: Environment, order: Order): Operation[] {
  const { openOrders, finishedOrders, finishTimes, clientOrderIds } = environment;
  const { orderId, wallet, clientOrderId, updatedTs: finishedTs } = order;
  if (isOpen(order)) return [openOrders.put(order)];
  return [
    openOrders.remove(orderId),
    finishedOrders.put(order),
    clientOrderId === undefined
      ? finishTimes.put({ orderId, finishedTs })
      : clientOrderIds.put({ orderId, finishedTs, wallet, clientOrderId }),
  ];
}

function writeFailed(dir: string, error: unknown): StoreError {
  return new StoreError(
    "STORE_WRITE_FAILED",
    `${join(dir, DATA_FILE)} cannot be written: ${reasonOf(error)}; nothing of the write is stored. Free or add disk space, or see to the disk`,
    { cause: error },
  );
}

/** What LMDB says of a failed commit, which comes as another promise within the error. */
async function commitError(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  return Promise.resolve(error.commitError).then(
    () => error,
    (reason: unknown) => reason,
  );
}
