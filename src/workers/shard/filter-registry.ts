import type { MarketsFilter } from "../../codec/channels.js";
import type { MirrorMarket } from "./mirror-market.js";

/**
 * One distinct filter of `Markets` and what it said of each market when that was evaluated last:
 * once per changed market, however many connections use it.
 */
export class ActiveFilter {
  readonly filter: MarketsFilter | null;
  users = 0;
  readonly #matching: Uint8Array;
  /** By slot: the round in which the market ceased to match. */
  readonly #unmatchedRound: Float64Array;

  constructor(filter: MarketsFilter | null, capacity: number) {
    this.filter = filter;
    this.#matching = new Uint8Array(capacity);
    this.#unmatchedRound = new Float64Array(capacity);
  }

  evaluate(markets: Iterable<MirrorMarket>, round: number): void {
    for (const market of markets) {
      const matches = matchesFilter(this.filter, market) ? 1 : 0;
      if (matches === 0 && this.#matching[market.slot] === 1)
        this.#unmatchedRound[market.slot] = round;
      this.#matching[market.slot] = matches;
    }
  }

  matches(slot: number): boolean {
    return this.#matching[slot] === 1;
  }

  /** Whether the market ceased to match after `round`. */
  unmatchedSince(slot: number, round: number): boolean {
    return (this.#unmatchedRound[slot] as number) > round;
  }

  /** Forgets everything: the markets are other ones now. */
  clear(): void {
    this.#matching.fill(0);
    this.#unmatchedRound.fill(0);
  }
}

/** The distinct filters in use, counted by audience. */
export class FilterRegistry {
  readonly #capacity: number;
  readonly #filters = new Map<string, ActiveFilter>();

  /** @param capacity markets the table has room for */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get all(): Iterable<ActiveFilter> {
    return this.#filters.values();
  }

  /** How many there would be with those of `keys`. */
  sizeWith(keys: Iterable<string>): number {
    let size = this.#filters.size;
    for (const key of keys) if (!this.#filters.has(key)) size++;
    return size;
  }

  acquire(
    key: string,
    filter: MarketsFilter | null,
    markets: Iterable<MirrorMarket>,
    round: number,
  ): ActiveFilter {
    let active = this.#filters.get(key);
    if (active === undefined) {
      active = new ActiveFilter(filter, this.#capacity);
      active.evaluate(markets, round);
      this.#filters.set(key, active);
    }
    active.users++;
    return active;
  }

  release(key: string): void {
    const active = this.#filters.get(key);
    if (active !== undefined && --active.users === 0) this.#filters.delete(key);
  }
}

/** Whether a market meets every condition of a filter; volumes compare in real units. */
export function matchesFilter(filter: MarketsFilter | null, market: MirrorMarket): boolean {
  if (filter === null) return true;
  if (filter.status !== undefined && !filter.status.includes(market.status)) return false;
  if (filter.search !== undefined && !market.titleInLowerCase.includes(filter.search)) return false;
  if (filter.min_volume === undefined && filter.max_volume === undefined) return true;
  const volume = market.quantityScale.toNumber(market.volume);
  return (
    volume >= (filter.min_volume ?? 0) && volume <= (filter.max_volume ?? Number.POSITIVE_INFINITY)
  );
}
