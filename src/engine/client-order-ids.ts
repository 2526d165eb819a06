import type { RememberedClientOrderId } from "./commands.js";

/** Ids forgotten at most by one command, so that none has to pay for a quiet day. */
const FORGOTTEN_PER_COMMAND = 64;

interface Entry extends RememberedClientOrderId {
  finishedTs: number | undefined;
  /** The one that finished next. */
  next: Entry | undefined;
}

/**
 * The client order ids that wallets have used: those of open orders, and those of finished ones for
 * the retention time and, where nothing asks for them, a little longer.
 *
 * Invariants:
 * - Finished entries are linked from the first to finish to the last. An entry whose id was used again
 *   after its time is in the list still, but no longer in the map.
 * - A wallet has an entry in the map for at most as many ids as the limit allows.
 */
export class ClientOrderIds {
  readonly #wallets = new Map<string, Map<string, Entry>>();
  readonly #max: number;
  readonly #retentionMicros: number;
  #oldest: Entry | undefined;
  #newest: Entry | undefined;

  /** @param max ids of a wallet */
  constructor(max: number, retentionMicros: number) {
    this.#max = max;
    this.#retentionMicros = retentionMicros;
  }

  /** The order that an id was used for, undefined where it is free. */
  find(wallet: string, clientOrderId: string, ts: number): number | undefined {
    const entry = this.#wallets.get(wallet)?.get(clientOrderId);
    return entry === undefined || this.#isOver(entry, ts) ? undefined : entry.orderId;
  }

  /** Whether a wallet has as many ids as it may have. */
  isFull(wallet: string, ts: number): boolean {
    if (this.#count(wallet) < this.#max) return false;
    this.#forget(ts, Infinity);
    return this.#count(wallet) >= this.#max;
  }

  /** Remembers the id of an order; one without `finishedTs` until {@link finish} and the time after. */
  add({ wallet, clientOrderId, orderId, finishedTs }: RememberedClientOrderId): void {
    const entry: Entry = { wallet, clientOrderId, orderId, finishedTs, next: undefined };
    let entries = this.#wallets.get(wallet);
    if (entries === undefined) {
      entries = new Map();
      this.#wallets.set(wallet, entries);
    }
    entries.set(clientOrderId, entry);
    if (finishedTs !== undefined) this.#enqueue(entry);
  }

  /** The order of an id has finished. */
  finish(wallet: string, clientOrderId: string, ts: number): void {
    const entry = this.#wallets.get(wallet)?.get(clientOrderId);
    if (entry === undefined) throw new Error(`client order id ${clientOrderId} is not remembered`);
    entry.finishedTs = ts;
    this.#enqueue(entry);
  }

  /** Forgets some of the ids whose time is over. */
  expire(ts: number): void {
    this.#forget(ts, FORGOTTEN_PER_COMMAND);
  }

  #count(wallet: string): number {
    return this.#wallets.get(wallet)?.size ?? 0;
  }

  #isOver({ finishedTs }: Entry, ts: number): boolean {
    return finishedTs !== undefined && ts - finishedTs >= this.#retentionMicros;
  }

  #enqueue(entry: Entry): void {
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
  }

  #forget(ts: number, most: number): void {
    for (let forgotten = 0; forgotten < most; forgotten++) {
      const entry = this.#oldest;
      if (entry === undefined || !this.#isOver(entry, ts)) return;
      this.#oldest = entry.next;
      if (entry.next === undefined) this.#newest = undefined;
      const entries = this.#wallets.get(entry.wallet);
      if (entries?.get(entry.clientOrderId) !== entry) continue;
      entries.delete(entry.clientOrderId);
      if (entries.size === 0) this.#wallets.delete(entry.wallet);
    }
  }
}
