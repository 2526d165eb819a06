import { describe, expect, it } from "vitest";
import { CHANNEL_TYPES } from "../../src/contract/channel-kinds.js";
import {
  BROKEN_RULES,
  beat,
  COMMIT_BUCKETS_S,
  COUNTED_CLOSE_CODES,
  count,
  counted,
  counterBlockOf,
  countListed,
  countListedOrOther,
  createCounterBuffer,
  ENCODINGS_MAX,
  LATENCY_BUCKETS_S,
  MAIN,
  ORDER_RESULTS,
  observeCommit,
  observeLatency,
  PRODUCER,
  REFUSALS,
  SHARD,
  SHARD_GAUGES,
  THREAD,
} from "../../src/counters/counters.js";
import { RELAY } from "../../src/counters/relay-counters.js";

/** Words that each name of a section stands for; one where nothing else is said. */
const LISTS: Readonly<Partial<Record<keyof typeof SHARD | keyof typeof PRODUCER, number>>> = {
  connections: ENCODINGS_MAX,
  messagesSent: ENCODINGS_MAX,
  latencyBuckets: LATENCY_BUCKETS_S.length + 1,
  closedByCode: COUNTED_CLOSE_CODES.length + 1,
  subscriptionsByChannel: CHANNEL_TYPES.length,
  refusedByReason: REFUSALS.length,
  commitBuckets: COMMIT_BUCKETS_S.length + 1,
  ordersByResult: ORDER_RESULTS.length,
  refusedByRule: BROKEN_RULES.length,
};

describe("counters", () => {
  it("counters - sections of threads are apart, and all see one memory", () => {
    const buffer = createCounterBuffer(3);
    const block = counterBlockOf(buffer);
    expect(block.shards).toHaveLength(3);
    const sections = [block.main, block.producer, ...block.shards];
    for (const [index, section] of sections.entries()) section.fill(index + 1);
    const again = counterBlockOf(buffer);
    const seen = [again.main, again.producer, ...again.shards];
    for (const [index, section] of seen.entries()) {
      expect(section.every((word) => word === index + 1)).toBe(true);
    }
  });

  it("counters - no two names of a section share a word", () => {
    for (const names of [SHARD, PRODUCER, MAIN, RELAY]) {
      const used = new Map<number, string>();
      for (const [name, first] of Object.entries(names)) {
        const words =
          names === MAIN || names === RELAY ? 1 : (LISTS[name as keyof typeof LISTS] ?? 1);
        for (let word = first; word < first + words; word++) {
          expect(`${word}: ${used.get(word) ?? name}`).toBe(`${word}: ${name}`);
          used.set(word, name);
        }
      }
      const { main } = counterBlockOf(createCounterBuffer(1));
      expect(Math.max(...used.keys())).toBeLessThan(main.length);
    }
  });

  it("counters - values of a list count in its order, and others of an open one behind it", () => {
    const { main } = counterBlockOf(createCounterBuffer(1));
    const list = ["a", "b", "c"];
    for (const value of ["b", "b", "c", "a"]) countListed(main, 10, list, value);
    countListed(main, 10, list, "c", 5);
    for (const value of ["b", "y", "z"]) countListedOrOther(main, 10, list, value);
    expect([...main.slice(9, 15)]).toEqual([0, 1, 3, 6, 2, 0]);
  });

  it("counters - what a list does not have is counted nowhere", () => {
    const { main } = counterBlockOf(createCounterBuffer(1));
    // @ts-expect-error The compiler refuses it as well, where the list's type says what is in it.
    expect(() => countListed(main, 10, ["a", "b"] as const, "z")).toThrow("z has no word");
    expect(main.every((count) => count === 0)).toBe(true);
  });

  it("counters - latencies go into the first bucket whose bound they do not exceed", () => {
    const [section] = counterBlockOf(createCounterBuffer(1)).shards;
    if (section === undefined) throw new Error("no shard");
    observeLatency(section, 0.0001, 3);
    observeLatency(section, 0.000100001, 1);
    observeLatency(section, 2.5, 1);
    observeLatency(section, 60, 2);
    const buckets = section.slice(
      SHARD.latencyBuckets,
      SHARD.latencyBuckets + LATENCY_BUCKETS_S.length + 1,
    );
    expect([buckets[0], buckets[1], buckets.at(-2), buckets.at(-1)]).toEqual([3, 1, 1, 2]);
    expect(buckets.reduce((sum, n) => sum + n, 0)).toBe(7);
    expect(counted(section, SHARD.latencySumS)).toBeCloseTo(0.000400001 + 122.5, 9);
  });

  it("counters - commit times have a histogram of their own", () => {
    const { producer } = counterBlockOf(createCounterBuffer(1));
    for (const seconds of [0.0005, 0.000500001, 0.02, 2.5, 9]) observeCommit(producer, seconds);
    const buckets = producer.slice(
      PRODUCER.commitBuckets,
      PRODUCER.commitBuckets + COMMIT_BUCKETS_S.length + 1,
    );
    const expected = COMMIT_BUCKETS_S.map((bound) =>
      ([0.0005, 0.001, 0.025, 2.5] as number[]).includes(bound) ? 1 : 0,
    );
    expect([...buckets]).toEqual([...expected, 1]);
    expect(counted(producer, PRODUCER.commitSumS)).toBeCloseTo(11.521000001, 9);
  });

  it("counters - a beat moves the heart and tells the lag; gauges are words of their own", () => {
    const { producer } = counterBlockOf(createCounterBuffer(1));
    beat(producer, 0.25);
    beat(producer, 0.5);
    count(producer, PRODUCER.markets, 7);
    expect(counted(producer, THREAD.heartbeat)).toBe(2);
    expect(counted(producer, THREAD.loopLagS)).toBe(0.5);
    expect(counted(producer, PRODUCER.markets)).toBe(7);
    // What a restarted shard clears must not be among its totals.
    const cleared = SHARD_GAUGES.flatMap(([word, words]) =>
      Array.from({ length: words }, (_, index) => word + index),
    );
    for (const total of [
      SHARD.bytesSent,
      SHARD.conflated,
      SHARD.closedByCode,
      SHARD.heartbeat,
      SHARD.ordersUnavailable,
      SHARD.ordersRateLimited,
    ]) {
      expect(cleared).not.toContain(total);
    }
    for (const gauge of [
      SHARD.sockets,
      SHARD.connections + 1,
      SHARD.queuedBytes,
      SHARD.ordersPending,
    ]) {
      expect(cleared).toContain(gauge);
    }
  });
});
