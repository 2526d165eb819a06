import { setImmediate as nextTurn } from "node:timers/promises";
import { inspect } from "node:util";
import {
  compareKeys,
  type Database,
  type GetOptions,
  type Key,
  type RangeOptions,
  type RootDatabase,
} from "lmdb";
import type { RecordForm } from "./record-form.js";
import { requireKey } from "./record-key.js";
import { damaged, reasonOf, StoreError } from "./store-error.js";

/** Records that are read in one turn of the event loop, where a thread may do other things as well. */
const RECORDS_PER_TURN = 2000;

/** One write, with its record already encoded: what could fail has failed before anything is written. */
export interface Operation {
  readonly write: () => Promise<boolean>;
}

/** A named database of the environment, whose records have one form. */
export class Table<K extends Key, T> {
  readonly name: string;
  readonly #database: Database<Buffer, K>;
  readonly #form: RecordForm<K, T>;
  readonly #dir: string;

  /** Throws StoreError where the environment is read-only and has no such database. */
  constructor(environment: RootDatabase, dir: string, name: string, form: RecordForm<K, T>) {
    this.name = name;
    this.#dir = dir;
    this.#form = form;
    // Its type promises a database, but in a read-only environment there may be none.
    const database: Database<Buffer, K> | undefined = environment.openDB<Buffer, K>(name, {
      encoding: "binary",
    });
    if (database === undefined) throw damaged(dir, `it has no database ${name}`);
    this.#database = database;
  }

  /** How many records there are. */
  get size(): number {
    const { entryCount } = this.#database.getStats() as { readonly entryCount: number };
    return entryCount;
  }

  /** Throws StoreError where the record is damaged; so does {@link values}. */
  get(key: K, options: GetOptions = {}): T | undefined {
    const bytes = this.#database.get(key, options);
    return bytes === undefined ? undefined : this.#decode(key, bytes);
  }

  /** The records in the order of their keys. */
  *values(options: RangeOptions = {}): Generator<T, void> {
    for (const { key, value } of this.#database.getRange(options)) yield this.#decode(key, value);
  }

  /**
   * The records from a key on, some thousands of them in each turn of the event loop; they are one
   * state where nobody writes in between. Rejects with StoreError where a record is damaged.
   */
  async all(start?: K): Promise<T[]> {
    const all: T[] = [];
    let range: RangeOptions = { limit: RECORDS_PER_TURN, ...(start !== undefined && { start }) };
    for (;;) {
      const some = [...this.values(range)];
      for (const record of some) all.push(record);
      const last = some.at(-1);
      if (last === undefined) return all;
      range = { ...range, start: this.#form.keyOf(last), exclusiveStart: true };
      await nextTurn();
    }
  }

  /** What is there as keys, in their order; that they have the form of the table is not checked. */
  keys(options: RangeOptions): Iterable<Key> {
    return this.#database.getKeys(options);
  }

  /** The records with their keys, and for each damaged one its error. */
  *inspect(options: RangeOptions): Generator<{ key: K; value: T | StoreError }, void> {
    for (const { key, value } of this.#database.getRange(options)) {
      try {
        yield { key, value: this.#decode(key, value) };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        yield { key, value: error };
      }
    }
  }

  /** Throws Error where the record would not be found or read again as what it is. */
  put(value: T): Operation {
    const key = this.#form.keyOf(value);
    requireKey(key);
    const bytes = this.#form.encode(value);
    return { write: () => this.#database.put(key, bytes) };
  }

  remove(key: K): Operation {
    return { write: () => this.#database.remove(key) };
  }

  #decode(key: K, bytes: Buffer): T {
    try {
      const value = this.#form.decode(bytes, key);
      if (compareKeys(this.#form.keyOf(value), key) !== 0) throw new Error("it is another record");
      return value;
    } catch (error) {
      throw damaged(this.#dir, `record ${inspect(key)} of ${this.name}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}
