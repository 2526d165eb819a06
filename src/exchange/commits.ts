import { type CounterSection, observeCommit } from "../counters/counters.js";
import type { EngineChanges } from "../engine/commands.js";
import type { PositionClock } from "../market-data/position-clock.js";
import type { Logger } from "../shared/log.js";
import type { Store } from "../store/store.js";
import { StoreError } from "../store/store-error.js";
import type { SessionWrites } from "../store/stored-batch.js";
import type { ExchangeTime } from "./exchange-time.js";

/** A commit that takes longer is reported: orders get no answer meanwhile. */
const SLOW_COMMIT_MS = 5000;
const STORE_SLOW = `orders wait: a write of the store takes longer than ${SLOW_COMMIT_MS} ms`;

/**
 * How much later than a commit's the `ts` of what is told before the next one may be, in microseconds.
 * Books at their interval are, and `ts` stands still beyond that.
 */
export const TOLD_AFTER_COMMIT_MICROS = 250_000;

interface CommitsContext {
  readonly store: Pick<Store, "commit" | "prune" | "probe">;
  readonly time: ExchangeTime;
  readonly position: PositionClock;
  readonly counters: CounterSection;
  readonly log: Logger;
  /** Why nothing can be stored, or undefined when it can again. */
  readonly storeHealth: (reason: string | undefined) => void;
}

/** The exchange's writes to its store, and whether there can be any. */
export class Commits {
  readonly #context: CommitsContext;
  #failure: string | undefined;
  #maybeStored = false;
  #probing = false;

  constructor(context: CommitsContext) {
    this.#context = context;
  }

  /** Why nothing can be stored at the moment. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Whether the last batch that could not be stored may be found on the disk all the same, at the next start. */
  get maybeStored(): boolean {
    return this.#maybeStored;
  }

  /** Stores what a batch has changed; returns whether it is on disk. */
  async commit(changes: EngineChanges, sessions: SessionWrites): Promise<boolean> {
    const { store, time, position, counters, log, storeHealth } = this.#context;
    const startedAt = performance.now();
    let toldSlow = false;
    const slow = setTimeout(() => {
      toldSlow = true;
      storeHealth(STORE_SLOW);
    }, SLOW_COMMIT_MS);
    const limit = position.now() + TOLD_AFTER_COMMIT_MICROS;
    try {
      await store.commit(changes, time.stretches, limit, sessions);
      position.limit = limit;
    } catch (error) {
      log.error({ err: error }, "the store cannot be written; orders are refused");
      this.#failure = (error as Error).message;
      this.#maybeStored = error instanceof StoreError && error.maybeStored;
      storeHealth(`orders are refused: ${this.#failure}`);
      return false;
    } finally {
      clearTimeout(slow);
    }
    const tookMs = performance.now() - startedAt;
    if (toldSlow) storeHealth(undefined);
    observeCommit(counters, tookMs / 1000);
    return true;
  }

  /** Looks whether a store that could not be written can be again; returns whether it has become so. */
  async probe(): Promise<boolean> {
    if (this.#failure === undefined || this.#probing) return false;
    const { store, log, storeHealth } = this.#context;
    this.#probing = true;
    try {
      await store.probe();
      this.#failure = undefined;
      log.info("the store can be written again; orders are taken");
      storeHealth(undefined);
      return true;
    } catch {
      return false;
    } finally {
      this.#probing = false;
    }
  }

  /** Removes what is kept no longer; trades behind one stay. */
  async prune(lastTrade: number): Promise<void> {
    if (this.#failure !== undefined) return;
    const { store, time, log } = this.#context;
    try {
      await store.prune(time.now(), time.stretches, lastTrade);
    } catch (error) {
      log.warn({ err: error }, "the store cannot be pruned");
    }
  }
}
