import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChannelWatch, channelUser, type PlacedData, publishTo } from "../support/channel-watch.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes } from "../support/relay-nodes.js";
import type { ServerProcess } from "../support/server-process.js";
import type { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** Publishing needs no exchange. */
const FEED = { feed: "synthetic", "feed-rate": 20 };

let channels = 0;
const newChannel = (): string => `desk-${++channels}`;

describe.skipIf(!HAS_REDIS)(`private channels of several nodes${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;
  let origin: ServerProcess;
  let edges: ServerProcess[];
  const clients: { close(): Promise<void> }[] = [];

  /** Resolves when an edge has a link to the origin's hub. */
  const linked = (edge: ServerProcess): Promise<unknown> =>
    until(
      "a link to the hub",
      async () => (await edge.metric("marketcast_relay_origin_hub_linked")) === 1,
      20_000,
    );
  const startEdge = async (name: string): Promise<ServerProcess> => {
    const edge = await nodes.edge({ "node-name": name, shards: name === "one" ? 2 : 1 });
    await linked(edge);
    return edge;
  };

  beforeAll(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
    origin = await nodes.origin(FEED);
    edges = await Promise.all(["one", "two"].map(startEdge));
  }, 60_000);
  afterAll(async () => {
    await nodes?.dispose();
    await redis?.dispose();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  const all = (): readonly ServerProcess[] => [origin, ...edges];
  async function watch(
    { port }: ServerProcess,
    names: readonly string[],
    since?: number,
  ): Promise<ChannelWatch> {
    const one = await ChannelWatch.start(port, names, since);
    clients.push(one);
    return one;
  }
  async function user({ port }: ServerProcess, sub?: string): Promise<TestClient> {
    const one = await channelUser(port, sub);
    clients.push(one);
    return one;
  }

  test("private channels of several nodes - with publishers on all of them at once everybody is told the same", async () => {
    const channel = newChannel();
    const watches = await Promise.all(
      all().flatMap((node) => [1, 2].map(() => watch(node, [channel]))),
    );
    const published: PlacedData[] = [];
    const each = 40;
    await Promise.all(
      all().map(async (node, at) => {
        const publisher = await user(node, `publisher-${at}`);
        for (let number = 0; number < each; number++)
          published.push(await publishTo(publisher, channel, `${at}: ${number}`));
      }),
    );
    published.sort((a, b) => a.seq - b.seq);
    for (const one of watches) {
      await one.has(channel, published.length);
      expect(one.of(channel)).toEqual(published);
    }
    expect(published.map(({ seq }) => seq)).toEqual(
      published.map((_, at) => (published[0] as PlacedData).seq + at),
    );
    const users = new Set((watches[0]?.told.get(channel) ?? []).map(({ user_id }) => user_id));
    expect(users).toEqual(new Set(["publisher-0", "publisher-1", "publisher-2"]));
  });
});
