import type { MarketId } from "../contract/messages.js";

/** One entry of a mirror changed. */
export interface MirrorChange<T> {
  readonly marketId: MarketId;
  /** Undefined where it is gone. */
  readonly value: T | undefined;
  /** Undefined where it is new. */
  readonly previous: T | undefined;
}

/**
 * What the server said last about each market, kept from the messages. Values are never changed in
 * place. While the client reconnects the last known ones stay; they are replaced when data flow again.
 */
export interface Mirror<T> extends Iterable<T> {
  readonly size: number;
  /** `marketId` as a number or as a string. */
  get(marketId: MarketId): T | undefined;
  /** Calls `listener` for each change from now on; returns a function that ends it. */
  onChange(listener: (change: MirrorChange<T>) => void): () => void;
}
