import type { MarketId } from "../shared/market-id.js";
import type { ArchiveEnvironment } from "./archive-environment.js";
import { decodeValue, indexKey, readIndex } from "./archive-form.js";

/** A market as the archive knows it, listed at present or not. */
export interface ArchivedMarket {
  readonly index: number;
  readonly marketId: MarketId;
  readonly tickSize: number;
  readonly lotSize: number;
}

/** The markets of an archive, which get more while it is read. A market whose steps have changed is another one. */
export class ArchivedMarkets {
  readonly #environment: ArchiveEnvironment;
  /** Oldest first. */
  readonly #byId = new Map<MarketId, readonly ArchivedMarket[]>();
  readonly #byIndex: ArchivedMarket[] = [];

  constructor(environment: ArchiveEnvironment) {
    this.#environment = environment;
  }

  /** All with an id, one for each change of its steps, oldest first; throws ArchiveDamage. */
  of(marketId: MarketId): readonly ArchivedMarket[] {
    this.load();
    return this.#byId.get(marketId) ?? [];
  }

  /** The one of an index, among those that were there at the last {@link load}. */
  at(index: number): ArchivedMarket | undefined {
    return this.#byIndex[index];
  }

  /** Takes in what has come. */
  load(): void {
    const start = indexKey(this.#byIndex.length);
    for (const { key, value } of this.#environment.markets.getRange({ start })) {
      const index = readIndex(key);
      const market = { ...decodeValue<Omit<ArchivedMarket, "index">>(value), index };
      this.#byIndex[index] = market;
      this.#byId.set(market.marketId, [...(this.#byId.get(market.marketId) ?? []), market]);
    }
  }
}
