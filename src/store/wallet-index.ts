import type { Database, RangeOptions, RootDatabase, Transaction } from "lmdb";
import { requireKey } from "./record-key.js";
import { damaged } from "./store-error.js";
import type { Operation } from "./table.js";

const RADIX = 36;
/** Of a number in a key: those of the largest safe integer. */
const DIGITS = Number.MAX_SAFE_INTEGER.toString(RADIX).length;
/** Behind every digit. */
const BEHIND = "~";
const NOTHING = Buffer.alloc(1);

/**
 * What there is of each wallet, as keys alone: the wallet as JSON, which no other wallet's begins with, and
 * numbers of equal length, by which they are in order. Who finds something by them looks whether it is the
 * wallet's, so a key that was damaged leads nobody to what is somebody else's.
 */
export class WalletIndex {
  readonly name: string;
  readonly #database: Database<Buffer, string>;
  readonly #numbers: number;

  /**
   * Throws StoreError where the environment is read-only and has no such database.
   * @param numbers of a key
   */
  constructor(environment: RootDatabase, dir: string, name: string, numbers: number) {
    this.name = name;
    this.#numbers = numbers;
    const database: Database<Buffer, string> | undefined = environment.openDB<Buffer, string>(
      name,
      { encoding: "binary" },
    );
    if (database === undefined) throw damaged(dir, `it has no database ${name}`);
    this.#database = database;
  }

  /** Throws Error where LMDB would not take the key. */
  put(wallet: string, ...numbers: readonly number[]): Operation {
    const key = keyOf(wallet, numbers);
    requireKey(key);
    return { write: () => this.#database.put(key, NOTHING) };
  }

  remove(wallet: string, ...numbers: readonly number[]): Operation {
    return { write: () => this.#database.remove(keyOf(wallet, numbers)) };
  }

  has(transaction: Transaction, wallet: string, ...numbers: readonly number[]): boolean {
    return this.#database.get(keyOf(wallet, numbers), { transaction }) !== undefined;
  }

  /** A wallet's numbers, the highest first, below `before`; at most `limit` of them. */
  below(wallet: string, before: readonly number[] | undefined, limit: number): number[][] {
    const prefix = keyOf(wallet, []);
    const start = before === undefined ? prefix + BEHIND : keyOf(wallet, before);
    return this.#range({ start, end: prefix, reverse: true, exclusiveStart: true, limit });
  }

  /** A wallet's numbers, the lowest first, from `from` on; at most `limit` of them. */
  from(wallet: string, from: readonly number[], limit: number): number[][] {
    return this.#range({ start: keyOf(wallet, from), end: keyOf(wallet, []) + BEHIND, limit });
  }

  #range(range: RangeOptions): number[][] {
    return [...this.#database.getKeys(range)].map((key) => this.#numbersOf(key));
  }

  #numbersOf(key: string): number[] {
    const digits = key.slice(-DIGITS * this.#numbers);
    return Array.from({ length: this.#numbers }, (_, at) =>
      Number.parseInt(digits.slice(at * DIGITS, (at + 1) * DIGITS), RADIX),
    );
  }
}

function keyOf(wallet: string, numbers: readonly number[]): string {
  const digits = numbers.map((number) => number.toString(RADIX).padStart(DIGITS, "0"));
  return JSON.stringify(wallet) + digits.join("");
}
