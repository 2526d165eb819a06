import { join } from "node:path";
import type { Environment } from "./environment.js";
import { reasonOf, StoreError } from "./store-error.js";
import { DATA_FILE, openOrCreate, reopen } from "./store-file.js";
import type { Operation } from "./table.js";

/**
 * The trees of a store, in one LMDB file. Writes happen one after another, and none while somebody has a turn.
 * After a failed one the file is opened anew, because LMDB does not say what state a failure leaves it in.
 */
export class Trees {
  readonly #dir: string;
  #environment: Environment | undefined;
  /** Ends with the last of what has been queued. */
  #queue: Promise<unknown> = Promise.resolve();
  /** After a failed write, until the file is closed: LMDB opens one once in a process. */
  #closing: Promise<void> | undefined;
  #ended = false;

  private constructor(dir: string, environment: Environment) {
    this.#dir = dir;
    this.#environment = environment;
  }

  static async open(dir: string): Promise<Trees> {
    return new Trees(dir, await openOrCreate(dir));
  }

  /** As they are; opened anew after a failed write. Throws StoreError while what that has left is closed. */
  get environment(): Environment {
    if (this.#closing !== undefined)
      throw writeFailed(this.#dir, new Error("it is being opened anew"));
    this.#environment ??= reopen(this.#dir);
    return this.#environment;
  }

  /**
   * Resolves when operations are on disk, as one transaction. Rejects with STORE_WRITE_FAILED, and then none is.
   * @param written called in the same turn, before anything else sees what is written
   */
  write(
    operations: (environment: Environment) => readonly Operation[],
    written?: () => void,
  ): Promise<void> {
    return this.inTurn(async () => {
      await this.writeNow(operations);
      written?.();
    });
  }

  /** Does something when all that was asked for before has ended. Rejects after {@link end}. */
  async inTurn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#ended) throw new Error("the store is closed");
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Resolves at once, but while what a failed write has left is closed. */
  async settled(): Promise<void> {
    await this.#closing;
  }

  /** Writes in the turn that the caller has. */
  async writeNow(operations: (environment: Environment) => readonly Operation[]): Promise<void> {
    const { environment } = this;
    const writes = operations(environment);
    try {
      // All in one turn of the event loop, which makes them one transaction.
      await Promise.all(writes.map(({ write }) => write()));
    } catch (error) {
      this.#environment = undefined;
      this.#closing = environment.close().finally(() => {
        this.#closing = undefined;
      });
      await this.#closing;
      throw writeFailed(this.#dir, await commitError(error));
    }
  }

  /** Takes no further turns; resolves when all that were asked for have ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#queue;
  }

  async close(): Promise<void> {
    await this.#environment?.close();
  }
}

export function writeFailed(dir: string, error: unknown): StoreError {
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
