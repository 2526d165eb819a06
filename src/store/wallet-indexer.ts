import { setImmediate as nextTurn } from "node:timers/promises";
import type { Key, RangeOptions } from "lmdb";
import type { EngineChanges } from "../engine/commands.js";
import { isOpen } from "../shared/order.js";
import type { Environment } from "./environment.js";
import { PendingEntries } from "./pending-entries.js";
import { COUNTERS_KEY } from "./records.js";
import { StoreError } from "./store-error.js";
import type { Operation, Table } from "./table.js";
import { entriesOfOrder, entriesOfTrade, putEntries, type WalletEntry } from "./wallet-entries.js";
import { INDEXED_KEY, type Indexed } from "./wallet-marks.js";
import { WalletRecords } from "./wallet-records.js";

/** Records that are read in one turn of the event loop. */
const RECORDS_PER_TURN = 1000;
/** Entries of a transaction. */
const ENTRIES_PER_STEP = 1000;

/** Has operations that a state of the store asks for written, in one transaction. */
type Write = (operations: (environment: Environment) => readonly Operation[]) => Promise<void>;

/**
 * Brings the indexes by wallet up to date behind the commits. What is not in them is kept in memory, and found
 * again when a store is opened, as its file says up to where they have been written.
 *
 * Invariant: an entry of what is committed is in the file, or pending, or both.
 */
export class WalletIndexer {
  readonly pending = new PendingEntries();
  /** Up to where things have been committed. */
  #committed: Indexed = { orderId: 0, tradeId: 0, finishedTs: 0 };

  /** Finds what a store has that is not in its indexes, before anything is committed. */
  async begin(environment: Environment): Promise<void> {
    const { counters, indexed, openOrders, finishedOrders, trades } = environment;
    const written = indexed?.get(INDEXED_KEY) ?? this.#committed;
    const records = new WalletRecords(environment);
    const after = (id: number) => ({ start: id, exclusiveStart: true });
    for (const table of [openOrders, finishedOrders])
      await this.#addAll(table, after(written.orderId), (order) => entriesOfOrder(order, true));
    let { finishedTs } = written;
    for (const table of [environment.finishTimes, environment.clientOrderIds])
      await this.#addAll(table, { start: [written.finishedTs] }, (finished) => {
        finishedTs = Math.max(finishedTs, finished.finishedTs);
        const order = records.order(finished.orderId);
        // A new one has all of its entries already.
        const known = order === undefined || order.orderId > written.orderId;
        return known ? [] : entriesOfOrder(order, false);
      });
    await this.#addAll(trades, after(written.tradeId), entriesOfTrade);
    const { nextOrderId = 1, nextTradeId = 1 } = counters.get(COUNTERS_KEY) ?? {};
    this.#committed = { orderId: nextOrderId - 1, tradeId: nextTradeId - 1, finishedTs };
  }

  /** Takes up what has been committed. */
  committed({ orders, trades, nextOrderId, nextTradeId }: EngineChanges): void {
    let { orderId, finishedTs } = this.#committed;
    for (const order of orders) {
      this.pending.add(entriesOfOrder(order, order.orderId > orderId));
      if (!isOpen(order)) finishedTs = Math.max(finishedTs, order.updatedTs);
    }
    for (const trade of trades) this.pending.add(entriesOfTrade(trade));
    this.#committed = { orderId: nextOrderId - 1, tradeId: nextTradeId - 1, finishedTs };
  }

  /**
   * Writes what is pending now, some at a time, and then up to where the indexes have it all. Rejects where that
   * cannot be written; then it is pending still, as what is left is where `goesOn` says that there is no time.
   */
  async flush(write: Write, goesOn: () => boolean): Promise<void> {
    const upTo = this.#committed;
    const steps = this.pending.steps(ENTRIES_PER_STEP);
    for (const [at, step] of steps.entries()) {
      if (!goesOn()) return;
      const last = at === steps.length - 1;
      await write((environment) => [
        ...putEntries(environment, step),
        ...(last ? ([environment.indexed?.put(upTo) ?? []].flat() as Operation[]) : []),
      ]);
      this.pending.remove(step);
    }
  }

  /** The records of a table from a key on, or behind it, a part in each turn. */
  async #addAll<K extends Key, T>(
    table: Table<K, T>,
    first: { readonly start: Key; readonly exclusiveStart?: boolean },
    entriesOf: (value: T) => readonly WalletEntry[],
  ): Promise<void> {
    for (let range: RangeOptions | undefined = first; range !== undefined; await nextTurn()) {
      const some: { readonly key: K; readonly value: T | StoreError }[] = [
        ...table.inspect({ ...range, limit: RECORDS_PER_TURN }),
      ];
      for (const { value } of some)
        if (!(value instanceof StoreError)) this.pending.add(entriesOf(value));
      const last: Key | undefined = some.at(-1)?.key;
      range = last === undefined ? undefined : { start: last, exclusiveStart: true };
    }
  }
}
