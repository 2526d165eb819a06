import type { EngineChanges, EngineState } from "../../../../src/engine/commands.js";
import type { Order } from "../../../../src/engine/order.js";
import type { Store } from "../../../../src/store/store.js";
import type { ExchangeStore } from "../../../../src/workers/producer/exchange/exchange.js";

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

  async commit(changes: EngineChanges): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    await this.#store.commit(changes);
    this.commits.push(changes);
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async probe(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    await this.#store.probe();
  }

  async load(): Promise<EngineState> {
    return this.#store.load();
  }

  order(orderId: number): Order | undefined {
    return this.#lost.has(orderId) ? undefined : this.#store.order(orderId);
  }

  prune(nowMicros: number): Promise<number> {
    return this.#store.prune(nowMicros);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
