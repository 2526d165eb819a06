import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { RELAY } from "../../src/counters/relay-counters.js";
import { NodeList, type NodeRecord } from "../../src/relay/node-list.js";
import { relayKeys } from "../../src/relay/relay-keys.js";
import type { Logger } from "../../src/shared/log.js";
import { relayTargetOf } from "../../src/shared/relay-url.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const RECORD: NodeRecord = {
  role: "edge",
  connections: 3,
  lag_ms: 2,
  state: "ok",
  since_ts: 1_700_000_000_000_000,
};
const LEASE_MS = 10_000;
const NODES_MAX = 1000;

/** A node that keeps itself on the list. */
class Node {
  readonly list: NodeList;
  readonly counters = counterBlockOf(createCounterBuffer(0)).relay;
  readonly warnings: string[] = [];
  record = RECORD;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(url: string, name: string) {
    this.list = new NodeList({
      target: relayTargetOf(url),
      keys: relayKeys("marketcast"),
      name,
      id: randomUUID(),
      record: () => this.record,
      counters: this.counters,
      log: { warn: (text: string) => this.warnings.push(text) } as unknown as Logger,
    });
    this.#running = this.list.run(this.#stop.signal);
  }

  async names(): Promise<string[]> {
    return (await this.list.list()).nodes.map(({ name }) => name);
  }

  /** Resolves when it lists just these. */
  untilListing(...names: readonly string[]): Promise<unknown> {
    return until(
      `a list of ${names.join()}`,
      async () => (await this.names()).join() === names.join(),
      10_000,
      () => this.warnings.join(),
    );
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.#running;
  }
}

describe.skipIf(!HAS_REDIS)(`node list${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: Node[];

  beforeEach(async () => {
    redis = await RedisServer.start();
    nodes = [];
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    redis.signal("SIGCONT");
    await Promise.all(nodes.map((node) => node.stop()));
    await redis.dispose();
  });

  function start(name: string, url = redis.url): Node {
    const node = new Node(url, name);
    nodes.push(node);
    return node;
  }

  /** Has all clocks of this process go on at once. */
  function passTime(ms: number): void {
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + ms);
  }

  function scripts(): number {
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(redis.cli("INFO", "commandstats"))?.[1] ?? 0);
  }

  it("node list - every node lists all, as they last told, and one that leaves is off at once", async () => {
    const one = start("one");
    const other = start("other");
    await one.untilListing("one", "other");
    await other.untilListing("one", "other");
    other.record = { ...RECORD, role: "origin", connections: 70, lag_ms: 0, state: "degraded" };
    const told = await until("its news", async () => {
      const { nodes, age_ms } = await one.list.list();
      expect(age_ms).toBeLessThan(5000);
      return nodes.find(({ connections }) => connections === 70);
    });
    expect(told).toEqual({ name: "other", ...other.record, age_ms: expect.any(Number) });
    expect([...one.counters.slice(RELAY.nodes, RELAY.nodeNamesake + 1)]).toEqual([2, 1, 0]);
    await other.stop();
    await one.untilListing("one");
    expect([one.warnings, other.warnings]).toEqual([[], []]);
  });

  it("node list - a node that died goes with its lease, and with the last one all keys", async () => {
    const one = start("one");
    const dead = start("dead");
    await one.untilListing("dead", "one");
    await dead.stop();
    // As one that has told nothing any more leaves it.
    const seen = Number(redis.cli("TIME").split("\n")[0]) * 1000;
    const record = `${randomUUID()}${JSON.stringify(RECORD)}`;
    redis.cli("HSET", "marketcast:nodes", "dead", record);
    redis.cli("ZADD", "marketcast:nodes:seen", String(seen - LEASE_MS + 2500), "dead");
    await one.untilListing("dead", "one");
    await one.untilListing("one");
    expect(redis.cli("HKEYS", "marketcast:nodes")).toBe("one");
    for (const key of ["marketcast:nodes", "marketcast:nodes:seen"])
      expect(Number(redis.cli("PTTL", key))).toBeGreaterThan(LEASE_MS - 3000);
    await one.stop();
    expect(redis.cli("KEYS", "*")).toBe("");
  });

  it("node list - two nodes of one name are told apart, and the second one warns when that lasts", async () => {
    const first = start("same");
    await first.untilListing("same");
    const second = start("same");
    const both = await until("both", async () => {
      const names = await first.names();
      return names.length === 2 && names;
    });
    expect(both).toEqual(["same", expect.stringMatching(/^same#[0-9a-f]{8}$/)]);
    expect(second.warnings).toEqual([]);
    passTime(13_000);
    await until("a warning", () => second.warnings.length > 0);
    expect(second.warnings.join()).toBe(
      `another node is called same, too: this one is listed as ${both[1]}; give each a --node-name of its own`,
    );
    expect([first.counters, second.counters].map((words) => words[RELAY.nodeNamesake])).toEqual([
      0, 1,
    ]);
    await first.stop();
    await second.untilListing("same");
    await until("no namesake", () => second.counters[RELAY.nodeNamesake] === 0);
    expect(first.warnings).toEqual([]);
  });

  it("node list - a flood of questions asks Redis once a second", async () => {
    const one = start("one");
    await one.untilListing("one");
    const [before, since] = [scripts(), performance.now()];
    let lists = 0;
    await until("a flood", async () => {
      const some = await Promise.all(Array.from({ length: 1000 }, () => one.list.list()));
      lists += some.length;
      return lists >= 20_000;
    });
    const seconds = (performance.now() - since) / 1000;
    // It tells of itself once a second, and reads once a second.
    expect(scripts() - before).toBeLessThanOrEqual(2 * Math.ceil(seconds) + 1);
  });

  it("node list - with a Redis that stands still the list is there at once, with its age", async () => {
    const one = start("one");
    await one.untilListing("one");
    redis.signal("SIGSTOP");
    const age = await until("an old list", async () => {
      const since = performance.now();
      const { age_ms, nodes } = await one.list.list();
      expect(performance.now() - since).toBeLessThan(800);
      expect(nodes).toHaveLength(1);
      return (age_ms ?? 0) > 3000 && age_ms;
    });
    expect(one.counters[RELAY.nodeListed]).toBe(0);
    redis.signal("SIGCONT");
    await until("a new list", async () => {
      const { age_ms } = await one.list.list();
      return age_ms !== null && age_ms < Math.min(Number(age), 1500);
    });
    await until("its place", () => one.counters[RELAY.nodeListed] === 1);
  });

  it("node list - before Redis has answered there is none, and it says so", async () => {
    const one = start("one", "redis://127.0.0.1:1");
    expect(await one.list.list()).toEqual({ age_ms: null, nodes: [] });
    expect(one.warnings).toEqual([]);
  });

  it("node list - a full one takes no more nodes, and says so; others go on", async () => {
    const fill = `
      local now = redis.call('TIME')[1] * 1000
      for n = 1, ${NODES_MAX - 1} do
        redis.call('HSET', KEYS[1], 'n' .. n, 'no record')
        redis.call('ZADD', KEYS[2], now + 60000, 'n' .. n)
      end`;
    const one = start("one");
    await one.untilListing("one");
    redis.cli("EVAL", fill, "2", "marketcast:nodes", "marketcast:nodes:seen");
    const late = start("late");
    await until("a warning", () => late.warnings.length > 0);
    expect(late.warnings).toEqual([
      `there are ${NODES_MAX} nodes already: this one stands in no list of them`,
    ]);
    expect(late.counters[RELAY.nodeListed]).toBe(0);
    expect(redis.cli("HLEN", "marketcast:nodes")).toBe(String(NODES_MAX));
    // What is no record of a node is left out.
    await until("the list", async () => (await late.names()).join() === "one");
    await until("its place", () => one.counters[RELAY.nodes] === NODES_MAX);
    expect(one.counters[RELAY.nodeListed]).toBe(1);
    redis.cli("ZREM", "marketcast:nodes:seen", "n1");
    await one.untilListing("late", "one");
    expect(one.warnings).toEqual([]);
  });

  it("node list - a user who may not do it is told what is missing, once", async () => {
    redis.cli("ACL", "SETUSER", "poor", "on", ">p", "~*", "+script", "+evalsha", "+time");
    const one = start("one", redis.url.replace("//", "//poor:p@"));
    await until("a warning", () => one.warnings.length > 0);
    expect(one.warnings).toEqual([expect.stringContaining("cannot be listed among all nodes")]);
    expect(one.warnings.join()).toContain("can't run this command");
    expect(one.warnings.join()).not.toContain("poor:p");
  });
});
