import type { MarketId } from "../contract/messages.js";
import { parseMarketId } from "../shared/market-id.js";
import { Emitter } from "./emitter.js";
import type { Mirror, MirrorChange } from "./mirror.js";

/** A mirror that can be written. */
export class MirrorStore<T> implements Mirror<T> {
  readonly #values = new Map<MarketId, T>();
  readonly #changes: Emitter<{ change: MirrorChange<T> }>;
  /** Those that the server has not said again since `doubt`. */
  #doubted = new Set<MarketId>();

  constructor(onThrow: (thrown: unknown) => void) {
    this.#changes = new Emitter(onThrow);
  }

  get size(): number {
    return this.#values.size;
  }

  get(marketId: MarketId): T | undefined {
    const id = typeof marketId === "string" ? parseMarketId(marketId) : marketId;
    return id === undefined ? undefined : this.#values.get(id);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#values.values();
  }

  onChange(listener: (change: MirrorChange<T>) => void): () => void {
    return this.#changes.add("change", listener);
  }

  /** Takes what the server says of a market. */
  set(marketId: MarketId, value: T): void {
    this.confirm(marketId);
    this.change(marketId, value);
  }

  /** The server says again what it said before of a market. */
  confirm(marketId: MarketId): void {
    if (this.#doubted.size > 0) this.#doubted.delete(marketId);
  }

  /** Changes a value, which is as doubtful then as it was before. */
  change(marketId: MarketId, value: T): void {
    const previous = this.#values.get(marketId);
    this.#values.set(marketId, value);
    this.#changes.emit("change", { marketId, value, previous });
  }

  delete(marketId: MarketId): void {
    const previous = this.#values.get(marketId);
    if (previous === undefined) return;
    this.#values.delete(marketId);
    this.#changes.emit("change", { marketId, value: undefined, previous });
  }

  /** Deletes all for which `keep` does not hold. */
  retain(keep: (value: T) => boolean): void {
    for (const [marketId, value] of [...this.#values]) if (!keep(value)) this.delete(marketId);
  }

  /** The server is about to say everything anew; what it does not say again is gone. */
  doubt(): void {
    this.#doubted = new Set(this.#values.keys());
  }

  /** The server has said everything: deletes what it did not. */
  settle(): void {
    const gone = this.#doubted;
    this.#doubted = new Set();
    for (const marketId of gone) this.delete(marketId);
  }
}
