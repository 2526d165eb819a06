import {
  compareNumbers,
  WALLET_INDEXES,
  type WalletEntry,
  type WalletIndexName,
} from "./wallet-entries.js";

/**
 * Entries of the indexes by wallet that are not in the file yet. What a batch changes of them lies all over the
 * trees, a page for each wallet, which would double what a commit costs; many batches' together, in the order of
 * their keys, are few pages. Who reads the indexes reads these beside them.
 */
export class PendingEntries {
  readonly #entries: Readonly<Record<WalletIndexName, Map<string, (readonly number[])[]>>> = {
    orders: new Map(),
    finishes: new Map(),
    trades: new Map(),
  };

  add(entries: Iterable<WalletEntry>): void {
    for (const { index, wallet, numbers } of entries) {
      const own = this.#entries[index].get(wallet);
      if (own === undefined) this.#entries[index].set(wallet, [numbers]);
      else own.push(numbers);
    }
  }

  /** Takes out entries that are in the file by now, or of records that are not there any more. */
  remove(entries: Iterable<WalletEntry>): void {
    for (const { index, wallet, numbers } of entries) {
      const own = this.#entries[index].get(wallet);
      if (own === undefined) continue;
      const at = own.findIndex((one) => compareNumbers(one, numbers) === 0);
      if (at >= 0) own.splice(at, 1);
      if (own.length === 0) this.#entries[index].delete(wallet);
    }
  }

  /** A wallet's numbers, the lowest first. */
  of(index: WalletIndexName, wallet: string): readonly (readonly number[])[] {
    return (this.#entries[index].get(wallet) ?? []).toSorted(compareNumbers);
  }

  /** All there are now, in the order of their keys, so many at a time. */
  steps(size: number): WalletEntry[][] {
    const all: WalletEntry[] = [];
    for (const index of WALLET_INDEXES)
      for (const wallet of [...this.#entries[index].keys()].sort())
        for (const numbers of this.of(index, wallet)) all.push({ index, wallet, numbers });
    const steps: WalletEntry[][] = [];
    for (let at = 0; at < all.length; at += size) steps.push(all.slice(at, at + size));
    return steps;
  }
}
