import type { EngineChanges } from "../../src/engine/commands.js";
import type { Order } from "../../src/engine/order.js";
import type { ExchangeStore } from "../../src/exchange/exchange.js";
import type { Stretch } from "../../src/shared/time-stretches.js";
import type { StoredState } from "../../src/store/merged-batches.js";
import type { Store } from "../../src/store/store.js";
import type { SessionWrites } from "../../src/store/stored-batch.js";

/** A real store whose commits a test holds back after they are on disk, or has fail before. */
export class HeldStore implements ExchangeStore {
  /** What has been committed. */
  readonly commits: EngineChanges[] = [];
  /** While it is set, writes fail with it. */
  failure: Error | undefined;
  readonly #store: Store;
  #held = false;
  #waiting: (() => void)[] = [];
  readonly #lost = new Set<number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Commits from now on resolve with {@link release} only. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** An order is not found any more. */
  lose(orderId: number): void {
    this.#lost.add(orderId);
  }

  /** Commits that are on disk and have not resolved. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async commit(
    changes: EngineChanges,
    stretches: readonly Stretch[],
    latestTs: number,
    sessions?: SessionWrites,
  ): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    await this.#store.commit(changes, stretches, latestTs, sessions);
    this.commits.push(changes);
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get last(): number {
    return this.#store.last;
  }

  /** What probing does in place of trying the store, if a test says so. */
  probed: (() => Promise<void>) | undefined;

  async probe(): Promise<void> {
    if (this.probed !== undefined) return this.probed();
    if (this.failure !== undefined) throw this.failure;
    await this.#store.probe();
  }

  /** What a loaded state waits for, if a test says so. */
  loading: Promise<void> | undefined;

  async load(): Promise<StoredState> {
    const state = await this.#store.load();
    await this.loading;
    return state;
  }

  order(orderId: number): Order | undefined {
    return this.#lost.has(orderId) ? undefined : this.#store.order(orderId);
  }

  read: Store["read"] = (query) => this.#store.read(query);

  /** How many prunings have ended. */
  prunings = 0;

  async prune(nowMicros: number, stretches: readonly Stretch[]): Promise<number> {
    const count = await this.#store.prune(nowMicros, stretches);
    this.prunings++;
    return count;
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
