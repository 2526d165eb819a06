import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes, untilState } from "../support/relay-nodes.js";
import type { ServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** Until an edge says that it has nothing new, in ms. */
const DEGRADED_MS_MAX = 3000;
/** A node's lease, and until it is noticed, in ms. */
const GONE_MS_MAX = 12_000;
/** How old the list is that `/status` has, with what an answer takes, in ms. */
const LIST_AGE_MS_MAX = 3000;
/** Until `/status` answers, whatever Redis does, in ms: it waits a quarter of a second for news. */
const STATUS_MS_MAX = 1000;

interface ListedNode {
  readonly name: string;
  readonly role: string;
  readonly connections: number;
  readonly lag_ms: number | null;
  readonly state: string;
  readonly since_ts: number;
  readonly age_ms: number;
}

interface Nodes {
  readonly age_ms: number | null;
  readonly list: readonly ListedNode[];
}

async function nodesOf(server: ServerProcess): Promise<Nodes> {
  return ((await (await server.ops("/status")).json()) as { nodes: Nodes }).nodes;
}

describe.skipIf(!HAS_REDIS)(`nodes${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;
  let origin: ServerProcess;
  let edge: ServerProcess;

  beforeAll(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
    origin = await nodes.origin({ feed: "exchange", "node-name": "origin" });
    edge = await nodes.edge({ "node-name": "edge-1" });
  });
  afterAll(async () => {
    redis?.signal("SIGCONT");
    await nodes?.dispose();
    await redis?.dispose();
  });

  /** Resolves when a node lists just these, with what it lists. */
  function untilListed(node: ServerProcess, ...names: string[]): Promise<readonly ListedNode[]> {
    return until(
      `a list of ${names.join()}`,
      async () => {
        const { list } = await nodesOf(node);
        return list.map(({ name }) => name).join() === names.join() && list;
      },
      GONE_MS_MAX,
    );
  }

  test("nodes - /status of any node lists all, with role, connections and lag; a dead one goes with its lease", async () => {
    const startedTs = Date.now() * 1000;
    const other = await nodes.edge({ "node-name": "edge-2" });
    const clients = await Promise.all([1, 2, 3].map(() => TestClient.connect(other.port)));
    for (const node of [origin, edge, other]) {
      const list = await until("the connections", async () => {
        const all = await untilListed(node, "edge-1", "edge-2", "origin");
        return all.some(({ name, connections }) => name === "edge-2" && connections === 3) && all;
      });
      expect(list.map(({ role }) => role)).toEqual(["edge", "edge", "origin"]);
      expect(list.map(({ connections }) => connections)).toEqual([0, 3, 0]);
      expect(list[2]).toMatchObject({ lag_ms: 0, state: "ok" });
      for (const { lag_ms } of list) expect(lag_ms).toBeLessThan(1500);
      expect(list[1]?.since_ts).toBeGreaterThan(startedTs - 1_000_000);
      expect(await node.metric("marketcast_relay_nodes")).toBe(3);
      expect(await node.metric("marketcast_relay_node_listed")).toBe(1);
    }
    const killedAt = performance.now();
    other.child.kill("SIGKILL");
    await untilListed(origin, "edge-1", "origin");
    expect(performance.now() - killedAt).toBeGreaterThan(5000);
    await Promise.all(clients.map((client) => client.closed));
    await untilListed(edge, "edge-1", "origin");
  });

  test("nodes - a node that stops is off the list at once, and its name is free", async () => {
    const other = await nodes.edge({ "node-name": "edge-2" });
    await untilListed(origin, "edge-1", "edge-2", "origin");
    expect(await other.stop()).toBe(0);
    const since = performance.now();
    await untilListed(origin, "edge-1", "origin");
    expect(performance.now() - since).toBeLessThan(LIST_AGE_MS_MAX);
  });

  test("nodes - while Redis stands still /status answers as ever, and says how old its list is", async () => {
    await untilListed(edge, "edge-1", "origin");
    redis.signal("SIGSTOP");
    await until("an old list", async () => {
      const since = performance.now();
      const { age_ms, list } = await nodesOf(edge);
      expect(performance.now() - since).toBeLessThan(STATUS_MS_MAX);
      expect(list).toHaveLength(2);
      return (age_ms ?? 0) > 3000;
    });
    redis.signal("SIGCONT");
    await until("a new list", async () => ((await nodesOf(edge)).age_ms ?? Infinity) < 1500);
    await Promise.all([untilState(origin, "ok"), untilState(edge, "ok")]);
    await until("both are well", async () =>
      (await nodesOf(origin)).list.every(({ state }) => state === "ok"),
    );
  });

  const WRONG_URLS: readonly (readonly [string, () => string])[] = [
    ["that Redis does not admit", () => redis.url.replace("//", "//relay:open-sesame@")],
    ["that leads nowhere", () => "redis://relay:open-sesame@127.0.0.1:1"],
    [
      "of sentinels that are none",
      () =>
        `${redis.url.replace("redis:", "redis+sentinel:").replace("//", "//relay:open-sesame@")}/main?sentinel_user=s&sentinel_password=open-sesame`,
    ],
  ];

  test.each(WRONG_URLS)("nodes - of a URL %s no password is shown anywhere", async (_, url) => {
    const apart = new RelayNodes({ url: url() });
    // Where Redis is away nobody can be the origin.
    const node = await apart.standby({ "log-level": "trace", "relay-prefix": "apart" });
    try {
      expect((await untilState(node, "standby")).join()).toContain("Redis");
      const shown = await Promise.all(
        ["/status", "/metrics", "/readyz"].map(async (path) => (await node.ops(path)).text()),
      );
      expect(await nodesOf(node)).toEqual({ age_ms: null, list: [] });
      expect(await node.stop()).toBe(0);
      const all = [...shown, ...node.output].join("\n");
      expect(all).toContain("marketcast_relay_connected");
      expect(all).not.toContain("open-sesame");
    } finally {
      await apart.dispose();
    }
  });

  /** What keeps an edge from news, and what ends that. */
  const TROUBLES: readonly (readonly [string, () => unknown, () => unknown, string])[] = [
    [
      "Redis stands still",
      () => redis.signal("SIGSTOP"),
      () => redis.signal("SIGCONT"),
      "the last state",
    ],
    ["Redis is killed", () => redis.kill(), () => redis.start(), "Redis cannot be reached"],
    [
      "the origin stands still",
      () => origin.child.kill("SIGSTOP"),
      () => origin.child.kill("SIGCONT"),
      "nothing has come of the origin",
    ],
    [
      "the origin is killed",
      () => origin.child.kill("SIGKILL"),
      async () => {
        const { dataDir } = origin;
        origin = await nodes.origin({
          feed: "exchange",
          "node-name": "origin",
          "data-dir": dataDir,
        });
      },
      "nothing has come of the origin",
    ],
  ];

  test.each(TROUBLES)(
    "nodes - when %s an edge tells its clients within 3 s that it is degraded, and recovers by itself",
    async (_, begin, end, reason) => {
      await untilState(edge, "ok");
      const client = await TestClient.connect(edge.port);
      await client.subscribe({ type: "SystemStatus" });
      const untilSaid = async (wanted: string): Promise<readonly string[]> => {
        for (;;) {
          const { status } = (await client.take("SystemStatus")).data;
          if (status.state === wanted) return status.reasons;
        }
      };
      const since = performance.now();
      await begin();
      const reasons = await untilSaid("degraded");
      const afterMs = performance.now() - since;
      expect(reasons.join()).toContain(reason);
      expect(afterMs).toBeLessThan(DEGRADED_MS_MAX);
      const ready = await edge.ops("/readyz");
      expect([ready.status, await ready.json()]).toEqual([
        200,
        { state: "degraded", reasons: expect.arrayContaining([...reasons]) },
      ]);
      // It goes on serving what it has.
      const late = await TestClient.connect(edge.port);
      await late.subscribe({ type: "Market", params: { market_id: 1001 } });
      await late.take("OrderBook");
      await late.close();
      await end();
      expect(await untilSaid("ok")).toEqual([]);
      await client.close();
    },
  );
});
