import { expect, it } from "vitest";
import {
  BROKEN_RULES,
  counterBlockOf,
  createCounterBuffer,
  ORDER_RESULTS,
  PRODUCER,
} from "../../src/counters/counters.js";
import type { Order } from "../../src/engine/order.js";
import { orderRejected } from "../../src/engine/rejection.js";
import { OrderTally } from "../../src/exchange/order-tally.js";

const order = (status: Order["status"], reasonCode?: Order["reasonCode"]) =>
  ({ status, reasonCode }) as Order;
const tooWide = orderRejected("price_band", "too far");

function counts(section: Float64Array) {
  const list = <T extends string>(first: number, names: readonly T[]) =>
    names.flatMap((name, at) => (section[first + at] ? [[name, section[first + at]]] : []));
  return {
    results: list(PRODUCER.ordersByResult, ORDER_RESULTS),
    rules: list(PRODUCER.refusedByRule, BROKEN_RULES),
    stopped: section[PRODUCER.ordersStoppedByBand],
  };
}

it("order tally - what became of a batch's orders is counted once, and nothing of one that is undone", () => {
  const { producer } = counterBlockOf(createCounterBuffer(1));
  const tally = new OrderTally();
  tally.placed(order("Open"));
  tally.refused(tooWide);
  tally.forget();
  tally.countInto(producer);
  expect(counts(producer)).toEqual({ results: [], rules: [], stopped: 0 });
  tally.placed(order("Filled"));
  tally.placed(order("Cancelled", "price_band"));
  tally.placed(order("Cancelled", "market_order"));
  tally.duplicate();
  tally.unavailable();
  tally.refused(tooWide);
  tally.refused({ code: "MARKET_NOT_FOUND", message: "no" });
  tally.amendRefused(tooWide);
  tally.countInto(producer);
  tally.countInto(producer);
  expect(counts(producer)).toEqual({
    results: [
      ["filled", 1],
      ["cancelled", 2],
      ["duplicate", 1],
      ["rejected", 2],
      ["unavailable", 1],
    ],
    rules: [["price_band", 2]],
    stopped: 1,
  });
});
