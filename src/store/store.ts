import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { EngineChanges, EngineState } from "../engine/commands.js";
import type { Order } from "../engine/order.js";
import { isOpen } from "../shared/order.js";
import { requireRoom } from "./disk-room.js";
import type { Environment } from "./environment.js";
import { pruningStep, type Retention } from "./pruning.js";
import { COUNTERS_KEY, SCHEMA_VERSION, type StoredMarket } from "./records.js";
import { damaged, reasonOf, StoreError } from "./store-error.js";
import { DATA_FILE, openOrCreate, reopen, unreadable } from "./store-file.js";
import { StoreLock } from "./store-lock.js";
import type { Operation } from "./table.js";

/**
 * Orders, trades, positions and counters on disk, in one LMDB file.
 *
 * Writes happen one after another, each as one transaction. After a failed one the file is opened
 * anew, because LMDB does not say what state a failure leaves it in.
 */
export class Store {
  readonly #dir: string;
  readonly #retention: Retention;
  readonly #lock: StoreLock;
  #environment: Environment | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #pruning: Promise<number> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(dir: string, retention: Retention, lock: StoreLock) {
    this.#dir = dir;
    this.#retention = retention;
    this.#lock = lock;
  }

  /**
   * Opens the store of a directory, or makes one where there is none. Rejects with StoreError, whose
   * code is STORE_LOCKED, STORE_DAMAGED, STORE_VERSION or STORE_UNREADABLE.
   */
  static async open(dir: string, retention: Retention): Promise<Store> {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const lock = await StoreLock.acquire(dir);
      const store = new Store(dir, retention, lock);
      try {
        store.#environment = await openOrCreate(dir);
        return store;
      } catch (error) {
        await store.close();
        throw error;
      }
    } catch (error) {
      throw unreadable(dir, error);
    }
  }

  /** All that an engine is rebuilt from, as it is on disk. Throws StoreError. */
  load(): EngineState {
    const { openOrders, positions, totals, clientOrderIds, counters } = this.#open();
    const { nextOrderId, nextTradeId } = counters.get(COUNTERS_KEY) ?? this.#missing("counters");
    return {
      openOrders: [...openOrders.values()],
      clientOrderIds: [...clientOrderIds.values({ start: [this.#rememberedSince()] })],
      positions: [...positions.values()],
      totals: [...totals.values()],
      nextOrderId,
      nextTradeId,
    };
  }

  /** The markets as they were first listed. Throws StoreError. */
  markets(): readonly StoredMarket[] {
    return [...this.#open().markets.values()];
  }

  /** Resolves when the markets are on disk. Rejects with StoreError. */
  putMarkets(markets: readonly StoredMarket[]): Promise<void> {
    return this.#write((environment) => markets.map((market) => environment.markets.put(market)));
  }

  /**
   * Stores what an engine has changed, in one transaction; resolves when it is on disk. Rejects with
   * STORE_WRITE_FAILED, and then none of it is there.
   */
  commit(changes: EngineChanges): Promise<void> {
    return this.#write((environment) => {
      const { trades, positions, totals, counters } = environment;
      return [
        ...changes.orders.flatMap((order) => putOrder(environment, order)),
        ...changes.trades.map((trade) => trades.put(trade)),
        ...changes.positions.map((position) => positions.put(position)),
        ...changes.totals.map((total) => totals.put(total)),
        // In the same transaction, so that no id is used twice when its order has been pruned.
        counters.put({ nextOrderId: changes.nextOrderId, nextTradeId: changes.nextTradeId }),
      ];
    });
  }

  /** An order that is open, or finished and not yet pruned. Throws StoreError. */
  order(orderId: number): Order | undefined {
    const { openOrders, finishedOrders } = this.#open();
    return openOrders.get(orderId) ?? finishedOrders.get(orderId);
  }

  /**
   * Removes what the retention no longer covers, in steps of at most 1,000 records, with which other
   * writes take turns. Resolves with the number of orders and trades. Rejects with StoreError.
   *
   * @param nowMicros microseconds since the Unix epoch
   */
  prune(nowMicros: number): Promise<number> {
    this.#pruning ??= this.#prune(nowMicros).finally(() => {
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

  /** Resolves when the last write has ended and another server may open the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#lastWrite;
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

  /** Client order ids that finished before cannot be remembered any more, whatever the time is now. */
  #rememberedSince(): number {
    const { finishTimes, clientOrderIds } = this.#open();
    const lastFirst = { reverse: true, limit: 1 };
    const last = [...finishTimes.values(lastFirst), ...clientOrderIds.values(lastFirst)];
    const latestTs = Math.max(0, ...last.map(({ finishedTs }) => finishedTs));
    return Math.max(0, latestTs - this.#retention.clientOrderIdRetentionMs * 1000);
  }

  async #prune(nowMicros: number): Promise<number> {
    let count = 0;
    while (this.#closing === undefined) {
      const step = pruningStep(this.#open(), this.#retention, nowMicros);
      if (step.count === 0) break;
      await this.#write(() => step.operations);
      count += step.count;
    }
    return count;
  }

  async #write(operations: (environment: Environment) => readonly Operation[]): Promise<void> {
    if (this.#closing !== undefined) throw new Error("the store is closed");
    const write = this.#lastWrite.then(() => this.#writeNow(operations));
    this.#lastWrite = write.catch(() => {});
    await write;
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
