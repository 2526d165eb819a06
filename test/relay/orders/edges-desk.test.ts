import { Packr } from "msgpackr";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counted } from "../../../src/counters/counters.js";
import { RELAY } from "../../../src/counters/relay-counters.js";
import { packCall } from "../../../src/relay/orders/link-entries.js";
import { EDGE_LEASE_MS } from "../../../src/shared/edge-shards.js";
import { ExchangeWorld, TestClocks } from "../../exchange/exchange-world.js";
import { ShardEnd } from "../../exchange/shard-end.js";
import { temporaryDirectory } from "../../store/directories.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { Origin, Stops, TestEdge, told } from "./orders-world.js";
import { RawEdge } from "./raw-edge.js";

describe.skipIf(!HAS_REDIS)(`edges' desk${NO_REDIS}`, () => {
  let redis: RedisServer;
  let clocks: TestClocks;
  let world: ExchangeWorld;
  /** Of the thread that serves, and of everything else. */
  let serving: Stops;
  let stops: Stops;
  let origin: Origin;
  let edges: RawEdge[];
  /** Makes requests of shard 0; attached nowhere. */
  let shard: ShardEnd;
  let own: ShardEnd;

  beforeEach(async () => {
    redis = await RedisServer.start();
    stops = new Stops();
    clocks = new TestClocks();
    world = await ExchangeWorld.start(temporaryDirectory(), "run-1", {}, clocks);
    edges = [];
    shard = new ShardEnd();
    own = world.shard();
    await own.snapshot("w");
    await startThread();
  });
  afterEach(async () => {
    for (const edge of edges) edge.close();
    shard.close();
    await serving.stop();
    await stops.stop();
    await redis.dispose();
  });

  /** Another relay thread of the origin; resolves when it hears edges. */
  async function startThread(fence = 1): Promise<void> {
    const calls = (): string => redis.cli("xlen", "test:calls");
    const before = calls();
    serving = new Stops();
    origin = new Origin(world, () => redis, serving, { fence: () => fence });
    await until("it calls", () => calls() !== before);
  }

  async function rawEdge(node: string): Promise<RawEdge> {
    const edge = await RawEdge.connect(redis, node);
    edges.push(edge);
    return edge;
  }

  const openOrders = async () => (await own.snapshot("w")).orders;
  const attach = (...sessions: readonly ReturnType<ShardEnd["claim"]>[]) =>
    ({ type: "attach", sessions }) as const;

  it("edges' desk - a thread that comes back begins no link that another one has served, whoever asks for it", async () => {
    const edge = await rawEdge("a");
    const { link, serving: first } = await edge.linked();
    await edge.ask(link, 1, first, [attach(), shard.place("w")]);
    await until("it is placed", async () => (await openOrders()).length === 1);
    await serving.stop();
    await startThread();
    // This hello is older than the thread's; one that was late comes again behind its begin.
    await (await rawEdge("b")).linked();
    await edge.hello(link);
    const { serving: second } = await (await rawEdge("c")).linked();
    expect(second.origin).not.toBe(first.origin);
    expect(await openOrders()).toHaveLength(1);
    for (const { of } of await edge.answers(link)) expect(of).toEqual(first);
    // The next one is well.
    const next = await edge.linked();
    await edge.ask(next.link, 1, next.serving, [attach(), shard.place("w")]);
    await until("it is placed", async () => (await openOrders()).length === 2);
  });

  it("edges' desk - what is asked of another thread, fence or exchange ends the link, and is not taken up", async () => {
    const edge = await rawEdge("a");
    for (const other of [{ origin: "another" }, { fence: 2 }, { epoch: "another" }]) {
      const { link, serving: of } = await edge.linked();
      await edge.ask(link, 1, { ...of, ...other }, [attach(), shard.place("w")]);
      await edge.ask(link, 2, of, [shard.place("w")]);
      expect(await edge.end(link)).toBe("a request is for another exchange");
    }
    expect(await openOrders()).toEqual([]);
  });

  it("edges' desk - an entry that is not understood ends the link, and what follows it is not taken up", async () => {
    const edge = await rawEdge("a");
    const packr = new Packr({ useRecords: false });
    for (const [bytes, rule] of [
      [Buffer.from("x"), /not understood: .* no MessagePack|list is missing/],
      [packr.pack([2, "o", 1, "e", 0, 0, [[0, 1, [{ type: "more" }]]]]), /the type more/],
    ] as const) {
      const { link, serving: of } = await edge.linked();
      await edge.write(link, 1, of.fence, bytes);
      await edge.ask(link, 2, of, [attach(), shard.place("w")]);
      expect(await edge.end(link)).toMatch(rule);
    }
    expect(await openOrders()).toEqual([]);
  });

  it("edges' desk - two hellos of one link begin it once, and an older one does not end a newer one's", async () => {
    const edge = await rawEdge("a");
    const [older, newer] = ["older", "newer"];
    await edge.hello(newer, 20);
    const of = await edge.begun(newer);
    for (const [link, drawnAt] of [
      [newer, 20],
      [older, 10],
      [newer, 20],
    ] as const)
      await edge.hello(link, drawnAt);
    await (await rawEdge("b")).linked();
    await edge.ask(newer, 1, of, [attach(), shard.place("w")]);
    await until("it is placed", async () => (await openOrders()).length === 1);
    const answers = await edge.answers(newer);
    expect(answers.filter(({ takesOrders }) => takesOrders !== undefined)).toHaveLength(1);
    expect(await edge.answers(older)).toEqual([]);
    expect(counted(origin.counters, RELAY.linksEnded)).toBe(0);
    // Having ended, it is not begun again either.
    await edge.ask(newer, 9, of, []);
    expect(await edge.end(newer)).toBe("a request is missing");
    const told = (await edge.answers(newer)).length;
    await edge.hello(newer, 20);
    await (await rawEdge("c")).linked();
    expect(await edge.answers(newer)).toHaveLength(told);
  });

  it("edges' desk - behind the call of an origin with a higher fence nothing is taken up or told, and sessions end behind the lease, or wait", async () => {
    const edge = await rawEdge("a");
    const { link, serving: of } = await edge.linked();
    const [ends, waits] = [shard.claim(1), shard.claim(2, 60_000)];
    const bound = { ...shard.place("w", { price: 0.3 }), boundTo: ends.session };
    const waiting = { ...shard.place("w", { price: 0.4 }), boundTo: waits.session };
    await edge.ask(link, 1, of, [attach(ends, waits), bound, waiting]);
    await until("they are placed", async () => (await openOrders()).length === 2);
    const before = (await edge.answers(link)).length;
    const call = { origin: "another", fence: 2, epoch: "another" };
    // The request was written before the call was known to its edge; the origin may read both at once.
    const [, written] = await Promise.all([
      edge.call(2, packCall(call)),
      edge.ask(link, 2, { ...of, fence: 2 }, [shard.place("w")]),
    ]);
    expect(written).toBe("there");
    expect(await edge.ask(link, 3, of, [shard.place("w")])).toEqual({ fence: 2 });
    await until("the link has ended", () => counted(origin.counters, RELAY.links) === 0);
    expect(await openOrders()).toHaveLength(2);
    expect((await edge.answers(link)).length).toBe(before);
    const unserved = await edge.hello();

    clocks.wind((EDGE_LEASE_MS + 1000) * 1000);
    await until("what was bound is cancelled", async () => (await openOrders()).length === 1);
    expect((await openOrders())[0]).toMatchObject({ price: 0.4 });
    clocks.wind(60_000 * 1000);
    await until("it waited long enough", async () => (await openOrders()).length === 0);
    expect(await edge.answers(unserved)).toEqual([]);
  });

  it("edges' desk - when serving ends, sessions of edges' connections end behind the lease", async () => {
    const edge = await rawEdge("a");
    const { link, serving: of } = await edge.linked();
    const { session } = shard.claim(1);
    const bound = { ...shard.place("w"), boundTo: session };
    await edge.ask(link, 1, of, [attach(shard.claim(1)), bound]);
    await until("it is placed", async () => (await openOrders()).length === 1);
    await serving.stop();
    expect(counted(origin.counters, RELAY.links)).toBe(0);
    expect(await openOrders()).toHaveLength(1);
    clocks.wind((EDGE_LEASE_MS + 1000) * 1000);
    await until("it is cancelled", async () => (await openOrders()).length === 0);
  });

  it("edges' desk - the bound on requests holds while links are replaced, and answers to what has ended are dropped and counted", async () => {
    const edge = await rawEdge("a");
    const many = () => Array.from({ length: 300 }, () => shard.place("w"));
    world.store.hold();
    const first = await edge.linked();
    for (let number = 1; number <= 4; number++)
      await edge.ask(first.link, number, first.serving, [attach(), ...many()]);
    await until("its bound", () => counted(origin.counters, RELAY.linkOutstanding) === 600);
    const next = await edge.hello();
    await (await rawEdge("b")).linked();
    expect(await edge.answers(next)).toEqual([]);
    expect(counted(origin.counters, RELAY.linkOutstanding)).toBe(600);
    expect(await edge.end(first.link)).toBe("the edge has asked for another one");
    world.store.release();
    const of = await edge.begun(next);
    expect(counted(origin.counters, RELAY.answersDropped)).toBe(600);
    expect(await openOrders()).toHaveLength(600);
    await edge.ask(next, 1, of, [attach(), ...many()]);
    await until("they are placed", async () => (await openOrders()).length === 900);
    await until("all are answered", () => counted(origin.counters, RELAY.linkOutstanding) === 0);
  });

  it("edges' desk - an edge whose requests wait for the exchange is not taken for silent", async () => {
    const busy = new TestEdge(() => redis, "busy", stops, { orderTimeoutMs: 60_000 });
    const end = await busy.shard();
    world.store.hold();
    const flood = Array.from({ length: 1500 }, () => end.place("v"));
    for (let at = 0; at < flood.length; at += 100) end.send(...flood.slice(at, at + 100));
    await until("its bound", () => counted(origin.counters, RELAY.linkOutstanding) >= 512);
    await (await rawEdge("silent")).linked();
    await until("a lease ends", () => counted(origin.counters, RELAY.leasesEnded) > 0);
    // That of the busy one would have ended before.
    world.store.release();
    const replies = () => end.news.filter(({ type }) => type === "reply").length;
    await until("all are answered", () => replies() === flood.length, 20_000);
    expect(counted(origin.counters, RELAY.leasesEnded)).toBe(1);
  });

  it("edges' desk - an edge that has seen a higher fence, with market data or in Redis, leaves its link and takes none of a lower one", async () => {
    const edge = new TestEdge(() => redis, "a", stops);
    const end = await edge.shard();
    expect(await end.ask(end.place("w"))).toMatchObject({ type: "reply" });
    edge.relayCounters[RELAY.fence] = 3;
    expect(await end.ask(end.place("w"))).toMatchObject({
      refusal: { message: "another origin has taken over; try again" },
    });
    expect((await told(end, "unreachable")).reason).toBe("another origin has taken over");
    const ended = counted(origin.counters, RELAY.linksEnded);
    await until("it has asked again", () => counted(origin.counters, RELAY.linksEnded) > ended);
    expect(end.news.filter(({ type }) => type === "reachable")).toEqual([]);
    await serving.stop();
    await startThread(3);
    await told(end, "reachable");
    end.send(attach());
    expect(await end.ask(end.place("w"))).toMatchObject({ type: "reply" });
    redis.cli("set", "test:fence", "9");
    end.send(end.place("w"));
    expect((await told(end, "unreachable")).reason).toBe("another origin has taken over");
    expect(await openOrders()).toHaveLength(2);
  });
});
