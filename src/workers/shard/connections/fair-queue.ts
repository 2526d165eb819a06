/** The items of a group, by rank. */
interface Waiting<Item> {
  readonly byRank: (Set<Item> | undefined)[];
  size: number;
}

/**
 * Items that wait for their turn, grouped: groups take turns, and in each group its items, those of the
 * lowest rank first. So a group's items wait for each other, and not for all that another group has.
 */
export class FairQueue<Group, Item> {
  readonly #groups = new Map<Group, Waiting<Item>>();

  /** The group whose turn it is; undefined where nothing waits. */
  get next(): Group | undefined {
    for (const group of this.#groups.keys()) return group;
    return undefined;
  }

  has(group: Group): boolean {
    return this.#groups.has(group);
  }

  /** @param rank a small integer from 0 on */
  add(group: Group, item: Item, rank = 0): void {
    let waiting = this.#groups.get(group);
    if (waiting === undefined) {
      waiting = { byRank: [], size: 0 };
      this.#groups.set(group, waiting);
    }
    const items = waiting.byRank[rank] ?? new Set();
    waiting.byRank[rank] = items;
    if (items.has(item)) return;
    items.add(item);
    waiting.size++;
  }

  delete(group: Group, item: Item): void {
    const waiting = this.#groups.get(group);
    if (waiting === undefined) return;
    for (const items of waiting.byRank) if (items?.delete(item)) waiting.size--;
    if (waiting.size === 0) this.#groups.delete(group);
  }

  /** Takes the item whose turn it is out, and puts its group behind the others. */
  take(): Item | undefined {
    for (const [group, waiting] of this.#groups) {
      this.#groups.delete(group);
      for (const items of waiting.byRank) {
        if (items === undefined) continue;
        for (const item of items) {
          items.delete(item);
          if (--waiting.size > 0) this.#groups.set(group, waiting);
          return item;
        }
      }
    }
    return undefined;
  }

  /** Moves all of a group behind what waits in another queue. */
  move(group: Group, to: FairQueue<Group, Item>): void {
    const waiting = this.#groups.get(group);
    if (waiting === undefined) return;
    this.#groups.delete(group);
    if (!to.has(group)) {
      to.#groups.set(group, waiting);
      return;
    }
    for (const [rank, items] of waiting.byRank.entries())
      for (const item of items ?? []) to.add(group, item, rank);
  }

  /** Moves everything. */
  moveAll(to: FairQueue<Group, Item>): void {
    for (const group of [...this.#groups.keys()]) this.move(group, to);
  }

  clear(): void {
    this.#groups.clear();
  }
}
