import type { OrderRule } from "../contract/order-rules.js";
import {
  BROKEN_RULES,
  type CounterSection,
  count,
  countListed,
  ORDER_RESULTS,
  type OrderResult,
  PRODUCER,
} from "../counters/counters.js";
import type { Order } from "../engine/order.js";
import type { OrderStatus } from "../shared/order.js";
import type { Refused } from "../workers/messages.js";

const RESULTS = {
  Open: "open",
  PartiallyFilled: "partially_filled",
  Filled: "filled",
  Cancelled: "cancelled",
} as const satisfies Record<OrderStatus, OrderResult>;

/** What became of a batch's orders, until it is on disk and may be counted. */
export class OrderTally {
  #results: OrderResult[] = [];
  /** By orders and by amends. */
  #brokenRules: OrderRule[] = [];
  #stoppedByBand = 0;

  placed({ status, reasonCode }: Order): void {
    this.#results.push(RESULTS[status]);
    if (reasonCode === "price_band") this.#stoppedByBand++;
  }

  duplicate(): void {
    this.#results.push("duplicate");
  }

  unavailable(): void {
    this.#results.push("unavailable");
  }

  refused(refusal: Refused): void {
    this.#results.push("rejected");
    this.amendRefused(refusal);
  }

  /** Amends have no results, but break rules as orders do. */
  amendRefused(refusal: Refused): void {
    if (refusal.code === "ORDER_REJECTED") this.#brokenRules.push(refusal.details.rule);
  }

  /** Counts all of it, in the producer's section, and begins anew. */
  countInto(section: CounterSection): void {
    for (const result of this.#results)
      countListed(section, PRODUCER.ordersByResult, ORDER_RESULTS, result);
    for (const rule of this.#brokenRules)
      countListed(section, PRODUCER.refusedByRule, BROKEN_RULES, rule);
    count(section, PRODUCER.ordersStoppedByBand, this.#stoppedByBand);
    this.forget();
  }

  forget(): void {
    this.#results = [];
    this.#brokenRules = [];
    this.#stoppedByBand = 0;
  }
}
