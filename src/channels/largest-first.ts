/**
 * Finds one of the largest of many items whose sizes change, at a cost that does not depend on how many there are.
 *
 * Items are kept by the power of two that their size has, so what is found is at least half as large as the largest.
 *
 * Invariant: an item is in one class, that of the size it was given last; of size 0 it is in none.
 */
export class LargestFirst<T> {
  readonly #classes: Set<T>[] = [];

  /** Says how large an item is now, and was; both are at least 0. */
  resize(item: T, before: number, now: number): void {
    const [from, to] = [classOf(before), classOf(now)];
    if (from === to) return;
    if (from > 0 && this.#classes[from]?.delete(item) !== true)
      throw new Error(`largest first: no item has had the size ${before}`);
    if (to === 0) return;
    while (this.#classes.length <= to) this.#classes.push(new Set());
    this.#classes[to]?.add(item);
  }

  /** One that is at least half as large as any; the one that has been so for longest. */
  get largest(): T | undefined {
    for (let size = this.#classes.length - 1; size > 0; size--) {
      for (const item of this.#classes[size] ?? []) return item;
    }
    return undefined;
  }
}

/** 0 for 0, and one more for each doubling from 1 on. */
function classOf(size: number): number {
  return size === 0 ? 0 : Math.floor(Math.log2(size)) + 1;
}
