/**
 * Who has come and gone since a moment, of those who come and go by turns: one who came and went, or went
 * and came again, is in neither list.
 *
 * Invariant: nobody is in both.
 */
export class NetChanges {
  /** In the order in which they came. */
  readonly joined = new Set<string>();
  readonly left = new Set<string>();

  get size(): number {
    return this.joined.size + this.left.size;
  }

  join(name: string): void {
    if (this.joined.has(name)) throw new Error("presence: one who is there joins");
    if (!this.left.delete(name)) this.joined.add(name);
  }

  leave(name: string): void {
    if (this.left.has(name)) throw new Error("presence: one who is gone leaves");
    if (!this.joined.delete(name)) this.left.add(name);
  }

  clear(): void {
    this.joined.clear();
    this.left.clear();
  }
}

/** Takes up to `max` names out of a set, the first ones. */
export function takeNames(names: Set<string>, max: number): string[] {
  const taken: string[] = [];
  for (const name of names) {
    if (taken.length >= max) break;
    taken.push(name);
  }
  for (const name of taken) names.delete(name);
  return taken;
}
