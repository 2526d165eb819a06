import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counted, counterBlockOf, createCounterBuffer } from "../../../src/counters/counters.js";
import { RELAY } from "../../../src/counters/relay-counters.js";
import { HUB_LINKS, hubKeys } from "../../../src/relay/hub/hub-links.js";
import { RelayedHub } from "../../../src/relay/hub/relayed-hub.js";
import { EdgesDesk } from "../../../src/relay/orders/edges-desk.js";
import { openRedis } from "../../../src/relay/redis-link.js";
import { createLogger } from "../../../src/shared/log.js";
import type { HubNews, HubRequest, HubToShard } from "../../../src/workers/hub/messages.js";
import { Hub, type HubShard } from "../../../src/workers/producer/hub.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { Stops, TEST_LEASE_MS, targetOf } from "../orders/orders-world.js";

const keys = hubKeys("test");
const log = createLogger({ level: "silent", format: "json" }, {});
const TIMEOUT_MS = 400;

const publication = (request: number): HubRequest => ({
  type: "publish",
  request,
  channel: "desk",
  data: String(request),
  userId: "u",
});

/** A shard of an edge, in the test's hand. */
class ShardEnd {
  readonly heard: HubToShard[number][] = [];
  readonly port: MessagePort;
  readonly #own: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#own = port2;
    port2.on("message", (news: HubToShard) => this.heard.push(...news));
  }

  ask(...requests: readonly HubRequest[]): void {
    this.#own.postMessage(requests);
  }

  close(): void {
    this.#own.close();
  }

  told<T extends HubToShard[number]["type"]>(type: T): Promise<HubToShard[number]> {
    return until(type, () => {
      const at = this.heard.findIndex((one) => one.type === type);
      return at < 0 ? undefined : this.heard.splice(at, 1)[0];
    });
  }
}

describe.skipIf(!HAS_REDIS)(`relayed hub${NO_REDIS}`, () => {
  let redis: RedisServer;
  let stops: Stops;
  let edgeStops: Stops;
  let hub: Hub;
  let edge: RelayedHub;
  /** What the hub is asked, and whether it answers publications. */
  let asked: (readonly [HubShard, HubRequest | "attached" | "gone"])[];
  let answers = true;
  const counters = counterBlockOf(createCounterBuffer(1)).relay;

  beforeEach(async () => {
    redis = await RedisServer.start();
    stops = new Stops();
    edgeStops = new Stops();
    const own: typeof asked = [];
    asked = own;
    answers = true;
    hub = new Hub({
      attached: (shard) => own.push([shard, "attached"]),
      request: (from, request) => {
        own.push([from, request]);
        if (request.type === "publish" && answers)
          from.tell({ type: "published", request: request.request, seq: 7, ts: 8 });
      },
      heard: () => {},
      gone: (shard) => own.push([shard, "gone"]),
    });
    const desk = new EdgesDesk({
      open: () => openRedis(targetOf(redis.url)),
      keys,
      leaseMs: TEST_LEASE_MS,
      origin: "origin",
      fence: 1,
      takesOrders: true,
      maxQueuedBytes: 1 << 24,
      openPort: (shard) => {
        const { port1, port2 } = new MessageChannel();
        hub.attach(shard, port1);
        return port2;
      },
      kind: HUB_LINKS,
      counters,
      log,
    });
    desk.changeEpoch("epoch-1");
    stops.add(desk.run(stops.signal));
    edge = newEdge();
  });
  afterEach(async () => {
    await edgeStops.stop();
    await stops.stop();
    hub.close();
    await redis.dispose();
  });

  function newEdge(maxQueuedBytes = 1 << 24): RelayedHub {
    const relayed = new RelayedHub({
      open: () => openRedis(targetOf(redis.url)),
      keys,
      node: "edge",
      run: "run",
      log,
      publishTimeoutMs: TIMEOUT_MS,
      maxQueuedBytes,
      counters: counterBlockOf(createCounterBuffer(1)).relay,
    });
    edgeStops.add(relayed.run(edgeStops.signal));
    return relayed;
  }

  async function shard(number = 0): Promise<ShardEnd> {
    const end = new ShardEnd();
    edge.attach(number, end.port);
    await end.told("hub-there");
    end.heard.length = 0;
    return end;
  }

  const requests = (): unknown[] => asked.map(([, request]) => request);

  it("relayed hub - shards are attached with the link, asked or not, and told what they ask", async () => {
    const [one, two] = await Promise.all([shard(0), shard(1)]);
    await until("both are attached", () => asked.length === 2 || undefined);
    one.ask(publication(1), { type: "presence-watch", key: "market 1" });
    expect(await one.told("published")).toEqual({ type: "published", request: 1, seq: 7, ts: 8 });
    expect(asked[0]?.[0]).not.toBe(asked[1]?.[0]);
    expect(requests().slice(2)).toEqual([
      publication(1),
      { type: "presence-watch", key: "market 1" },
    ]);
    const news: HubNews = { type: "presence-count", key: "market 1" };
    for (const attached of hub.shards) attached.tell(news);
    for (const end of [one, two]) expect(await end.told("presence-count")).toEqual(news);
    two.close();
    await until("the end of one", () => requests().includes("gone") || undefined);
    expect([...hub.shards]).toHaveLength(1);
  });

  it("relayed hub - operators publish, and are refused where no origin is", async () => {
    expect(await edge.publish("desk", "1")).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    await shard();
    expect(await edge.publish("desk", "1")).toEqual({ seq: 7, ts: 8 });
    expect(requests().at(-1)).toMatchObject({ type: "publish", userId: undefined });
  });

  it("relayed hub - a publication that is not answered is refused at its deadline, and may have been published", async () => {
    const end = await shard();
    answers = false;
    const since = performance.now();
    end.ask(publication(1));
    expect(await end.told("refusal")).toMatchObject({
      request: 1,
      refusal: { code: "UNAVAILABLE", message: expect.stringContaining("may have been published") },
    });
    expect(performance.now() - since).toBeGreaterThan(TIMEOUT_MS);
  });

  it("relayed hub - without Redis publications are refused at once, and the shard's ways come and go", async () => {
    const end = await shard();
    await redis.kill();
    await end.told("hub-away");
    end.ask(publication(1));
    expect(await end.told("refusal")).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    await redis.start();
    await end.told("hub-there");
    end.ask(publication(2));
    expect(await end.told("published")).toMatchObject({ request: 2 });
    expect(requests().filter((one) => one === "gone").length).toBeLessThanOrEqual(1);
    expect([...hub.shards]).toHaveLength(1);
  });

  it("relayed hub - with too much that waits nothing is published", async () => {
    await edgeStops.stop();
    edgeStops = new Stops();
    edge = newEdge(0);
    const end = await shard();
    redis.signal("SIGSTOP");
    end.ask(publication(1));
    await until("it waits", () => {
      end.ask(publication(2));
      return end.heard.some((one) => one.type === "refusal") || undefined;
    });
    expect(await end.told("refusal")).toMatchObject({
      refusal: { message: expect.stringMatching(/waits? for the origin|heard/) },
    });
    redis.signal("SIGCONT");
  });

  it("relayed hub - an edge that is silent for its lease leaves; one that stops leaves at once", async () => {
    await shard();
    await edgeStops.stop();
    const leasesEnded = counted(counters, RELAY.hubLeasesEnded);
    const since = performance.now();
    await until("the end", () => requests().includes("gone") || undefined);
    expect(performance.now() - since).toBeGreaterThan(TEST_LEASE_MS / 2);
    expect(counted(counters, RELAY.hubLeasesEnded)).toBe(leasesEnded + 1);
    edgeStops = new Stops();
    edge = newEdge();
    await shard();
    asked.length = 0;
    await edge.leave();
    await until("the end", () => requests().includes("gone") || undefined);
    expect([...hub.shards]).toEqual([]);
  });
});
