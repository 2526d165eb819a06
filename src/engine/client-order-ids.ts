import type { RememberedClientOrderId } from "./commands.js";

/** Ids forgotten at most by one command, so that none has to pay for a quiet day. */
const FORGOTTEN_PER_COMMAND = 64;

/** What a wallet has used. */
interface WalletIds {
  readonly wallet: string;
  readonly entries: Map<string, Entry>;
}

interface Entry {
  readonly owner: WalletIds;
  readonly clientOrderId: string;
  readonly orderId: number;
  /** In time that has passed; undefined while the order is open. */
  finishedAt: number | undefined;
  /** The one that finished next. */
  next: Entry | undefined;
}

export interface ClientOrderIdLimits {
  /** Ids of a wallet. */
  readonly maxClientOrderIds: number;
  /** Ids of all wallets together. */
  readonly maxAllClientOrderIds: number;
  /** How long the id of a finished order is remembered. */
  readonly clientOrderIdRetentionMicros: number;
}

/** Which bound a wallet has reached that may use no further id. */
export type ClientOrderIdsFull = "wallet" | "all";

/**
 * The client order ids that wallets have used: those of open orders, and those of finished ones for
 * the retention time and, where nothing asks for them, a little longer.
 *
 * A wallet may have as many as are free, so whatever the others have, as many as the largest of them are
 * left for one that has none. Of n wallets that take what they get, each has 1/(n + 1) of all.
 *
 * Invariants:
 * - Finished entries are linked from the first to finish to the last. An entry whose id was used again
 *   after its time is in the list still, but no longer in the map.
 * - `#size` is the number of entries in the maps. A wallet has an entry in its map for at most as many
 *   ids as the limits allow.
 */
export class ClientOrderIds {
  readonly #wallets = new Map<string, WalletIds>();
  readonly #limits: ClientOrderIdLimits;
  #size = 0;
  #oldest: Entry | undefined;
  #newest: Entry | undefined;

  constructor(limits: ClientOrderIdLimits) {
    this.#limits = limits;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#size;
  }

  /**
   * The order that an id was used for, undefined where it is free.
   * @param passed now, in microseconds of time that has passed; so everywhere
   */
  find(wallet: string, clientOrderId: string, passed: number): number | undefined {
    const entry = this.#wallets.get(wallet)?.entries.get(clientOrderId);
    return entry === undefined || this.#isOver(entry, passed) ? undefined : entry.orderId;
  }

  /** The bound that keeps a wallet from using another id; undefined where none does. */
  fullFor(wallet: string, passed: number): ClientOrderIdsFull | undefined {
    if (this.#bound(wallet) !== undefined) this.#forget(passed, Infinity);
    return this.#bound(wallet);
  }

  /** Remembers the id of an order; one without `finishedAt` until {@link finish} and the time after. */
  add(
    { wallet, clientOrderId, orderId }: Omit<RememberedClientOrderId, "finishedTs">,
    finishedAt?: number,
  ): void {
    let owner = this.#wallets.get(wallet);
    if (owner === undefined) {
      owner = { wallet, entries: new Map() };
      this.#wallets.set(wallet, owner);
    }
    const entry: Entry = { owner, clientOrderId, orderId, finishedAt, next: undefined };
    if (!owner.entries.has(clientOrderId)) this.#size++;
    owner.entries.set(clientOrderId, entry);
    if (finishedAt !== undefined) this.#enqueue(entry);
  }

  /** The order of an id has finished. */
  finish(wallet: string, clientOrderId: string, passed: number): void {
    const entry = this.#wallets.get(wallet)?.entries.get(clientOrderId);
    if (entry === undefined) throw new Error(`client order id ${clientOrderId} is not remembered`);
    entry.finishedAt = passed;
    this.#enqueue(entry);
  }

  /** Forgets some of the ids whose time is over. */
  expire(passed: number): void {
    this.#forget(passed, FORGOTTEN_PER_COMMAND);
  }

  #bound(wallet: string): ClientOrderIdsFull | undefined {
    const { maxClientOrderIds, maxAllClientOrderIds } = this.#limits;
    const count = this.#wallets.get(wallet)?.entries.size ?? 0;
    if (count >= maxClientOrderIds) return "wallet";
    return count >= maxAllClientOrderIds - this.#size ? "all" : undefined;
  }

  #isOver({ finishedAt }: Entry, passed: number): boolean {
    return (
      finishedAt !== undefined && passed - finishedAt >= this.#limits.clientOrderIdRetentionMicros
    );
  }

  #enqueue(entry: Entry): void {
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
  }

  #forget(passed: number, most: number): void {
    for (let forgotten = 0; forgotten < most; forgotten++) {
      const entry = this.#oldest;
      if (entry === undefined || !this.#isOver(entry, passed)) return;
      this.#oldest = entry.next;
      if (entry.next === undefined) this.#newest = undefined;
      const { owner, clientOrderId } = entry;
      if (owner.entries.get(clientOrderId) !== entry) continue;
      owner.entries.delete(clientOrderId);
      this.#size--;
      if (owner.entries.size === 0) this.#wallets.delete(owner.wallet);
    }
  }
}
