/** Who takes places of a budget. */
export interface Holder {
  readonly name: string;
  /** What it shares with the holders beside it, such as the address that they come from. */
  readonly group: string;
}

/** What a group may have, as a multiple of what is free; a holder may have as much as is free. */
const GROUP_SHARE = 3;

/**
 * A bounded number of places that nobody can take from everybody else.
 *
 * The rule: *a holder may take another place while it has fewer than are free, and its group has fewer
 * than three times as many as are free.* There is no eviction and no list of who wants what; that each
 * one leaves room for the next follows from it:
 *
 * - There are never more than `max` places taken.
 * - One holder alone gets half of the places, one group of however many holders three quarters.
 * - Holders that all take what they can end with an equal share each, and leave one more such share
 *   free for whoever comes: with k of them, 1/(k + 1) of the places.
 * - Whoever comes, holder and group, may take half of what is free, whoever has the rest, and is
 *   refused its first place only where all are taken.
 */
export class FairBudget {
  readonly max: number;
  #taken = 0;
  readonly #byHolder = new Map<string, number>();
  readonly #byGroup = new Map<string, number>();

  constructor(max: number) {
    this.max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether a holder may take so many places more, one after the other. */
  mayTake({ name, group }: Holder, places = 1): boolean {
    if (places === 0) return true;
    // The last one is the hardest to get.
    const before = places - 1;
    const free = this.max - this.#taken - before;
    const own = (this.#byHolder.get(name) ?? 0) + before;
    const groups = (this.#byGroup.get(group) ?? 0) + before;
    return own < free && groups < GROUP_SHARE * free;
  }

  /** Takes places; the caller has asked whether it may, or must have them whatever the rule says. */
  take({ name, group }: Holder, places = 1): void {
    this.#taken += places;
    add(this.#byHolder, name, places);
    add(this.#byGroup, group, places);
  }

  /** Gives back places that were taken. */
  giveBack({ name, group }: Holder, places = 1): void {
    this.#taken -= places;
    add(this.#byHolder, name, -places);
    add(this.#byGroup, group, -places);
  }
}

/** Counts by key; a key without any is gone. */
function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count < 0) throw new Error(`fair budget: ${key} gives back what it does not have`);
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
