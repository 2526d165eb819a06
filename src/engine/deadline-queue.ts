/**
 * What is due at some time, by key, the earliest first: a binary heap that knows the place of each key, so
 * that moving and removing one costs as little as adding it. Of those due at one time the lowest key comes
 * first, whatever the history.
 *
 * Invariants:
 * - `#keys` and `#ats` are a heap by time, then key: no entry comes before its parent.
 * - `#places` has the index of every key, and of nothing else.
 */
export class DeadlineQueue<K extends number | string> {
  readonly #keys: K[] = [];
  readonly #ats: number[] = [];
  readonly #places = new Map<K, number>();

  get size(): number {
    return this.#keys.length;
  }

  /** The key that is due first; undefined where there is none. */
  get next(): K | undefined {
    return this.#keys[0];
  }

  /** When it is; Infinity where there is none. */
  get nextAt(): number {
    return this.#ats[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Has a key due at a time, whenever it was before. */
  set(key: K, at: number): void {
    const place = this.#places.get(key) ?? this.#keys.length;
    this.#put(place, key, at);
    this.#down(this.#up(place));
  }

  /** Removes a key, if it is there. */
  delete(key: K): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    const lastKey = this.#keys.pop() as K;
    const lastAt = this.#ats.pop() as number;
    if (place === this.#keys.length) return;
    this.#put(place, lastKey, lastAt);
    this.#down(this.#up(place));
  }

  #up(place: number): number {
    let at = place;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
    return at;
  }

  #down(place: number): void {
    for (let at = place; ; ) {
      const left = 2 * at + 1;
      if (left >= this.#keys.length) return;
      const right = left + 1;
      const least = right < this.#keys.length && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(least, at)) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#ats[a] as number) - (this.#ats[b] as number);
    return difference === 0 ? (this.#keys[a] as K) < (this.#keys[b] as K) : difference < 0;
  }

  #swap(a: number, b: number): void {
    const [key, at] = [this.#keys[a] as K, this.#ats[a] as number];
    this.#put(a, this.#keys[b] as K, this.#ats[b] as number);
    this.#put(b, key, at);
  }

  #put(place: number, key: K, at: number): void {
    this.#keys[place] = key;
    this.#ats[place] = at;
    this.#places.set(key, place);
  }
}
