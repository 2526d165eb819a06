import type { MessageFault } from "../../../codec/decode.js";
import type { RequestId } from "../../../contract/client-messages-schema.js";
import { type CounterSection, SHARD } from "../../../counters/counters.js";
import type { Connection } from "../connections/connection.js";
import type { FairBudget, Holder } from "../connections/fair-budget.js";

const LOST: MessageFault = {
  code: "UNAVAILABLE",
  message:
    "the exchange went away before it answered; it may have taken the order, so try again with the same client_order_id",
};

/** Whose request the exchange has not answered yet. */
export interface WaitingOrder {
  readonly connection: Connection;
  readonly id: RequestId | undefined;
  /** Whose share of the requests that may wait it is of. */
  readonly trader: Holder;
  /** As how many it counts there. */
  readonly orders: number;
  /** What it is told where it gets no answer. */
  readonly lost: MessageFault;
  /** Called when it is answered. */
  readonly answered: (() => void) | undefined;
}

/**
 * The requests that the exchange has not answered, by their numbers.
 *
 * Invariant: each takes as many places of its trader's share as it counts, from its beginning to its answer.
 */
export class WaitingOrders {
  readonly #pending: FairBudget;
  readonly #counters: CounterSection;
  readonly #all = new Map<number, WaitingOrder>();

  constructor(pending: FairBudget, counters: CounterSection) {
    this.#pending = pending;
    this.#counters = counters;
  }

  /** Notes a request; returns its number. */
  wait(
    request: number,
    connection: Connection,
    id: RequestId | undefined,
    orders: number,
    lost = LOST,
    answered?: () => void,
  ): number {
    const { trader } = connection;
    this.#pending.take(trader, orders);
    this.#all.set(request, { connection, id, trader, orders, lost, answered });
    this.#counters[SHARD.ordersPending] = this.#all.size;
    return request;
  }

  /** A request has its answer; undefined where nobody waits for it. */
  answered(request: number): WaitingOrder | undefined {
    const waiting = this.#all.get(request);
    if (waiting !== undefined) this.#pending.giveBack(waiting.trader, waiting.orders);
    // When what is told in this turn has been written.
    if (waiting?.answered !== undefined) queueMicrotask(waiting.answered);
    this.#all.delete(request);
    this.#counters[SHARD.ordersPending] = this.#all.size;
    return waiting;
  }

  /** Who waits for the answer to a request, if it is one. */
  connectionOf(request: number | undefined): Connection | undefined {
    return request === undefined ? undefined : this.#all.get(request)?.connection;
  }

  /** None of them will be answered any more. */
  lost(): readonly WaitingOrder[] {
    const waiting = [...this.#all.values()];
    for (const { trader, orders } of waiting) this.#pending.giveBack(trader, orders);
    this.#all.clear();
    this.#counters[SHARD.ordersPending] = 0;
    return waiting;
  }
}
