import { expect, test } from "vitest";
import {
  BROKEN_RULES,
  COUNTED_CLOSE_CODES,
  type CounterSection,
  count,
  counterBlockOf,
  countListed,
  countListedOrOther,
  createCounterBuffer,
  ORDER_RESULTS,
  observeCommit,
  observeLatency,
  PRODUCER,
  SHARD,
  THREAD,
} from "../../src/counters/counters.js";
import { createMetrics } from "../../src/main/metrics.js";

const block = counterBlockOf(createCounterBuffer(2));
const [first, second] = block.shards as [CounterSection, CounterSection];
const registry = createMetrics(block);

/** Values by series, as a scrape reads them. */
async function scrape(): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split("\n").filter((line) => /^marketcast_/.test(line));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

test("metrics - show what the threads counted, by shard and summed", async () => {
  count(first, SHARD.messagesSent, 7);
  count(second, SHARD.messagesSent + 1, 9);
  count(first, SHARD.connections, 2);
  for (const section of [first, second]) {
    countListedOrOther<number>(section, SHARD.closedByCode, COUNTED_CLOSE_CODES, 4001);
    countListedOrOther<number>(section, SHARD.closedByCode, COUNTED_CLOSE_CODES, 3999);
  }
  count(first, SHARD.nativeSends, 4);
  count(second, SHARD.ordinarySends, 6);
  count(block.producer, PRODUCER.ringRecords, 1000);
  const series = await scrape();
  expect(series.get('marketcast_messages_sent_total{shard="0",encoding="json"}')).toBe(7);
  expect(series.get('marketcast_messages_sent_total{shard="1",encoding="msgpack"}')).toBe(9);
  expect(series.get('marketcast_connections{shard="0",encoding="json"}')).toBe(2);
  expect(series.get('marketcast_connections_closed_total{code="4001"}')).toBe(2);
  expect(series.get('marketcast_connections_closed_total{code="other"}')).toBe(2);
  expect(series.get('marketcast_sends_total{shard="0",way="native"}')).toBe(4);
  expect(series.get('marketcast_sends_total{shard="1",way="ordinary"}')).toBe(6);
  expect(series.get("marketcast_ring_records_total")).toBe(1000);
});

test("metrics - a ts that waits for the clock is told by how far it is ahead, one that does not as 0", async () => {
  const ahead = async () => (await scrape()).get("marketcast_ts_ahead_seconds") as number;
  block.producer[PRODUCER.latestTs] = (Date.now() - 5000) * 1000;
  expect(await ahead()).toBe(0);
  block.producer[PRODUCER.latestTs] = (Date.now() + 3_600_000) * 1000;
  expect(await ahead()).toBeGreaterThan(3000);
  expect(await ahead()).toBeLessThanOrEqual(3601);
});

test("metrics - the latency histogram is cumulative and its count and sum agree", async () => {
  observeLatency(first, 0.0004, 3);
  observeLatency(second, 0.03, 2);
  observeLatency(second, 60, 1);
  const series = await scrape();
  const name = "marketcast_delivery_latency_seconds";
  expect(series.get(`${name}_bucket{le="0.00025"}`)).toBe(0);
  expect(series.get(`${name}_bucket{le="0.0005"}`)).toBe(3);
  expect(series.get(`${name}_bucket{le="0.05"}`)).toBe(5);
  expect(series.get(`${name}_bucket{le="2.5"}`)).toBe(5);
  expect(series.get(`${name}_bucket{le="+Inf"}`)).toBe(6);
  expect(series.get(`${name}_count`)).toBe(6);
  expect(series.get(`${name}_sum`)).toBeCloseTo(0.0012 + 0.06 + 60);
});

test("metrics - ring lag is wrap-safe and never negative", async () => {
  block.producer[PRODUCER.ringRecordNumber] = 5;
  first[SHARD.ringRecordNumber] = 2 ** 32 - 10;
  second[SHARD.ringRecordNumber] = 6;
  const series = await scrape();
  expect(series.get('marketcast_ring_lag_records{shard="0"}')).toBe(15);
  expect(series.get('marketcast_ring_lag_records{shard="1"}')).toBe(0);
});

test("metrics - log lines that could not be written are those of all threads", async () => {
  for (const [at, section] of [block.main, block.producer, first, second].entries())
    count(section, THREAD.logDropped, 10 ** at);
  expect((await scrape()).get("marketcast_log_dropped_total")).toBe(1111);
});

test("metrics - orders are counted by what became of them, at the exchange or before it", async () => {
  const { producer } = block;
  for (const [index, result] of ORDER_RESULTS.entries()) {
    countListed(producer, PRODUCER.ordersByResult, ORDER_RESULTS, result, 10 + index);
  }
  for (const section of [first, second]) {
    count(section, SHARD.ordersUnavailable, 3);
    count(section, SHARD.ordersRateLimited, 4);
  }
  const series = await scrape();
  const results = [...series].filter(([name]) => name.startsWith("marketcast_orders_total"));
  expect(Object.fromEntries(results)).toEqual({
    'marketcast_orders_total{result="open"}': 10,
    'marketcast_orders_total{result="partially_filled"}': 11,
    'marketcast_orders_total{result="filled"}': 12,
    'marketcast_orders_total{result="cancelled"}': 13,
    'marketcast_orders_total{result="duplicate"}': 14,
    'marketcast_orders_total{result="rejected"}': 15,
    'marketcast_orders_total{result="unavailable"}': 16 + 6,
    'marketcast_orders_total{result="rate_limited"}': 8,
  });
});

test("metrics - refused orders are counted by the rule they broke, those that a band stopped apart", async () => {
  const { producer } = block;
  countListed(producer, PRODUCER.refusedByRule, BROKEN_RULES, "price_band", 3);
  countListed(producer, PRODUCER.refusedByRule, BROKEN_RULES, "wallet_name", 2);
  count(producer, PRODUCER.ordersStoppedByBand, 5);
  const series = await scrape();
  const rules = [...series].filter(([name]) => name.startsWith("marketcast_order_refusals_total"));
  expect(rules).toHaveLength(BROKEN_RULES.length);
  expect(rules.filter(([, value]) => value > 0)).toEqual([
    ['marketcast_order_refusals_total{rule="price_band"}', 3],
    ['marketcast_order_refusals_total{rule="wallet_name"}', 2],
  ]);
  expect(series.get("marketcast_orders_stopped_by_band_total")).toBe(5);
});

test("metrics - orders that wait for the exchange are shown by shard", async () => {
  first[SHARD.ordersPending] = 5;
  const series = await scrape();
  expect(series.get('marketcast_orders_pending{shard="0"}')).toBe(5);
  expect(series.get('marketcast_orders_pending{shard="1"}')).toBe(0);
});

test("metrics - the histogram of commit times is the producer's", async () => {
  for (const seconds of [0.0004, 0.004, 0.004, 3]) observeCommit(block.producer, seconds);
  const series = await scrape();
  const name = "marketcast_store_commit_seconds";
  expect(series.get(`${name}_bucket{le="0.0005"}`)).toBe(1);
  expect(series.get(`${name}_bucket{le="0.0025"}`)).toBe(1);
  expect(series.get(`${name}_bucket{le="0.005"}`)).toBe(3);
  expect(series.get(`${name}_bucket{le="+Inf"}`)).toBe(4);
  expect(series.get(`${name}_count`)).toBe(4);
  expect(series.get(`${name}_sum`)).toBeCloseTo(3.0084);
});
