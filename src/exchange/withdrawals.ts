import { setImmediate as nextTurn } from "node:timers/promises";
import type { Order } from "../engine/order.js";
import { isName } from "../shared/text.js";
import type { ExchangeCore, Execute } from "./exchange-core.js";

/** Orders that a batch cancels of the exchange's own accord, but for the last session's. */
const WITHDRAWN_PER_BATCH = 4096;
/** Orders that are looked at in one turn of the event loop. */
const LOOKED_AT_PER_TURN = 1000;

const NAMELESS = {
  code: "wallet_name",
  text: "the wallet's name is not taken any more, so that nobody could cancel it",
} as const;

/**
 * What the exchange cancels of its own accord, as nobody is there for it any more: orders of sessions
 * that have ended, and of wallets that no token can name. What a batch has withdrawn is kept until it
 * is known to be on disk, and is due again where the batch is undone.
 */
export class Withdrawals {
  readonly #core: Pick<ExchangeCore, "hasSession">;
  #nameless: readonly Order[];
  /** Sessions whose orders are to be cancelled, with the reason. */
  #ended = new Map<string, string>();
  /** What the batch has withdrawn, and how many orders that were. */
  #namelessInBatch: readonly Order[] = [];
  readonly #endedInBatch = new Map<string, string>();
  #ordersInBatch = 0;

  /** @param nameless open orders whose wallets no token can name */
  constructor(core: Pick<ExchangeCore, "hasSession">, nameless: readonly Order[]) {
    this.#core = core;
    this.#nameless = nameless;
  }

  /** A session's orders are to be cancelled, if it has any. */
  end(session: string, reason: string): void {
    if (this.#core.hasSession(session)) this.#ended.set(session, reason);
  }

  /** Whether something is to be cancelled. */
  get isDue(): boolean {
    return this.#nameless.length > 0 || this.#ended.size > 0;
  }

  /** Cancels, until the batch has some thousands of cancels. */
  run(execute: Execute): void {
    const some = this.#nameless.slice(0, WITHDRAWN_PER_BATCH);
    this.#nameless = this.#nameless.slice(WITHDRAWN_PER_BATCH);
    for (const { wallet, orderId } of some)
      execute({ type: "cancel", wallet, order: { orderId }, cause: NAMELESS });
    this.#namelessInBatch = [...this.#namelessInBatch, ...some];
    this.#ordersInBatch += some.length;
    for (const [session, reason] of this.#ended) {
      if (this.#ordersInBatch >= WITHDRAWN_PER_BATCH) return;
      this.#ordersInBatch += execute({ type: "end-session", session, reason }).length;
      this.#ended.delete(session);
      this.#endedInBatch.set(session, reason);
    }
  }

  /** The batch is on disk. */
  committed(): void {
    this.#namelessInBatch = [];
    this.#endedInBatch.clear();
    this.#ordersInBatch = 0;
  }

  /**
   * The batch is undone. What has ended outside has ended all the same; a session whose only orders
   * were the batch's has none now.
   */
  undone(): void {
    this.#nameless = [...this.#namelessInBatch, ...this.#nameless];
    const ended = [...this.#ended, ...this.#endedInBatch];
    this.#ended = new Map(ended.filter(([session]) => this.#core.hasSession(session)));
    this.committed();
  }
}

/** The orders whose wallets no token can name, found in turns of the event loop. */
export async function namelessOrders(orders: Iterable<Order>): Promise<readonly Order[]> {
  const nameless: Order[] = [];
  let lookedAt = 0;
  for (const order of orders) {
    if (!isName(order.wallet)) nameless.push(order);
    if (++lookedAt % LOOKED_AT_PER_TURN === 0) await nextTurn();
  }
  return nameless;
}
