import { join } from "node:path";
import type { Order, Trade } from "../engine/order.js";
import { Journal } from "../journal/journal.js";
import { JournalError } from "../journal/journal-error.js";
import { MergedBatches, type StoredState, stateAfter } from "./merged-batches.js";
import { requireKey } from "./record-key.js";
import { positionForm } from "./records.js";
import { reasonOf, StoreError, type StoreErrorCode } from "./store-error.js";
import { decodeBatch, encodeBatch, type StoredBatch } from "./stored-batch.js";

/** Of each segment: some seconds of trading, and no more than a small disk has. */
const SEGMENT_BYTES = 4 * 1024 * 1024;

/** Of one that is made for a single batch: more than any batch has. */
const LARGEST_SEGMENT_BYTES = 1024 * 1024 * 1024;

/** Records that may be merged into one. */
const MERGED_PER_RECORD = 10;

const CODES: Readonly<Record<JournalError["code"], StoreErrorCode>> = {
  JOURNAL_DAMAGED: "STORE_DAMAGED",
  JOURNAL_GAP: "STORE_DAMAGED",
  JOURNAL_VERSION: "STORE_VERSION",
  JOURNAL_UNREADABLE: "STORE_UNREADABLE",
  JOURNAL_WRITE_FAILED: "STORE_WRITE_FAILED",
  JOURNAL_SEGMENT_MISSING: "STORE_WRITE_FAILED",
  JOURNAL_RECORD_TOO_LARGE: "STORE_WRITE_FAILED",
};

/** The journal's directory in the store's. */
export function journalDirectory(dir: string): string {
  return join(dir, "journal");
}

/** A batch that is in the journal and not in the trees. */
interface Pending {
  readonly number: number;
  readonly batch: StoredBatch;
  readonly records: number;
}

/** Batches that go into the trees in one transaction, as one. */
interface Prefix {
  readonly batch: StoredBatch;
  /** The trees contain the journal up to it from then on. */
  readonly number: number;
  readonly length: number;
}

/**
 * The journal of a store, and what of it the trees do not contain yet.
 *
 * Invariant: `#pending` are the batches behind the number up to which the trees contain the journal, in its
 * order and without gaps. Trees and pending batches together are what is stored.
 */
export class StoreJournal {
  readonly #journal: Journal;
  #pending: Pending[];
  #records = 0;
  /** Of the pending batches, as the last one of them has it. */
  readonly #orders = new Map<number, Order>();
  readonly #trades = new Map<number, Trade>();

  private constructor(journal: Journal, pending: Pending[]) {
    this.#journal = journal;
    this.#pending = pending;
    for (const one of pending) this.#note(one);
  }

  #note({ batch: { changes }, records }: Pending): void {
    this.#records += records;
    for (const order of changes.orders) this.#orders.set(order.orderId, order);
    for (const trade of changes.trades) this.#trades.set(trade.tradeId, trade);
  }

  #forget({ batch: { changes }, records }: Pending): void {
    this.#records -= records;
    for (const order of changes.orders)
      if (this.#orders.get(order.orderId) === order) this.#orders.delete(order.orderId);
    for (const { tradeId } of changes.trades) this.#trades.delete(tradeId);
  }

  /**
   * Opens the journal of a store whose trees contain it up to `after`. Rejects with StoreError.
   * @param keptBytes so much of what the trees contain stays, for whoever follows the journal
   */
  static async open(dir: string, after: number, keptBytes = 0): Promise<StoreJournal> {
    const pending: Pending[] = [];
    const path = journalDirectory(dir);
    try {
      const journal = await Journal.open(
        path,
        { after, segmentBytes: SEGMENT_BYTES, largestBytes: LARGEST_SEGMENT_BYTES, keptBytes },
        ({ number, payload }) => {
          pending.push(pendingOf(number, decoded(path, number, payload)));
        },
      );
      return new StoreJournal(journal, pending);
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  /** Where a batch that was cut short while it was written has been cut off. */
  get torn(): Journal["torn"] {
    return this.#journal.torn;
  }

  /** Records of the batches that the trees do not contain. */
  get records(): number {
    return this.#records;
  }

  /** Number of the last batch that is on disk. */
  get last(): number {
    return this.#journal.last;
  }

  /**
   * Resolves when a batch is on disk. Rejects with StoreError, and then it is not there; and with Error where the trees
   * could not have it, or as something else.
   */
  async append(batch: StoredBatch): Promise<void> {
    for (const position of batch.changes.positions) requireKey(positionForm.keyOf(position));
    await this.#append(encodeBatch(batch), batch);
  }

  /**
   * Resolves with the batch of another store's journal when it is on disk here, as the same record. Rejects with
   * StoreError, and then it is not there.
   */
  async appendEncoded(bytes: Buffer): Promise<StoredBatch> {
    const batch = decoded("the journal that is followed", this.last + 1, bytes);
    await this.#append(bytes, batch);
    return batch;
  }

  async #append(bytes: Buffer, batch: StoredBatch): Promise<void> {
    try {
      const number = await this.#journal.append(bytes);
      const one = pendingOf(number, batch);
      this.#pending.push(one);
      this.#note(one);
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  /**
   * The first of what the trees lack up to number `until`, about so many records when it is merged at most;
   * undefined where they lack nothing.
   */
  prefix(recordsMax: number, until: number): Prefix | undefined {
    const merged = new MergedBatches();
    let number = 0;
    let length = 0;
    let looked = 0;
    for (const one of this.#pending) {
      if (one.number > until || merged.records >= recordsMax) break;
      // To merge takes time as well.
      if (looked >= MERGED_PER_RECORD * recordsMax) break;
      merged.add(one.batch);
      looked += one.records;
      number = one.number;
      length++;
    }
    return length === 0 ? undefined : { batch: merged.batch, number, length };
  }

  /** The trees contain a prefix. What cannot be removed is tried again with the next one. */
  async contained({ number, length }: Prefix): Promise<void> {
    for (const one of this.#pending.splice(0, length)) this.#forget(one);
    await this.#journal.release(number).catch(() => {});
  }

  /** Makes of a state of the trees one with what they lack at present. */
  completion(): (state: StoredState) => StoredState {
    const all = this.prefix(Number.POSITIVE_INFINITY, this.last);
    return (state) => (all === undefined ? state : stateAfter(state, all.batch));
  }

  /** The batches that the trees lack. */
  get waiting(): readonly StoredBatch[] {
    return this.#pending.map(({ batch }) => batch);
  }

  /** An order as it is stored, where the trees lack that. */
  order(orderId: number): Order | undefined {
    return this.#orders.get(orderId);
  }

  /** A trade that the trees lack. */
  trade(tradeId: number): Trade | undefined {
    return this.#trades.get(tradeId);
  }

  /** The trades that the trees lack, behind one. */
  tradesAfter(tradeId: number): readonly Trade[] {
    return [...this.#trades.values()].filter((trade) => trade.tradeId > tradeId);
  }

  /** Rejects with STORE_WRITE_FAILED while the journal cannot be written. */
  async probe(): Promise<void> {
    try {
      await this.#journal.probe();
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  close(): Promise<void> {
    return this.#journal.close();
  }
}

function decoded(path: string, number: number, payload: Buffer): StoredBatch {
  try {
    return decodeBatch(payload);
  } catch (cause) {
    throw new StoreError(
      "STORE_DAMAGED",
      `${path} is damaged: record ${number}: ${reasonOf(cause)}; restore it from a backup`,
      { cause },
    );
  }
}

function pendingOf(number: number, batch: StoredBatch): Pending {
  const { orders, trades, positions, totals, timers, markets } = batch.changes;
  const { put, removed } = batch.sessions;
  const lists = [orders, trades, positions, totals, timers, markets, put, removed];
  const records = lists.reduce((sum, { length }) => sum + length, 0);
  return { number, batch, records };
}

/** What the store says of an error of the journal; any other as it is. */
export function storeErrorOf(error: unknown): unknown {
  if (!(error instanceof JournalError)) return error;
  return new StoreError(CODES[error.code], error.message, { cause: error });
}
