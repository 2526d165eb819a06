import type { EngineChanges } from "../engine/commands.js";
import type { Order, Trade } from "../engine/order.js";
import { makeDirectory } from "../shared/make-directory.js";
import { type Stretch, tsBefore } from "../shared/time-stretches.js";
import { requireRoom } from "./disk-room.js";
import type { Environment } from "./environment.js";
import { Lineage } from "./lineage.js";
import type { StoredState } from "./merged-batches.js";
import { migrate } from "./migrations.js";
import {
  type Pruning,
  type PruningStep,
  pruneOrders,
  pruneTrades,
  type Retention,
} from "./pruning.js";
import { JOURNALED_KEY, SCHEMA_VERSION, type StoredMarket } from "./records.js";
import { StoreError } from "./store-error.js";
import { unreadable } from "./store-file.js";
import { StoreJournal } from "./store-journal.js";
import { StoreLock } from "./store-lock.js";
import type { SessionWrites, StoredBatch } from "./stored-batch.js";
import { stateOfTrees, withoutForgotten } from "./tree-state.js";
import { treeWrites } from "./tree-writes.js";
import { Trees, writeFailed } from "./trees.js";
import { WalletIndexer } from "./wallet-indexer.js";
import { WalletRecords } from "./wallet-records.js";

/** Markets of one write, which keeps the thread for some milliseconds. */
const MARKETS_PER_WRITE = 1000;

/**
 * From a batch's commit to its way into the trees, in ms: what comes until then goes with it. An order that has
 * ended by then costs one write in place of three, and a position that many orders change is written once.
 */
const TREES_DELAY_MS = 1000;
/** The same after a failure. */
const TREES_RETRY_MS = 1000;
/** Records of one transaction, which keep the thread for some milliseconds. */
const TREES_RECORDS = 500;
/** The same where much waits: more at once costs less a record. */
const TREES_RECORDS_BEHIND = 3000;
/** More than that may not wait for the trees: they are kept in memory. */
const WAITING_RECORDS_MAX = 200_000;

interface StoreOptions extends Retention {
  /** So much of the journal stays that the trees contain, in bytes, for whoever follows it; none if left out. */
  readonly keptJournalBytes?: number;
}

/**
 * Orders, trades, positions and counters on disk: trees, in one LMDB file, and in front of them a journal.
 *
 * A commit is an append to the journal. What it says goes into the trees later, many batches a transaction,
 * together with the number up to which they contain the journal; until then it is in memory, too.
 */
export class Store {
  /** Who wrote which of its records. */
  readonly lineage: Lineage;
  readonly #dir: string;
  readonly #retention: Retention;
  readonly #lock: StoreLock;
  readonly #trees: Trees;
  readonly #journal: StoreJournal;
  /** Ends with the last commit that was asked for. */
  #commits: Promise<unknown> = Promise.resolve();
  /** When what waits goes into the trees; undefined where nothing waits, or it is on its way. */
  #treesTimer: NodeJS.Timeout | undefined;
  /** The last attempt to bring the trees up to the journal failed. */
  #treesFailed = false;
  readonly #indexer = new WalletIndexer();
  #pruning: Promise<number> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    dir: string,
    retention: Retention,
    lock: StoreLock,
    trees: Trees,
    journal: StoreJournal,
    lineage: Lineage,
  ) {
    this.lineage = lineage;
    this.#dir = dir;
    this.#retention = retention;
    this.#lock = lock;
    this.#trees = trees;
    this.#journal = journal;
  }

  /**
   * Opens the store of a directory, or makes one where there is none. Rejects with StoreError, whose
   * code is STORE_LOCKED, STORE_DAMAGED, STORE_VERSION, STORE_UNREADABLE, or STORE_WRITE_FAILED where
   * there is no room for it.
   */
  static async open(dir: string, options: StoreOptions): Promise<Store> {
    try {
      await makeDirectory(dir, 0o700);
      const lock = await StoreLock.acquire(dir);
      const closers = [() => lock.release()];
      try {
        const trees = await Trees.open(dir);
        closers.push(() => trees.close());
        await migrate((operations) => trees.write(operations));
        const after = trees.environment.journaled?.get(JOURNALED_KEY) ?? 0;
        const journal = await StoreJournal.open(dir, after, options.keptJournalBytes);
        closers.push(() => journal.close());
        const lineage = await Lineage.read(dir);
        const store = new Store(dir, options, lock, trees, journal, lineage);
        await store.#indexer.begin(trees.environment);
        for (const { changes } of journal.waiting) store.#indexer.committed(changes);
        // Nobody has to wait until the trees have it, too.
        if (journal.records > 0) store.#bringUpSoon();
        return store;
      } catch (error) {
        for (const close of closers.reverse()) await close();
        throw error;
      }
    } catch (error) {
      throw unreadable(dir, error);
    }
  }

  /**
   * Where a batch was cut off that was cut short while it was written, which nobody can have been told of;
   * undefined where there was none.
   */
  get cutOff(): StoreJournal["torn"] {
    return this.#journal.torn;
  }

  /**
   * All that an engine is rebuilt from, and the time of it, as it is on disk. There may be millions of
   * records, so the thread gets to other things in between; writes wait. Rejects with StoreError.
   */
  load(): Promise<StoredState> {
    return this.#trees.inTurn(async () => {
      // What the trees lack by now, and no more: later commits are of another state.
      const complete = this.#journal.completion();
      const state = await stateOfTrees(this.#dir, this.#trees.environment, this.#retention);
      return withoutForgotten(complete(state), this.#retention);
    });
  }

  /** The markets: tick size and lot size as first listed, the latest title. Rejects with StoreError. */
  markets(): Promise<readonly StoredMarket[]> {
    return this.#trees.inTurn(() => this.#trees.environment.markets.all());
  }

  /** Resolves when the markets are on disk, some thousands at a time. Rejects with StoreError. */
  async putMarkets(markets: readonly StoredMarket[]): Promise<void> {
    for (let at = 0; at < markets.length; at += MARKETS_PER_WRITE) {
      const some = markets.slice(at, at + MARKETS_PER_WRITE);
      await this.#trees.write((environment) =>
        some.map((market) => environment.markets.put(market)),
      );
    }
  }

  /**
   * Stores what an engine has changed, as a whole; resolves when it is on disk. Rejects with
   * STORE_WRITE_FAILED, and then none of it is there, but where the error says `maybeStored`.
   *
   * @param stretches of the time of all that is stored
   * @param latestTs the latest that may be told before the next commit
   */
  commit(
    changes: EngineChanges,
    stretches: readonly Stretch[] = [],
    latestTs = 0,
    sessions: SessionWrites = { put: [], removed: [] },
  ): Promise<void> {
    return this.#write(() => this.#commit({ changes, stretches, latestTs, sessions }));
  }

  /** One after the other. */
  #write<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(new Error("the store is closed"));
    const done = this.#commits.then(task);
    this.#commits = done.catch(() => {});
    return done;
  }

  /** Number of the last batch that is on disk. */
  get last(): number {
    return this.#journal.last;
  }

  /**
   * Stores the next record of another store's journal, as it is there; resolves with what it says when it is on disk.
   * The trees follow as they do behind a commit. Rejects as {@link commit}, and with STORE_DAMAGED where it is no batch.
   */
  take(record: Buffer): Promise<StoredBatch> {
    return this.#write(async () => {
      await this.#makeRoom();
      const batch = await this.#journal.appendEncoded(record);
      this.#indexer.committed(batch.changes);
      this.#bringUpSoon();
      return batch;
    });
  }

  /** An order that is open, or finished and not yet pruned. Throws StoreError. */
  order(orderId: number): Order | undefined {
    const { openOrders, finishedOrders } = this.#open();
    const changed = this.#journal.order(orderId);
    return changed ?? openOrders.get(orderId) ?? finishedOrders.get(orderId);
  }

  /**
   * Reads what there is of wallets, of one state; the state is not kept. It waits for no write: what is on its way
   * into the trees is read beside them until it is there. Rejects with StoreError where the store cannot be opened.
   */
  async read<T>(query: (records: WalletRecords) => T): Promise<T> {
    await this.#trees.settled();
    const environment = this.#open();
    environment.endReads();
    try {
      return query(new WalletRecords(environment, this.#indexer.pending, this.#journal));
    } finally {
      environment.endReads();
    }
  }

  /** The trades behind one, by ascending id; those that are damaged are left out. */
  tradesAfter(tradeId: number): readonly Trade[] {
    const records = this.#open().trades.inspect({ start: tradeId + 1 });
    const ofTrees = [...records].flatMap(({ value }) => (value instanceof StoreError ? [] : value));
    return [...ofTrees, ...this.#journal.tradesAfter(tradeId)];
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
    await this.#trees.write(({ schema }) => [schema.put(SCHEMA_VERSION)]);
    // A journal whose segment has vanished can be written when the trees have what was in it.
    await this.#bringUp();
    await this.#journal.probe();
  }

  /** Resolves when all that was asked for has ended and another server may open the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits;
    await this.#trees.end();
    clearTimeout(this.#treesTimer);
    // The trees are complete when the store is closed; where they cannot be, the journal is.
    await this.#bringUpNow().catch(() => {});
    await this.#journal.close();
    await this.#trees.close();
    await this.#lock.release();
  }

  // --- Journal and trees --------------------------------------------------------------------------

  async #commit(batch: StoredBatch): Promise<void> {
    await this.#makeRoom();
    await this.#journal.append(batch);
    this.#indexer.committed(batch.changes);
    this.#bringUpSoon();
  }

  /** What the trees cannot take must not grow. */
  async #makeRoom(): Promise<void> {
    const journal = this.#journal;
    if (this.#treesFailed) await this.#bringUp();
    while (journal.records > WAITING_RECORDS_MAX)
      await this.#trees.inTurn(() => this.#bringUpSome(journal.last));
  }

  #bringUpSoon(): void {
    this.#treesTimer ??= setTimeout(() => void this.#bringUpLater(), TREES_DELAY_MS);
  }

  async #bringUpLater(): Promise<void> {
    const delay = await this.#bringUp().then(
      () => TREES_DELAY_MS,
      () => TREES_RETRY_MS,
    );
    this.#treesTimer = undefined;
    if (this.#closing === undefined && this.#journal.records > 0)
      this.#treesTimer = setTimeout(() => void this.#bringUpLater(), delay);
  }

  /** Resolves when the trees contain all that is in the journal by now. Rejects with STORE_WRITE_FAILED. */
  async #bringUp(): Promise<void> {
    const { last } = this.#journal;
    for (let contained = 0; contained < last; ) {
      const number = await this.#trees.inTurn(() => this.#bringUpSome(last));
      if (number === undefined) return;
      contained = number;
    }
  }

  /** The same, in the turn that the caller has. */
  async #bringUpNow(): Promise<void> {
    const { last } = this.#journal;
    while ((await this.#bringUpSome(last)) !== undefined);
  }

  /** Brings some batches into the trees; returns the number that they contain then, if there were any. */
  async #bringUpSome(until: number): Promise<number | undefined> {
    const isFarBehind = this.#journal.records > WAITING_RECORDS_MAX / 4;
    const most = isFarBehind ? TREES_RECORDS_BEHIND : TREES_RECORDS;
    const prefix = this.#journal.prefix(most, until);
    if (prefix === undefined) return undefined;
    try {
      await this.#trees.writeNow((environment) =>
        treeWrites(environment, prefix.batch, prefix.number),
      );
      this.#treesFailed = false;
    } catch (error) {
      this.#treesFailed = true;
      throw error;
    }
    await this.#journal.contained(prefix);
    return prefix.number;
  }

  // --- Trees --------------------------------------------------------------------------------------

  /** The environment for a caller, who must not call after {@link close}. */
  #open(): Environment {
    if (this.#closing !== undefined) throw new Error("the store is closed");
    return this.#trees.environment;
  }

  /** Orders and trades by themselves, so that what is wrong with the ones does not keep the others. */
  async #prune(before: (ms: number) => number, lastTrade: number): Promise<number> {
    await this.#bringUp();
    this.#trees.environment.clearDeadReaders();
    await this.#indexer.flush(
      (operations) => this.#trees.write(operations),
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
      await this.#trees.write((environment) => {
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
}
