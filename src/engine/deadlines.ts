import { DeadlineQueue } from "./deadline-queue.js";
import type { Order, WalletTimer } from "./order.js";

/**
 * What happens by itself in time: GTD orders that expire, at a `ts`, and wallets whose open orders are
 * cancelled, after a time that has passed.
 */
export class Deadlines {
  readonly #orders = new DeadlineQueue<number>();
  readonly #wallets = new DeadlineQueue<string>();

  get hasAny(): boolean {
    return this.#orders.size + this.#wallets.size > 0;
  }

  /** @param ts, passed as of a command */
  isDue(ts: number, passed: number): boolean {
    return this.#orders.nextAt <= ts || this.#wallets.nextAt <= passed;
  }

  /** An order that expires at that `ts`, the next one first; undefined where there is none. */
  expired(ts: number): number | undefined {
    return this.#orders.nextAt <= ts ? this.#orders.next : undefined;
  }

  /** A wallet whose time is over; undefined where there is none. */
  overdue(passed: number): string | undefined {
    return this.#wallets.nextAt <= passed ? this.#wallets.next : undefined;
  }

  /** An order rests. */
  add({ orderId, expiresTs }: Order): void {
    if (expiresTs !== undefined) this.#orders.set(orderId, expiresTs);
  }

  /** An order rests no longer. */
  remove({ orderId, expiresTs }: Order): void {
    if (expiresTs !== undefined) this.#orders.delete(orderId);
  }

  /**
   * A wallet has another timer, or none.
   * @param setAt the time that had passed when it was set
   */
  setTimer({ wallet, setTs, triggerTs }: WalletTimer, setAt: number): void {
    if (triggerTs === undefined) this.#wallets.delete(wallet);
    else this.#wallets.set(wallet, setAt + (triggerTs - setTs));
  }
}
