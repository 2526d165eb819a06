import { describe, expect, it } from "vitest";
import type { Costs } from "../../../bench/scaling/costs.js";
import { firstBend, type Load, type Machine, planOf } from "../../../bench/scaling/plan.js";

/** Round numbers, so that each result can be reckoned in the head. */
const COSTS: Costs = {
  nodeBytes: 1e8,
  connectionBytes: 10_000,
  marketBytes: 1000,
  deliveryMicros: 10,
  messageBytes: 106,
  edgeMicrosPerRecord: 1,
  recordBytes: 30,
  redisMicrosPerEntry: 20,
  redisMicrosPerRead: 5,
  redisBytesPerRead: 100,
  connectMicros: 200,
};
const EDGE: Machine = { cores: 4, memoryBytes: 2e9, networkBitsPerSecond: 1e9, share: 0.5 };
const REDIS: Machine = { cores: 2, memoryBytes: 4e9, networkBitsPerSecond: 1e9, share: 0.5 };
const LOAD: Load = {
  connections: 100_000,
  markets: 1000,
  recordsPerSecond: 1000,
  messagesPerConnection: 10,
};

describe("scaling plan", () => {
  it("scaling plan - an edge has what memory, processor and network allow, and the least counts", () => {
    const plan = planOf(COSTS, LOAD, EDGE, REDIS);
    expect(plan.perEdge).toEqual({
      // (1e9 − 1e8 − 1e6) / 10,000
      memory: 89_900,
      // (4 × 1e6 × 0.5 − 4 × 1,000) / (10 × 10)
      processor: 19_960,
      // 0.5e9 / (8 × 200 × 10)
      network: 31_250,
    });
    expect([plan.limit, plan.connectionsPerEdge]).toEqual(["processor", 19_960]);
    // 100,000 / 19,960 is 5.01, and one may die.
    expect(plan.edges).toBe(7);
    // 14,286 connections of 200 µs each, on 24 cores.
    expect(plan.takeOverSeconds).toBeCloseTo(0.119, 3);
  });

  it("scaling plan - of quiet connections memory is what limits, of large messages the network", () => {
    const quiet = planOf(COSTS, { ...LOAD, messagesPerConnection: 0.1 }, EDGE, REDIS);
    expect([quiet.limit, quiet.connectionsPerEdge]).toEqual(["memory", 89_900]);
    const large = planOf({ ...COSTS, messageBytes: 1000 }, LOAD, EDGE, REDIS);
    expect(large.limit).toBe("network");
    expect(large.connectionsPerEdge).toBe(Math.floor(0.5e9 / (8 * 1094 * 10)));
  });

  it("scaling plan - Redis appends once and sends to each edge, at most once a millisecond", () => {
    const plan = planOf(COSTS, LOAD, EDGE, REDIS);
    // 1,000 × (20 + 7 × 5) µs, and 7 × 8 × 1,000 × 100 bits.
    expect(plan.redisCores).toBeCloseTo(0.055);
    expect(plan.redisBitsPerSecond).toBeCloseTo(5.6e6);
    expect(plan.edgesPerRedis).toEqual({ processor: 96, network: 625, nodes: 1000 });
    // Ten times the records are ten in each entry.
    const busy = planOf(COSTS, { ...LOAD, recordsPerSecond: 10_000 }, EDGE, REDIS);
    expect(busy.edgesPerRedis.processor).toBe(96);
    expect(busy.edgesPerRedis.network).toBe(Math.floor(0.5e9 / (8 * 1000 * 370)));
    // Nothing to say is said twice a second.
    const idle = planOf(COSTS, { ...LOAD, recordsPerSecond: 0 }, EDGE, REDIS);
    expect(idle.redisCores).toBeCloseTo((2 * 20 + idle.edges * 2 * 5) / 1e6);
  });

  it("scaling plan - the first bend is the least of what Redis and the origin serve, one edge to spare", () => {
    const plan = planOf(COSTS, LOAD, EDGE, REDIS);
    expect(firstBend(plan)).toEqual({ what: "Redis's thread", connections: 95 * 19_960 });
    const thin = planOf(COSTS, LOAD, EDGE, { ...REDIS, networkBitsPerSecond: 1e7 });
    expect(firstBend(thin)).toEqual({ what: "Redis's network", connections: 5 * 19_960 });
    const quick = { ...COSTS, redisMicrosPerRead: 0.1, redisBytesPerRead: 1 };
    expect(firstBend(planOf(quick, LOAD, EDGE, REDIS))).toEqual({
      what: "the origin's links",
      connections: 999 * 19_960,
    });
  });

  it("scaling plan - where an edge is full with the records alone no number of them is enough", () => {
    const plan = planOf(COSTS, { ...LOAD, recordsPerSecond: 600_000 }, EDGE, REDIS);
    expect([plan.limit, plan.connectionsPerEdge, plan.edges]).toEqual(["processor", 0, Infinity]);
    expect(firstBend(plan).connections).toBe(0);
  });
});
