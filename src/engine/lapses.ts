import type { ChangeLog } from "./change-log.js";
import type { EngineEvent } from "./commands.js";
import type { Deadlines } from "./deadlines.js";
import type { OpenOrders } from "./open-orders.js";
import type { CancelCause, Order, WalletTimer } from "./order.js";
import { CANCEL_CAUSE } from "./order-rules.js";

interface LapsesContext {
  readonly open: OpenOrders;
  readonly deadlines: Deadlines;
  readonly changes: ChangeLog;
  /** Cancels an open order and returns its last version. */
  readonly cancel: (order: Order, cause: CancelCause, ts: number) => Order;
}

/** What is cancelled because its time has come: GTD orders, and those of wallets that have set a timer. */
export class Lapses {
  readonly #context: LapsesContext;

  constructor(context: LapsesContext) {
    this.#context = context;
  }

  /**
   * Has a wallet's open orders cancelled after a time, 0 for never.
   * @param passed as of a command; so everywhere
   */
  setTimer(wallet: string, timeoutMs: number, ts: number, passed: number): WalletTimer {
    const { deadlines, changes } = this.#context;
    const triggerTs = timeoutMs === 0 ? undefined : ts + timeoutMs * 1000;
    const timer: WalletTimer = { wallet, setTs: ts, triggerTs };
    deadlines.setTimer(timer, passed);
    changes.timer(timer);
    return timer;
  }

  /** Has happen what is due; nothing more of it is begun once so many orders have ended by it. */
  expire(most: number, ts: number, passed: number): readonly EngineEvent[] {
    const { open, deadlines } = this.#context;
    const lapsed: EngineEvent[] = [];
    while (lapsed.length < most) {
      const orderId = deadlines.expired(ts);
      if (orderId === undefined) break;
      const order = open.get(orderId);
      if (order === undefined) throw new Error(`order ${orderId} expires and is not open`);
      lapsed.push(this.#lapse(order, CANCEL_CAUSE.expired, ts));
    }
    while (lapsed.length < most) {
      const wallet = deadlines.overdue(passed);
      if (wallet === undefined) break;
      this.setTimer(wallet, 0, ts, passed);
      for (const order of open.ofWallet(wallet))
        lapsed.push(this.#lapse(order, CANCEL_CAUSE.cancelAfter, ts));
    }
    return lapsed;
  }

  #lapse(order: Order, cause: CancelCause, ts: number): EngineEvent {
    return { type: "lapsed", order: this.#context.cancel(order, cause, ts) };
  }
}
