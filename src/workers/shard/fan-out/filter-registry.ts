import type { CanonicalFilter } from "../../../contract/canonical-filter.js";
import { FairBudget, type Holder } from "../connections/fair-budget.js";
import type { MirrorMarket } from "./mirror-market.js";

/**
 * One distinct filter of `Markets` and what it said of each market when that was evaluated last:
 * once per changed market, however many connections use it. It has room for the markets there are.
 */
export class ActiveFilter {
  readonly filter: CanonicalFilter | null;
  /** Whose budget it is of: that of the first who asked for it, for as long as anybody uses it. */
  readonly holder: Holder | undefined;
  users = 0;
  /** Round whose changes it knows of. */
  evaluatedRound = -1;
  #matching: Uint8Array;
  /** By slot: the round in which the market ceased to match; there once one has. */
  #unmatchedRound: Float64Array | undefined;

  /** @param markets as many as it is made for; it grows with them */
  constructor(filter: CanonicalFilter | null, markets: number, holder?: Holder) {
    this.filter = filter;
    this.holder = holder;
    this.#matching = new Uint8Array(markets);
  }

  evaluate(markets: Iterable<MirrorMarket>, round: number): void {
    this.evaluatedRound = round;
    for (const market of markets) {
      const { slot } = market;
      if (slot >= this.#matching.length) this.#grow(slot + 1);
      const matches = matchesFilter(this.filter, market) ? 1 : 0;
      if (matches === 0 && this.#matching[slot] === 1) {
        this.#unmatchedRound ??= new Float64Array(this.#matching.length);
        this.#unmatchedRound[slot] = round;
      }
      this.#matching[slot] = matches;
    }
  }

  matches(slot: number): boolean {
    return this.#matching[slot] === 1;
  }

  /** Whether the market ceased to match after `round`. */
  unmatchedSince(slot: number, round: number): boolean {
    return (this.#unmatchedRound?.[slot] ?? 0) > round;
  }

  /** Forgets everything: the markets are other ones now. */
  clear(): void {
    this.#matching.fill(0);
    this.#unmatchedRound = undefined;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, 2 * this.#matching.length);
    const [matching, unmatchedRound] = [this.#matching, this.#unmatchedRound];
    this.#matching = new Uint8Array(capacity);
    this.#matching.set(matching);
    if (unmatchedRound === undefined) return;
    this.#unmatchedRound = new Float64Array(capacity);
    this.#unmatchedRound.set(unmatchedRound);
  }
}

/**
 * The distinct filters in use, counted by audience. The filter of every market is free; each other one
 * takes a place in a budget that is shared fairly.
 */
export class FilterRegistry {
  readonly #budget: FairBudget;
  readonly #filters = new Map<string, ActiveFilter>();

  /** @param max distinct filters in all */
  constructor(max: number) {
    this.#budget = new FairBudget(max);
  }

  get all(): Iterable<ActiveFilter> {
    return this.#filters.values();
  }

  /** Filters that take a place in the budget. */
  get size(): number {
    return this.#budget.taken;
  }

  get max(): number {
    return this.#budget.max;
  }

  get(key: string): ActiveFilter | undefined {
    return this.#filters.get(key);
  }

  /** Whether somebody may use these filters; those that are in use already cost nothing. */
  mayAcquire(holder: Holder, filters: ReadonlyMap<string, CanonicalFilter | null>): boolean {
    let places = 0;
    for (const [key, filter] of filters) {
      if (filter !== null && !this.#filters.has(key)) places++;
    }
    return this.#budget.mayTake(holder, places);
  }

  acquire(
    key: string,
    filter: CanonicalFilter | null,
    holder: Holder,
    markets: readonly MirrorMarket[],
    round: number,
  ): ActiveFilter {
    let active = this.#filters.get(key);
    if (active === undefined) {
      active = new ActiveFilter(filter, markets.length, filter === null ? undefined : holder);
      if (active.holder !== undefined) this.#budget.take(active.holder);
      active.evaluate(markets, round);
      this.#filters.set(key, active);
    }
    active.users++;
    return active;
  }

  release(key: string): void {
    const active = this.#filters.get(key);
    if (active === undefined || --active.users > 0) return;
    this.#filters.delete(key);
    if (active.holder !== undefined) this.#budget.giveBack(active.holder);
  }
}

/** Whether a market meets every condition of a filter; volumes compare in real units. */
export function matchesFilter(filter: CanonicalFilter | null, market: MirrorMarket): boolean {
  if (filter === null) return true;
  if (filter.status !== undefined && !filter.status.includes(market.status)) return false;
  if (filter.search !== undefined && !market.titleInLowerCase.includes(filter.search)) return false;
  if (filter.min_volume === undefined && filter.max_volume === undefined) return true;
  const volume = market.quantityScale.toNumber(market.volume);
  return (
    volume >= (filter.min_volume ?? 0) && volume <= (filter.max_volume ?? Number.POSITIVE_INFINITY)
  );
}
