import { type Key, open, type RootDatabase, type Transaction } from "lmdb";
import { administeredForm } from "./administered-form.js";
import type { RecordForm } from "./record-form.js";
import {
  countersForm,
  finishedClientOrderIdForm,
  finishedOrderForm,
  journaledForm,
  marketForm,
  orderForm,
  positionForm,
  schemaForm,
  sessionForm,
  timerForm,
  totalsForm,
  tradeForm,
} from "./records.js";
import { Table } from "./table.js";
import { WalletIndex } from "./wallet-index.js";
import { indexedForm, prunedForm } from "./wallet-marks.js";

const OPTIONS = {
  noSubdir: false,
  maxDbs: 32,
  permissionsMode: 0o600,
  // Without it a commit is on disk when it resolves, and a failed one leaves nothing behind.
  overlappingSync: false,
  // A transaction must not start before all of it is queued: a thread that is terminated in between
  // would leave it open for ever.
  batchStartThreshold: Number.MAX_SAFE_INTEGER,
};

/**
 * Keeps the present state of a file from being written over by a server, until the function that it
 * returns is called. Needs a file whose meta pages are good, and looks at nothing else.
 */
export function holdState(dir: string): () => Promise<void> {
  const root = open(dir, { ...OPTIONS, readOnly: true });
  const transaction = root.useReadTransaction();
  return () => {
    transaction.done();
    return root.close();
  };
}

/** An open store file and everything in it, by kind. */
export class Environment {
  readonly #root: RootDatabase<Buffer, string>;
  readonly #dir: string;

  readonly schema;
  readonly counters;
  readonly markets;
  readonly totals;
  readonly positions;
  readonly openOrders;
  readonly finishedOrders;
  /** Finished orders without a client order id, by finish time. */
  readonly finishTimes;
  /** Finished orders with a client order id, by finish time. */
  readonly clientOrderIds;
  readonly trades;
  /** Undefined where a store of an earlier version, which has none, is only read. */
  readonly sessions;
  /** As sessions. */
  readonly journaled;
  /** As sessions: what was set of markets while the exchange ran. */
  readonly administered;
  /** As sessions: wallets whose open orders are to be cancelled. */
  readonly timers;
  /**
   * What there is of each wallet: orders by id, finished ones by finish time and id, trades by id. Undefined
   * where a store of version 1, which has none, is only read; so are the next two.
   */
  readonly wallets;
  /** Up to where orders and trades have been pruned, and up to where they are in the indexes by wallet. */
  readonly pruned;
  readonly indexed;

  /**
   * Opens the file of a directory, or makes it. Without waiting, because a thread that is terminated
   * within LMDB's opening can take the process with it. Throws what LMDB throws, and StoreError.
   */
  constructor(dir: string, { readOnly = false } = {}) {
    this.#dir = dir;
    this.#root = open<Buffer, string>(dir, { ...OPTIONS, readOnly });
    this.schema = this.#table("schema", schemaForm);
    this.counters = this.#table("counters", countersForm);
    this.markets = this.#table("markets", marketForm);
    this.totals = this.#table("totals", totalsForm);
    this.positions = this.#table("positions", positionForm);
    this.openOrders = this.#table("open-orders", orderForm);
    this.finishedOrders = this.#table("finished-orders", orderForm);
    this.finishTimes = this.#table("finish-times", finishedOrderForm);
    this.clientOrderIds = this.#table("client-order-ids", finishedClientOrderIdForm);
    this.trades = this.#table("trades", tradeForm);
    this.sessions = readOnly
      ? this.#tableIfThere("sessions", sessionForm)
      : this.#table("sessions", sessionForm);
    this.journaled = readOnly
      ? this.#tableIfThere("journaled", journaledForm)
      : this.#table("journaled", journaledForm);
    this.timers = readOnly
      ? this.#tableIfThere("timers", timerForm)
      : this.#table("timers", timerForm);
    this.administered = readOnly
      ? this.#tableIfThere("administered-markets", administeredForm)
      : this.#table("administered-markets", administeredForm);
    const indexed = !readOnly || this.#isThere("wallet-orders");
    this.wallets = indexed
      ? {
          orders: new WalletIndex(this.#root, dir, "wallet-orders", 1),
          finishes: new WalletIndex(this.#root, dir, "wallet-finishes", 2),
          trades: new WalletIndex(this.#root, dir, "wallet-trades", 1),
        }
      : undefined;
    this.pruned = indexed ? this.#table("pruned", prunedForm) : undefined;
    this.indexed = indexed ? this.#table("indexed", indexedForm) : undefined;
  }

  /** The present state, for reads that must agree with one another; end it with `done`. */
  snapshot(): Transaction {
    return this.#root.useReadTransaction();
  }

  /**
   * Ends the state that reads have had, at once. lmdb does so when the event loop turns; until then a
   * server that writes must keep its pages, and a write to a terminal may block for hours.
   */
  endReads(): void {
    this.#root.resetReadTxn();
  }

  /** Frees what readers have left that were killed: for them, too, pages would be kept. */
  clearDeadReaders(): void {
    this.#root.readerCheck();
  }

  /**
   * Writes the present state to a new file in a directory, from another thread; until that is done it is a
   * reader to all others. Rejects with LMDB's error, and then there may be a part of it.
   * @param compact without free pages, and without keeping anybody from writing for a moment
   */
  copyTo(dir: string, compact: boolean): Promise<void> {
    return this.#root.backup(dir, compact);
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #table<K extends Key, T>(name: string, form: RecordForm<K, T>): Table<K, T> {
    return new Table(this.#root, this.#dir, name, form);
  }

  #tableIfThere<K extends Key, T>(name: string, form: RecordForm<K, T>): Table<K, T> | undefined {
    return this.#isThere(name) ? this.#table(name, form) : undefined;
  }

  /** The root has a record for each database, under its name; `doesExist` says nothing of those. */
  #isThere(name: string): boolean {
    return [...this.#root.getKeys({ start: name, limit: 1 })].includes(name);
  }
}
