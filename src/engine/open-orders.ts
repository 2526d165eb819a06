import type { Order } from "./order.js";

interface WalletOrders {
  /** The wallet's number in the books, positive. */
  readonly owner: number;
  /** Ascending, as ids are. */
  readonly orderIds: Set<number>;
}

/** The latest version of every open order, by id, by wallet and by the session that bounds it. */
export class OpenOrders {
  readonly #orders = new Map<number, Order>();
  readonly #wallets = new Map<string, WalletOrders>();
  readonly #sessions = new Map<string, Set<number>>();
  /** Numbers of wallets that have no open order any more. */
  readonly #freeOwners: number[] = [];

  get size(): number {
    return this.#orders.size;
  }

  get(orderId: number): Order | undefined {
    return this.#orders.get(orderId);
  }

  /** The number of open orders of a wallet. */
  countOf(wallet: string): number {
    return this.#wallets.get(wallet)?.orderIds.size ?? 0;
  }

  /** The wallet's number in the books, 0 while it has no open order. */
  ownerOf(wallet: string): number {
    return this.#wallets.get(wallet)?.owner ?? 0;
  }

  /** A wallet's open orders as they are now, by ascending id. */
  ofWallet(wallet: string): readonly Order[] {
    return this.#all(this.#wallets.get(wallet)?.orderIds);
  }

  /** A session's open orders as they are now, by ascending id. */
  ofSession(session: string): readonly Order[] {
    return this.#all(this.#sessions.get(session));
  }

  /** Whether a session has open orders. */
  hasSession(session: string): boolean {
    return this.#sessions.has(session);
  }

  sessions(): Iterable<string> {
    return this.#sessions.keys();
  }

  /** Adds an order whose id is higher than all before, and returns its wallet's number. */
  add(order: Order): number {
    const { orderId, session } = order;
    this.#orders.set(orderId, order);
    let wallet = this.#wallets.get(order.wallet);
    if (wallet === undefined) {
      // As many wallets have a number as have open orders, so a number is free or the next one is new.
      const owner = this.#freeOwners.pop() ?? this.#wallets.size + 1;
      wallet = { owner, orderIds: new Set() };
      this.#wallets.set(order.wallet, wallet);
    }
    wallet.orderIds.add(orderId);
    if (session !== undefined) {
      const bound = this.#sessions.get(session);
      if (bound === undefined) this.#sessions.set(session, new Set([orderId]));
      else bound.add(orderId);
    }
    return wallet.owner;
  }

  /** Puts a newer version in an open order's place. */
  replace(order: Order): void {
    this.#orders.set(order.orderId, order);
  }

  /** Takes out an order that has finished. */
  remove({ orderId, wallet, session }: Order): void {
    this.#orders.delete(orderId);
    const orders = this.#wallets.get(wallet);
    if (orders !== undefined) {
      orders.orderIds.delete(orderId);
      if (orders.orderIds.size === 0) {
        this.#wallets.delete(wallet);
        this.#freeOwners.push(orders.owner);
      }
    }
    if (session === undefined) return;
    const bound = this.#sessions.get(session);
    bound?.delete(orderId);
    if (bound?.size === 0) this.#sessions.delete(session);
  }

  #all(orderIds: Iterable<number> = []): readonly Order[] {
    return Array.from(orderIds, (orderId) => this.#orders.get(orderId) as Order);
  }
}
