import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EDGE_LEASE_MS } from "../../src/shared/edge-shards.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes, untilState } from "../support/relay-nodes.js";
import { type ServerProcess, testToken } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** Within which presence is exact. */
const EXACT_MS = 2000;
/** Within which it is behind the origin's start. */
const RESTART_MS = 10_000;
const FEED = { feed: "synthetic", "feed-rate": 20 };

type Told = MessageOf<"PresenceUpdate">["data"];

/** One who watches, and what it was told last. */
interface Watcher {
  readonly node: string;
  last: Told | undefined;
  readonly members: Set<string>;
}

let channels = 0;

describe.skipIf(!HAS_REDIS)(`presence over nodes${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;
  let origin: ServerProcess;
  let edges: ServerProcess[];
  const clients: TestClient[] = [];
  let channel = "";

  const linked = (edge: ServerProcess): Promise<unknown> =>
    until(
      "a link to the hub",
      async () => (await edge.metric("marketcast_relay_origin_hub_linked")) === 1,
      20_000,
    );
  const startEdge = async (name: string): Promise<ServerProcess> => {
    const shards = name === "one" ? 2 : 1;
    const edge = await nodes.edge({ "node-name": name, shards });
    await linked(edge);
    return edge;
  };
  const all = (): readonly ServerProcess[] => [origin, ...edges];

  beforeAll(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
    origin = await nodes.origin(FEED, { threadEnds: true });
    edges = await Promise.all(["one", "two"].map(startEdge));
  }, 60_000);
  afterAll(async () => {
    await nodes?.dispose();
    await redis?.dispose();
  });
  beforeEach(() => {
    channel = `desk-${++channels}`;
  });
  afterEach(() => {
    for (const { ws } of clients.splice(0)) ws.terminate();
  });

  async function connect({ port }: ServerProcess, sub?: string): Promise<TestClient> {
    const query = sub === undefined ? "" : `?token=${testToken({ sub, channels: ["desk-*"] })}`;
    const client = await TestClient.connect(port, { query });
    clients.push(client);
    return client;
  }

  async function visit(node: ServerProcess, sub: string): Promise<TestClient> {
    const client = await connect(node, sub);
    await client.subscribe({ type: "Private", params: { channel } });
    return client;
  }

  /** Watches the presence of the channel, or of something else. */
  async function watch(node: ServerProcess, params: object = { channel }): Promise<Watcher> {
    const client = await connect(node, "watcher");
    const watcher: Watcher = { node: String(node.port), last: undefined, members: new Set() };
    client.send({
      type: "Subscribe",
      data: { channels: [{ type: "Presence", params }] },
    });
    const read = async (): Promise<void> => {
      for (;;) {
        const { data } = await client.take("PresenceUpdate");
        if (data.members !== undefined) watcher.members.clear();
        for (const user of data.members ?? data.joined ?? []) watcher.members.add(user);
        for (const user of data.left ?? []) watcher.members.delete(user);
        watcher.last = data;
      }
    };
    void read().catch(() => {});
    return watcher;
  }

  /** Waits until those who watch know of so many connections, and of these users, or so many. */
  async function told(
    watchers: readonly Watcher[],
    connections: number,
    users: readonly string[] | number,
    withinMs = EXACT_MS,
  ): Promise<void> {
    const since = performance.now();
    const known = (watcher: Watcher): boolean =>
      typeof users === "number"
        ? watcher.last?.users === users
        : watcher.last?.users === users.length &&
          watcher.members.size === users.length &&
          users.every((one) => watcher.members.has(one));
    for (const watcher of watchers)
      await until(
        `${connections} connections of ${users}`,
        () => watcher.last?.connections === connections && known(watcher),
        withinMs + 10_000,
        () => `${watcher.node}: ${JSON.stringify(watcher.last)}, ${[...watcher.members].join()}`,
      );
    expect(performance.now() - since).toBeLessThan(withinMs);
  }

  test("presence over nodes - exact within two seconds, and a user on several nodes counts once", async () => {
    const watchers = await Promise.all(all().map((node) => watch(node)));
    await told(watchers, 0, []);
    const [one, two] = edges as [ServerProcess, ServerProcess];
    const first = await visit(one, "alice");
    await told(watchers, 1, ["alice"]);
    const others = await Promise.all([
      visit(two, "alice"),
      visit(origin, "alice"),
      visit(two, "bob"),
    ]);
    await told(watchers, 4, ["alice", "bob"]);
    first.ws.terminate();
    await told(watchers, 3, ["alice", "bob"]);
    for (const { ws } of others.slice(0, 2)) ws.terminate();
    await told(watchers, 1, ["bob"]);
    // One who begins to watch is told how it is.
    await told([await watch(one)], 1, ["bob"]);
    others[2]?.ws.terminate();
    await told(watchers, 0, []);
  });

  test("presence over nodes - of a market too", async () => {
    const params = { market_id: 1002 };
    const watchers = await Promise.all(all().map((node) => connect(node)));
    for (const watcher of watchers) await watcher.subscribe({ type: "Presence", params });
    for (const node of all()) await (await connect(node)).subscribe({ type: "Trades", params });
    for (const watcher of watchers)
      await watcher.take(
        "PresenceUpdate",
        ({ data }) => data.connections === all().length && data.users === 0,
      );
  });

  test("presence over nodes - a node that is killed is forgotten when its lease ends, one that stops at once", async () => {
    const watchers = await Promise.all(all().map((node) => watch(node)));
    const [dying, leaving] = await Promise.all([startEdge("dying"), startEdge("leaving")]);
    await visit(dying, "carol");
    await visit(leaving, "dave");
    await visit(edges[0] as ServerProcess, "erin");
    await told(watchers, 3, ["carol", "dave", "erin"]);
    await leaving.stop();
    await told(watchers, 2, ["carol", "erin"]);
    dying.child.kill("SIGKILL");
    await told(watchers, 1, ["erin"], EDGE_LEASE_MS + EXACT_MS);
  });

  test("presence over nodes - nobody goes while the way between nodes is made anew", async () => {
    const watchers = await Promise.all(all().map((node) => watch(node)));
    for (const [at, node] of all().entries()) await visit(node, `user-${at}`);
    const users = ["user-0", "user-1", "user-2"];
    await told(watchers, 3, users);
    const fewest = new Map<Watcher, number>();
    const looks = setInterval(() => {
      for (const watcher of watchers)
        fewest.set(
          watcher,
          Math.min(fewest.get(watcher) ?? Number.POSITIVE_INFINITY, watcher.last?.connections ?? 0),
        );
    }, 20);
    const starts = await origin.metric("marketcast_relay_starts_total");
    origin.command({ restartRelay: true });
    await until("another thread relays, with links", async () => {
      const now = await origin.metric("marketcast_relay_starts_total");
      const links = await origin.metric("marketcast_relay_hub_links");
      return now > starts && links === edges.length;
    });
    await Promise.all(edges.map(linked));
    await visit(edges[1] as ServerProcess, "late");
    // Those who are asked to count anew are waited for.
    await told(watchers, 4, [...users, "late"], RESTART_MS);
    clearInterval(looks);
    expect([...fewest.values()]).toEqual([3, 3, 3]);
  });

  test("presence over nodes - without Redis an edge says what it knew, and then how it is", async () => {
    const [edge] = edges as [ServerProcess];
    const watchers = await Promise.all(all().map((node) => watch(node)));
    await visit(edge, "frank");
    await told(watchers, 1, ["frank"]);
    redis.signal("SIGSTOP");
    await untilState(edge, "degraded");
    await told([await watch(edge)], 1, ["frank"]);
    await visit(edge, "grace");
    redis.signal("SIGCONT");
    await Promise.all([untilState(edge, "ok"), ...edges.map(linked)]);
    await told(watchers, 2, ["frank", "grace"]);
  });

  test("presence over nodes - an origin that starts again is told everything anew", async () => {
    const prices = { type: "PriceFeed", params: { market_ids: [1003] } };
    const watchers = await Promise.all(edges.map((edge) => watch(edge, { market_id: 1003 })));
    for (const [at, node] of [...edges, ...edges, origin].entries())
      await (await connect(node, `user-${at % 2}`)).subscribe(prices);
    await told(watchers, 5, 2);
    origin.child.kill("SIGKILL");
    await untilState(edges[0] as ServerProcess, "degraded");
    origin = await nodes.origin(FEED, { threadEnds: true });
    await Promise.all(edges.map(linked));
    // Each edge begins anew with the origin's epoch, and its connections come back to what they are subscribed to.
    await told([...watchers, await watch(origin, { market_id: 1003 })], 4, 2, RESTART_MS);
  });
});
