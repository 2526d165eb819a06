/**
 * Items that wait for their turn, grouped: groups take turns, and in each group its items. So a group's
 * items wait for each other, and not for all that another group has.
 */
export class FairQueue<Group, Item> {
  readonly #groups = new Map<Group, Set<Item>>();

  /** The group whose turn it is; undefined where nothing waits. */
  get next(): Group | undefined {
    for (const group of this.#groups.keys()) return group;
    return undefined;
  }

  has(group: Group): boolean {
    return this.#groups.has(group);
  }

  add(group: Group, item: Item): void {
    const items = this.#groups.get(group);
    if (items === undefined) this.#groups.set(group, new Set([item]));
    else items.add(item);
  }

  delete(group: Group, item: Item): void {
    const items = this.#groups.get(group);
    if (items?.delete(item) && items.size === 0) this.#groups.delete(group);
  }

  /** Takes the item whose turn it is out, and puts its group behind the others. */
  take(): Item | undefined {
    for (const [group, items] of this.#groups) {
      this.#groups.delete(group);
      for (const item of items) {
        items.delete(item);
        if (items.size > 0) this.#groups.set(group, items);
        return item;
      }
    }
    return undefined;
  }

  /** Moves all of a group behind what waits in another queue. */
  move(group: Group, to: FairQueue<Group, Item>): void {
    const items = this.#groups.get(group);
    if (items === undefined) return;
    this.#groups.delete(group);
    const there = to.#groups.get(group);
    if (there === undefined) to.#groups.set(group, items);
    else for (const item of items) there.add(item);
  }

  /** Moves everything. */
  moveAll(to: FairQueue<Group, Item>): void {
    for (const group of [...this.#groups.keys()]) this.move(group, to);
  }

  clear(): void {
    this.#groups.clear();
  }
}
