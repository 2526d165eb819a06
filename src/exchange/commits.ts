import { type CounterSection, count, observeCommit, PRODUCER } from "../counters/counters.js";
import type { EngineChanges } from "../engine/commands.js";
import type { PositionClock } from "../market-data/position-clock.js";
import type { Logger } from "../shared/log.js";
import type { Store } from "../store/store.js";
import { StoreError } from "../store/store-error.js";
import type { SessionWrites } from "../store/stored-batch.js";
import type { ExchangeTime } from "./exchange-time.js";
import type { StandbyAcks } from "./standby-acks.js";

/** A commit that takes longer is reported: orders get no answer meanwhile. */
const SLOW_COMMIT_MS = 5000;
const STORE_SLOW = `orders wait: a write of the store takes longer than ${SLOW_COMMIT_MS} ms`;

const NO_STANDBY = "no standby confirms what is stored (--relay-ack standby)";

/**
 * What became of a batch. One that is unconfirmed is on this exchange's disk, and is not to be told: it ends without
 * having heard that a standby has it.
 */
type Committed = "stored" | "not stored" | "unconfirmed";

/**
 * How much later than a commit's the `ts` of what is told before the next one may be, in microseconds.
 * Books at their interval are, and `ts` stands still beyond that.
 */
export const TOLD_AFTER_COMMIT_MICROS = 250_000;

interface CommitsContext {
  readonly store: Pick<Store, "commit" | "prune" | "probe" | "last">;
  readonly time: ExchangeTime;
  readonly position: PositionClock;
  readonly counters: CounterSection;
  readonly log: Logger;
  /** Why nothing can be stored, or undefined when it can again. */
  readonly storeHealth: (reason: string | undefined) => void;
  /** Undefined where nobody follows the journal. */
  readonly standbyAcks?: StandbyAcks | undefined;
  /** A batch that is stored waits for a standby for longer than it may; false when it waits no more. */
  readonly held: (isHeld: boolean) => void;
  /** Nobody waits for standbys any longer than a batch may. */
  readonly isStopping: () => boolean;
}

/** The exchange's writes to its store, and whether there can be any. */
export class Commits {
  readonly #context: CommitsContext;
  #failure: string | undefined;
  #maybeStored = false;
  #probing = false;
  /** It has been said that no standby confirms. */
  #toldUnconfirmed = false;

  constructor(context: CommitsContext) {
    this.#context = context;
  }

  /** Why nothing can be stored at the moment. */
  get failure(): string | undefined {
    return this.#failure ?? (this.#isConfirmed ? undefined : NO_STANDBY);
  }

  /** Whether a standby has all that is stored, or none has to. */
  get #isConfirmed(): boolean {
    const { store, standbyAcks } = this.#context;
    return standbyAcks === undefined || standbyAcks.isConfirmed(store.last);
  }

  /** Whether the last batch that could not be stored may be found on the disk all the same, at the next start. */
  get maybeStored(): boolean {
    return this.#maybeStored;
  }

  /** Stores what a batch has changed, and waits until it may be told. */
  async commit(changes: EngineChanges, sessions: SessionWrites): Promise<Committed> {
    if (!(await this.#store(changes, sessions))) return "not stored";
    return (await this.#confirm()) ? "stored" : "unconfirmed";
  }

  async #store(changes: EngineChanges, sessions: SessionWrites): Promise<boolean> {
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

  /** Resolves with whether what is stored may be told. */
  async #confirm(): Promise<boolean> {
    const { store, standbyAcks, counters, held, isStopping } = this.#context;
    if (standbyAcks === undefined) return true;
    standbyAcks.store(store.last);
    const late = (): void => {
      count(counters, PRODUCER.batchesHeld);
      held(true);
    };
    const isTold = await standbyAcks.confirmed(store.last, late, isStopping);
    held(false);
    return isTold;
  }

  /** Says where no standby confirms; returns whether one does so again. */
  lookForStandby(): boolean {
    const { log, storeHealth } = this.#context;
    const isUnconfirmed = this.#failure === undefined && !this.#isConfirmed;
    if (isUnconfirmed === this.#toldUnconfirmed) return false;
    this.#toldUnconfirmed = isUnconfirmed;
    if (isUnconfirmed) log.error("no standby confirms what is stored; orders are refused");
    else log.info("a standby confirms what is stored; orders are taken");
    storeHealth(isUnconfirmed ? `orders are refused: ${NO_STANDBY}` : this.#failure);
    return !isUnconfirmed;
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
