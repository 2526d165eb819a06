import { BROKEN_RULES, type CounterBlock, counted, PRODUCER } from "../counters/counters.js";
import type { Add } from "./metric-samples.js";

/** Adds what rules and bounds keep from orders. */
export function addRefusalMetrics(add: Add, { producer }: CounterBlock): void {
  add("counter", "order_refusals_total", "Orders and amends refused, by the rule they broke", () =>
    BROKEN_RULES.map((rule, index) => ({
      labels: { rule },
      value: counted(producer, PRODUCER.refusedByRule + index),
    })),
  );
  add(
    "counter",
    "orders_stopped_by_band_total",
    "Market orders whose rest was cancelled at their market's price band",
    () => [{ labels: {}, value: counted(producer, PRODUCER.ordersStoppedByBand) }],
  );
}
