import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counted, PRODUCER } from "../../../src/counters/counters.js";
import { RELAY } from "../../../src/counters/relay-counters.js";
import { EDGE_LEASE_MS } from "../../../src/shared/edge-shards.js";
import { ExchangeWorld, TestClocks } from "../../exchange/exchange-world.js";
import { ShardEnd } from "../../exchange/shard-end.js";
import { temporaryDirectory } from "../../store/directories.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { Origin, Stops, TEST_LEASE_MS, TestEdge, told } from "./orders-world.js";

const ORDER = { price: 0.5, quantity: 1 };

describe.skipIf(!HAS_REDIS)(`relayed exchange${NO_REDIS}`, () => {
  let redis: RedisServer;
  let dir: string;
  let clocks: TestClocks;
  let world: ExchangeWorld;
  let stops: Stops;
  let origin: Origin;

  beforeEach(async () => {
    redis = await RedisServer.start();
    stops = new Stops();
    dir = temporaryDirectory();
    clocks = new TestClocks();
    world = await ExchangeWorld.start(dir, "run-1", {}, clocks);
    origin = new Origin(world, () => redis, stops);
  });
  afterEach(async () => {
    await stops.stop();
    await redis.dispose();
  });

  const edge = (node: string, options?: ConstructorParameters<typeof TestEdge>[3]) =>
    new TestEdge(() => redis, node, stops, options);

  /** Resolves when a shard of this node, which watches the wallet, hears that an order is in a state. */
  const status = (end: ShardEnd, orderId: string, wanted: string, timeoutMs?: number) =>
    until(
      `order ${orderId} ${wanted}`,
      () =>
        end.news.some(
          (one) =>
            one.type === "order" && one.order.order_id === orderId && one.order.status === wanted,
        ) || undefined,
      timeoutMs,
    );

  /** Places an order of wallet w as soon as one is taken again. */
  const placedSoon = (end: ShardEnd, order: typeof ORDER) =>
    until("an order is taken", async () => {
      const answer = await end.ask(end.place("w", order));
      return answer.type === "reply" ? answer.order : undefined;
    });

  it("relayed exchange - places, amends and cancels as on the origin, and tells whoever watches anywhere", async () => {
    const [a, b] = await Promise.all([edge("a").shard(), edge("b").shard()]);
    const own = world.shard();
    for (const end of [b, own])
      expect(await end.snapshot("w")).toEqual({ orders: [], positions: [] });
    const order = await a.placed("w", ORDER);
    expect(order).toMatchObject({ wallet: "w", price: 0.5, quantity: 1, status: "Open" });
    for (const end of [b, own]) expect((await told(end, "order")).order).toEqual(order);
    const name = { order_id: order.order_id };
    const amended = await b.about({ type: "amend", wallet: "w", order: name, price: 0.4 });
    expect(amended).toMatchObject({ type: "reply", order: { price: 0.4 } });
    const cancelled = await own.ask(own.cancel("w", name));
    expect(cancelled).toMatchObject({ type: "reply", order: { status: "Cancelled" } });
    await status(b, order.order_id, "Cancelled");
  });

  it("relayed exchange - shards of one number on two edges are two, and hear nothing of each other", async () => {
    const [a, b] = await Promise.all([edge("a").shard(), edge("b").shard()]);
    const [first, second] = await Promise.all([
      a.placed("w1", ORDER),
      b.placed("w2", { ...ORDER, side: "Sell", price: 0.9 }),
    ]);
    expect([first.wallet, second.wallet]).toEqual(["w1", "w2"]);
    expect([...a.news, ...b.news]).toEqual([]);
  });

  it("relayed exchange - a shard's next life hears nothing of what the one before has asked", async () => {
    const one = edge("a");
    const before = await one.shard();
    world.store.hold();
    const lost = before.place("w", ORDER);
    before.send(lost);
    await until("the commit", () => world.store.waiting > 0 || undefined);
    const after = await one.shard();
    world.store.release();
    // It has the number that the lost one had.
    const own = after.place("v", { ...ORDER, price: 0.3 });
    expect(own.request).toBe(lost.request);
    expect(await after.ask(own)).toMatchObject({ type: "reply", order: { wallet: "v" } });
    expect(before.news.filter(({ type }) => type === "reply")).toEqual([]);
  });

  it("relayed exchange - without an origin it says so at once, and again when there is one", async () => {
    await stops.stop();
    stops = new Stops();
    const one = edge("a");
    const end = new ShardEnd();
    one.exchange.attach(0, end.port);
    expect((await told(end, "unreachable")).reason).toContain("not been reached");
    origin = new Origin(world, () => redis, stops);
    expect(await told(end, "reachable")).toEqual({ type: "reachable", takesOrders: true });
    end.send({ type: "attach", sessions: [] });
    expect((await end.placed("w", ORDER)).status).toBe("Open");
  });

  it("relayed exchange - what is bound to connections of an edge that is silent is cancelled behind its lease", async () => {
    const dying = edge("a");
    const a = await dying.shard();
    const own = world.shard();
    await own.snapshot("w1");
    const order = await a.placed("w1", ORDER, 1);
    await dying.die();
    const since = performance.now();
    await status(own, order.order_id, "Cancelled", TEST_LEASE_MS + 2000);
    expect(performance.now() - since).toBeGreaterThan(TEST_LEASE_MS - 1000);
    expect(counted(origin.counters, RELAY.leasesEnded)).toBe(1);
  });

  it("relayed exchange - a session moves from an edge to another, and ends on neither", async () => {
    const [a, b] = await Promise.all([edge("a").shard(), edge("b").shard()]);
    const order = await a.placed("w1", ORDER, 1);
    const { session } = a.claim(1);
    const claim = { ...b.claim(7), session: "another-session-of-more-than-22" };
    b.send({ type: "session", ...claim, resume: session });
    expect(await told(b, "session")).toEqual({ type: "session", connection: 7, session });
    expect(await told(a, "session-taken")).toMatchObject({ connection: 1, session });
    const own = world.shard();
    expect((await own.snapshot("w1")).orders).toHaveLength(1);
    b.send({ type: "ended", connection: 7 });
    await status(own, order.order_id, "Cancelled");
  });

  it("relayed exchange - a producer that follows another has the edges' sessions back", async () => {
    const one = edge("a");
    const a = await one.shard();
    const kept = await a.placed("w1", { ...ORDER, price: 0.3 }, 1);
    const gone = await a.placed("w1", { ...ORDER, price: 0.4 }, 2);
    await world.stop();
    await told(a, "unreachable");
    world = await ExchangeWorld.start(dir, "run-2", {}, clocks);
    const own = world.shard();
    await own.snapshot("w1");
    origin.world = world;
    origin.epoch = "epoch-2";
    origin.desk.changeEpoch("epoch-2");
    await told(a, "reachable");
    a.send({ type: "attach", sessions: [a.claim(1)] });
    await status(own, gone.order_id, "Cancelled");
    clocks.wind(2 * EDGE_LEASE_MS * 1000);
    expect((await own.snapshot("w1")).orders.map(({ order_id }) => order_id)).toEqual([
      kept.order_id,
    ]);
  });

  it("relayed exchange - what an exchange would take up too late it does not carry out", async () => {
    const one = edge("a", { orderTimeoutMs: 300 });
    const a = await one.shard();
    // A batch that is on its way to the disk holds up the next one.
    const own = world.shard();
    world.store.hold();
    own.send(own.place("v", ORDER));
    await until("the commit", () => world.store.waiting > 0 || undefined);
    const late = a.place("w", ORDER);
    const answer = a.ask(late);
    expect(await answer).toMatchObject({
      type: "refusal",
      refusal: { code: "UNAVAILABLE", message: expect.stringContaining("not answered in time") },
    });
    world.store.release();
    expect(await own.snapshot("w")).toEqual({ orders: [], positions: [] });
    await until("it was too late", () => counted(world.counters, PRODUCER.requestsTooLate) === 1);
  });

  it("relayed exchange - a Redis that stands still leaves orders unavailable, and nothing else", async () => {
    const one = edge("a", { orderTimeoutMs: 500 });
    const a = await one.shard();
    const own = world.shard();
    await own.snapshot("w");
    redis.signal("SIGSTOP");
    const pending = await a.ask(a.place("w", ORDER));
    expect(pending).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    const refused = await until("nothing is begun any more", async () => {
      const answer = await a.ask(a.place("w", ORDER));
      const message = answer.type === "refusal" ? answer.refusal.message : "";
      return message.startsWith("nothing is heard") ? message : undefined;
    });
    expect(refused).toBe("nothing is heard of the origin; try again");
    await told(a, "unreachable");
    redis.signal("SIGCONT");
    await told(a, "reachable");
    a.send({ type: "attach", sessions: [] });
    const order = await a.placed("w", { ...ORDER, price: 0.2 });
    // Of those before none was carried out, though Redis had them.
    expect((await own.snapshot("w")).orders).toEqual([order]);
  });

  it("relayed exchange - over a Redis that is killed and starts empty nothing is lost and nothing done twice", async () => {
    const one = edge("a");
    const a = await one.shard();
    const first = await a.placed("w", ORDER, 1);
    await redis.kill();
    const meanwhile = a.place("w", { ...ORDER, price: 0.4 });
    const answer = a.ask(meanwhile);
    await redis.start();
    // The link may have outlived it, or another one has taken its place.
    const outcome = await Promise.race([answer, told(a, "unreachable")]);
    if (outcome.type === "unreachable") {
      await told(a, "reachable");
      a.send({ type: "attach", sessions: [a.claim(1)] });
    }
    const own = world.shard();
    const again = await placedSoon(a, { ...ORDER, price: 0.2 });
    const { orders } = await own.snapshot("w");
    const ids = orders.map(({ order_id }) => order_id);
    expect(ids).toContain(first.order_id);
    expect(ids).toContain(again.order_id);
    expect(orders.filter(({ price }) => price === 0.4).length).toBe(
      outcome.type === "reply" ? 1 : 0,
    );
  });

  it("relayed exchange - where a promoted replica lacks the last writes, what was answered stands and nothing is done twice", async () => {
    const first = redis;
    first.cli("config", "set", "repl-diskless-sync-delay", "0");
    const replica = await RedisServer.start({ replicaof: `127.0.0.1 ${first.port}` });
    await until("the replica is in step", () =>
      replica.cli("info", "replication").includes("master_link_status:up"),
    );
    const a = await edge("a").shard();
    const own = world.shard();
    const kept = await a.placed("w", ORDER);
    // What is written from now on the replica never hears of.
    replica.signal("SIGSTOP");
    const answered = await a.placed("w", { ...ORDER, price: 0.4 });
    await first.kill();
    replica.signal("SIGCONT");
    replica.cli("replicaof", "no", "one");
    redis = replica;
    const waiting = a.place("w", { ...ORDER, price: 0.3 });
    const outcome = await Promise.race([a.ask(waiting), told(a, "unreachable")]);
    if (outcome.type === "unreachable") {
      await told(a, "reachable");
      a.send({ type: "attach", sessions: [] });
    }
    const after = await placedSoon(a, { ...ORDER, price: 0.2 });
    const { orders } = await own.snapshot("w");
    const ids = orders.map(({ order_id }) => order_id);
    for (const { order_id } of [kept, answered, after]) expect(ids).toContain(order_id);
    const taken = orders.filter(({ price }) => price === 0.3).length;
    expect(taken).toBeLessThanOrEqual(1);
    if (outcome.type === "reply") expect(taken).toBe(1);
    await first.dispose();
  });

  it("relayed exchange - one edge's flood holds up neither the origin's own nor another edge, and all of it is answered once", async () => {
    const [a, b] = await Promise.all([
      edge("a", { orderTimeoutMs: 60_000 }).shard(),
      edge("b", { orderTimeoutMs: 60_000 }).shard(),
    ]);
    const own = world.shard();
    const flood = Array.from({ length: 4000 }, (_, at) =>
      a.place(`w${at % 10}`, { price: (1 + (at % 40)) / 100, quantity: 1 }),
    );
    for (let at = 0; at < flood.length; at += 100) a.send(...flood.slice(at, at + 100));
    await until("the flood has come", () => counted(origin.counters, RELAY.linkOutstanding) > 0);
    const answeredBefore = (): number => a.news.filter(({ type }) => type === "reply").length;
    for (const end of [own, b]) {
      await end.placed("v", ORDER);
      expect(answeredBefore()).toBeLessThan(3500);
    }
    // An entry is taken up while there is room for one more request: those of one may come on top.
    expect(counted(origin.counters, RELAY.linkOutstanding)).toBeLessThanOrEqual(1024);
    await until("all are answered", () => answeredBefore() === flood.length, 20_000);
    const numbers = a.news.flatMap((one) => (one.type === "reply" ? [one.request] : []));
    expect(numbers).toEqual(flood.map(({ request }) => request));
    expect(counted(origin.counters, RELAY.linksEnded)).toBe(0);
  });

  it("relayed exchange - what thousands of orders come to is told in pieces, all of it, in its order", async () => {
    const a = await edge("a", { orderTimeoutMs: 60_000 }).shard();
    const own = world.shard();
    const orders = Array.from({ length: 3000 }, () => own.place("w", ORDER));
    own.send(...orders);
    await until("all rest", () => own.news.filter(({ type }) => type === "reply").length === 3000);
    await a.snapshot("w");
    expect(await a.about({ type: "cancel-all", wallet: "w" })).toMatchObject({
      message: { data: { count: 3000 } },
    });
    const cancelled = await until("all are told", () => {
      const told = a.news.flatMap((one) => (one.type === "order" ? [one.order] : []));
      return told.length === 3000 && told;
    });
    expect(cancelled.every(({ status }) => status === "Cancelled")).toBe(true);
    expect(new Set(cancelled.map(({ order_id }) => order_id)).size).toBe(3000);
    expect(counted(origin.counters, RELAY.linksEnded)).toBe(0);
  });

  it("relayed exchange - with more than may wait for the origin orders are refused, and what waits is carried out", async () => {
    const one = edge("a", { orderTimeoutMs: 60_000, maxQueuedBytes: 100_000 });
    const a = await one.shard();
    // The exchange has its share, and no more is taken up until it has answered.
    world.store.hold();
    const orders = Array.from({ length: 2000 }, () => a.place("w", ORDER));
    for (let at = 0; at < orders.length; at += 10) {
      a.send(...orders.slice(at, at + 10));
      await world.quiet();
    }
    const refused = await until("some are refused", () => {
      const all = a.news.filter(({ type }) => type === "refusal");
      return all.length > 0 && all;
    });
    expect(refused[0]).toMatchObject({
      refusal: {
        code: "UNAVAILABLE",
        message: expect.stringMatching(/bytes wait .* at most 100000 may/),
      },
    });
    world.store.release();
    await until("all are answered", () => a.news.filter((one) => "request" in one).length === 2000);
    const taken = a.news.filter(({ type }) => type === "reply").length;
    expect((await world.shard().snapshot("w")).orders).toHaveLength(taken);
    expect(taken).toBeGreaterThan(500);
    expect((await a.placed("w", ORDER)).status).toBe("Open");
  });

  it("relayed exchange - what an edge does not take ends its link, and not the origin's memory", async () => {
    await stops.stop();
    stops = new Stops();
    origin = new Origin(world, () => redis, stops, { maxQueuedBytes: 5000 });
    const own = world.shard();
    for (let at = 0; at < 30; at++) await own.placed("w", ORDER);
    const a = await edge("a").shard();
    // However large one answer is, it is told: the next link would have the same.
    expect(await a.snapshot("w")).toMatchObject({ orders: { length: 30 } });
    redis.signal("SIGSTOP");
    for (let at = 0; at < 30; at++) await own.placed("w", ORDER);
    await until("the link has ended", () => counted(origin.counters, RELAY.linksEnded) === 1);
    redis.signal("SIGCONT");
    await told(a, "unreachable");
    await told(a, "reachable");
    a.send({ type: "attach", sessions: [] });
    expect(await a.snapshot("w")).toMatchObject({ orders: { length: 60 } });
  });

  it("relayed exchange - an entry that is missing, whichever way it went, ends the link, and the next one is well", async () => {
    const one = edge("a");
    const a = await one.shard();
    const session = a.claim(1);
    const order = await a.placed("w1", ORDER, 1);
    for (const way of ["requests", "answers"]) {
      // Redis has lost what was before it, as far as a reader can tell.
      for (const stream of redis.cli("keys", `test:${way}:*`).split("\n"))
        redis.cli("xadd", stream, "1000000-0", "e", "x");
      const { reason } = await told(a, "unreachable");
      expect(reason).toMatch(/is missing$/);
      await told(a, "reachable");
      a.send({ type: "attach", sessions: [session] });
      const next = await a.placed("w1", ORDER);
      expect(next.order_id).not.toBe(order.order_id);
    }
    // Its session has lived through all of that.
    const own = world.shard();
    expect((await own.snapshot("w1")).orders[0]).toEqual(order);
    a.send({ type: "ended", connection: 1 });
    await status(own, order.order_id, "Cancelled");
  });

  it("relayed exchange - an origin that another one has followed gets no link any more", async () => {
    const start = async (fence: number): Promise<Stops> => {
      const own = new Stops();
      origin = new Origin(world, () => redis, own, { fence: () => fence });
      return own;
    };
    await stops.stop();
    stops = new Stops();
    const watching = new TestEdge(() => redis, "b", stops);
    const end = new ShardEnd();
    watching.exchange.attach(0, end.port);
    let serving = await start(7);
    await told(end, "reachable");
    end.news.length = 0;
    await serving.stop();
    expect((await told(end, "unreachable")).reason).toContain("nothing is heard");
    end.news.length = 0;
    serving = await start(6);
    // Nor does one that has not heard of its own end.
    const hellos = (): number => Number(redis.cli("xlen", "test:hellos"));
    const before = hellos();
    await until("the edge has asked more than once", () => hellos() > before + 2);
    expect(counted(origin.counters, RELAY.links)).toBe(0);
    expect(end.news).toEqual([]);
    await serving.stop();
    serving = await start(8);
    expect(await told(end, "reachable")).toEqual({ type: "reachable", takesOrders: true });
    await serving.stop();
  });

  it("relayed exchange - an origin without an exchange has sessions alone", async () => {
    await stops.stop();
    stops = new Stops();
    origin = new Origin(world, () => redis, stops, { takesOrders: false });
    const one = edge("a");
    const end = new ShardEnd();
    one.exchange.attach(0, end.port);
    expect(await told(end, "reachable")).toEqual({ type: "reachable", takesOrders: false });
    end.send({ type: "attach", sessions: [end.claim(1, 10_000)] });
    end.send({ type: "ended", connection: 1 }, end.watch("w"));
    expect(await end.ask(end.place("w", ORDER))).toMatchObject({
      refusal: { message: "the origin takes no orders; try again" },
    });
    const claim = { ...end.claim(2), session: "another-session-of-more-than-22" };
    const { session } = end.claim(1);
    end.send({ type: "session", ...claim, resume: session });
    expect(await told(end, "session")).toEqual({ type: "session", connection: 2, session });
    expect(end.news.filter(({ type }) => type === "snapshot")).toEqual([]);
  });
});
