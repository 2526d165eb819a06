import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChannelWatch, channelUser, type PlacedData, publishTo } from "../support/channel-watch.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes, untilState } from "../support/relay-nodes.js";
import type { ServerProcess } from "../support/server-process.js";
import { faultsOf, SteadyPublisher } from "../support/steady-publisher.js";
import type { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** More than is published while a node is away. */
const HISTORY = 4000;
/** Publishing needs no exchange. */
const FEED = { feed: "synthetic", "feed-rate": 20, "channel-history-size": HISTORY };

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
    const shards = name === "one" ? 2 : 1;
    const edge = await nodes.edge({ "node-name": name, shards }, { threadEnds: true });
    await linked(edge);
    return edge;
  };

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

  /** Publishers of a channel on all nodes, while something happens; returns them when all have stopped. */
  async function whilePublishing(
    channel: string,
    happens: () => Promise<void>,
  ): Promise<readonly SteadyPublisher[]> {
    const publishers = await Promise.all(
      all().map(({ port }, at) => SteadyPublisher.start(port, channel, `publisher-${at}`)),
    );
    const more = async (count = 30): Promise<void> => {
      for (const one of publishers) {
        const enough = one.placed.length + count;
        await until("more is published", () => one.placed.length >= enough, 30_000);
      }
    };
    await more();
    await happens();
    await more();
    await Promise.all(publishers.map((one) => one.stop()));
    return publishers;
  }

  /** Waits until all have what was published last, and says what is wrong with what they have. */
  async function faultsOfAll(
    watches: readonly ChannelWatch[],
    channel: string,
    publishers: readonly SteadyPublisher[],
  ): Promise<string[]> {
    const last = Math.max(...publishers.map(({ placed }) => placed.at(-1)?.seq ?? 0));
    for (const one of watches)
      await until(
        "all is told",
        () => (one.of(channel).at(-1)?.seq ?? 0) >= last || one.closedWith !== undefined,
        20_000,
      );
    return watches.flatMap((one) => [
      ...faultsOf(one, channel, publishers),
      ...one.late,
      ...(one.closedWith === undefined ? [] : [`closed with ${one.closedWith}`]),
    ]);
  }

  test("private channels of several nodes - operators publish on any node", async () => {
    const channel = newChannel();
    const watches = await Promise.all(all().map((node) => watch(node, [channel])));
    const placed: unknown[] = [];
    for (const { opsPort } of all()) {
      const answer = await fetch(`http://127.0.0.1:${opsPort}/publish`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ channel, data: { by: "an operator" } }),
      });
      expect(answer.status).toBe(200);
      placed.push({ ...((await answer.json()) as object), data: { by: "an operator" } });
    }
    for (const one of watches) {
      await one.has(channel, placed.length);
      expect(one.told.get(channel)).toEqual(placed);
    }
  });

  test("private channels of several nodes - what was published before is there on every node, by since", async () => {
    const channel = newChannel();
    const publisher = await user(edges[0] as ServerProcess);
    const placed: PlacedData[] = [];
    for (let number = 0; number < 30; number++)
      placed.push(await publishTo(publisher, channel, number));
    const [, second] = placed as [PlacedData, PlacedData];
    const late = await startEdge("late");
    for (const node of [...all(), late]) {
      const one = await watch(node, [channel], second.ts);
      await one.has(channel, placed.length - 1);
      expect(one.of(channel)).toEqual(placed.slice(1));
      expect(one.recovered.get(channel)).toBe(true);
      const early = await watch(node, [channel], 1);
      expect(early.recovered.get(channel)).toBe(false);
    }
    await late.dispose();
  });

  test("private channels of several nodes - who moves from node to node with since is told each publication once", async () => {
    const channel = newChannel();
    const dying = await startEdge("dying");
    const told: PlacedData[] = [];
    const publishers = await whilePublishing(channel, async () => {
      let moving = await watch(dying, [channel]);
      await moving.has(channel, 20);
      dying.child.kill("SIGKILL");
      await until("the end", () => moving.closedWith !== undefined);
      for (const node of [...all(), ...all()]) {
        const before = moving.of(channel);
        await moving.close();
        expect(moving.late).toEqual([]);
        // Either will do: the position that it was told, and the last that it has.
        const since = moving.position || (before.at(-1) as PlacedData).ts;
        moving = await watch(node, [channel], since);
        expect(moving.recovered.get(channel)).toBe(true);
        await moving.has(channel, 20);
        told.push(...before.filter(({ seq }) => seq < (moving.of(channel)[0] as PlacedData).seq));
      }
      told.push(...moving.of(channel));
    });
    const published = publishers.flatMap(({ placed }) => placed).sort((a, b) => a.seq - b.seq);
    const from = published.findIndex(({ seq }) => seq === told[0]?.seq);
    expect(told).toEqual(published.slice(from, from + told.length));
    await dying.dispose();
  });

  test("private channels of several nodes - a stream trimmed under an edge that was stopped: nothing is missing", async () => {
    const [channel, quiet] = [newChannel(), newChannel()];
    const watches = await Promise.all(all().map((node) => watch(node, [channel, quiet])));
    const [edge] = edges as [ServerProcess];
    let quietly: PlacedData | undefined;
    const gaps = await edge.metric("marketcast_relay_publication_gaps_total");
    const publishers = await whilePublishing(channel, async () => {
      edge.child.kill("SIGSTOP");
      quietly = await publishTo(await user(origin), quiet, "for once");
      await watches[0]?.has(channel, watches[0].of(channel).length + 100);
      redis.cli("XTRIM", "marketcast:stream", "MAXLEN", "1");
      edge.child.kill("SIGCONT");
    });
    expect(await faultsOfAll(watches, channel, publishers)).toEqual([]);
    for (const one of watches) expect(one.of(quiet)).toEqual([quietly]);
    expect(await edge.metric("marketcast_relay_publication_gaps_total")).toBe(gaps + 1);
  });

  test("private channels of several nodes - what is beyond reach closes its subscribers with 4001", async () => {
    const flags = { ...FEED, "relay-prefix": "short", "channel-history-size": 5 };
    const [poor, edge] = [await nodes.origin(flags), await nodes.edge({ "relay-prefix": "short" })];
    await linked(edge);
    const [channel, quiet] = [newChannel(), newChannel()];
    const [reader, other] = [await watch(edge, [channel]), await watch(edge, [quiet])];
    const publisher = await user(poor);
    await publishTo(publisher, channel, "first");
    await reader.has(channel, 1);
    edge.child.kill("SIGSTOP");
    for (let number = 0; number < 10; number++) await publishTo(publisher, channel, number);
    redis.cli("XTRIM", "short:stream", "MAXLEN", "0");
    edge.child.kill("SIGCONT");
    await until("the end", () => reader.closedWith !== undefined, 20_000);
    expect(reader.closedWith).toBe(4001);
    // The edge may have been sent some before it stood still.
    expect(reader.of(channel).length).toBeLessThan(5);
    // Nothing is missing of this one.
    const placed = await publishTo(publisher, quiet, "still there");
    await other.has(quiet, 1);
    expect([other.of(quiet), other.closedWith]).toEqual([[placed], undefined]);
  });

  /** Resolves when all have what any of them has by now, and some more. */
  async function abreast(watches: readonly ChannelWatch[], channel: string): Promise<void> {
    const last = (one: ChannelWatch): number => one.of(channel).at(-1)?.seq ?? 0;
    const newest = Math.max(...watches.map(last));
    for (const one of watches)
      await until("all are abreast", () => last(one) > newest + 30 || undefined, 20_000);
  }

  test("private channels of several nodes - threads of origin and edge die: nothing is missing", async () => {
    const channel = newChannel();
    const watches = await Promise.all(all().map((node) => watch(node, [channel])));
    const publishers = await whilePublishing(channel, async () => {
      for (const [node, command] of [
        [origin, { restartRelay: true }],
        [edges[0] as ServerProcess, { restartProducer: true }],
        [origin, { restartProducer: true }],
      ] as const) {
        const before = Math.max(...watches.map((one) => one.of(channel).length));
        node.command(command);
        for (const one of watches) await one.has(channel, before + 60);
        // A hub that dies while somebody is still told what it had takes that with it.
        await abreast(watches, channel);
      }
    });
    expect(await faultsOfAll(watches, channel, publishers)).toEqual([]);
  });

  test("private channels of several nodes - a Redis that stands still, and one that starts again empty", async () => {
    const channel = newChannel();
    const watches = await Promise.all(all().map((node) => watch(node, [channel])));
    const [edge] = edges as [ServerProcess];
    const publishers = await whilePublishing(channel, async () => {
      redis.signal("SIGSTOP");
      await untilState(edge, "degraded");
      redis.signal("SIGCONT");
      await Promise.all([untilState(edge, "ok"), linked(edge)]);
      await redis.kill();
      await untilState(edge, "degraded");
      const refusal = await (await user(edge)).request({
        type: "Publish",
        data: { channel, data: "nobody knows" },
      });
      expect(refusal).toMatchObject({ type: "Error", data: { code: "UNAVAILABLE" } });
      await redis.start();
      await Promise.all([untilState(edge, "ok"), ...edges.map(linked)]);
    });
    expect(await faultsOfAll(watches, channel, publishers)).toEqual([]);
  });

  test("private channels of several nodes - an origin that was killed: its edges' subscribers are told, never silence", async () => {
    const [channel, quiet] = [newChannel(), newChannel()];
    const [edge] = edges as [ServerProcess];
    const reader = await watch(edge, [channel]);
    const other = await watch(edge, [quiet]);
    const publisher = await user(edge);
    const placed = await publishTo(publisher, channel, "before");
    await reader.has(channel, 1);
    origin.child.kill("SIGKILL");
    await untilState(edge, "degraded");
    origin = await nodes.origin(FEED, { threadEnds: true });
    await Promise.all(edges.map(linked));
    for (const one of [reader, other]) {
      await until("the end", () => one.closedWith !== undefined, 60_000);
      expect(one.closedWith).toBe(4001);
    }
    const again = await watch(edge, [channel], placed.ts);
    expect(again.recovered.get(channel)).toBe(false);
    const next = await publishTo(publisher, channel, "after");
    expect(next.seq).toBeGreaterThan(placed.seq);
    await again.has(channel, 1);
    expect(again.of(channel)).toEqual([next]);
  });
});
