import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EDGE_LEASE_MS } from "../../../src/shared/edge-shards.js";
import { Random } from "../../../src/shared/random.js";
import type { ExchangeNews } from "../../../src/workers/messages.js";
import { ExchangeWorld } from "../../exchange/exchange-world.js";
import { ShardEnd } from "../../exchange/shard-end.js";
import { temporaryDirectory } from "../../store/directories.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { drawSeed } from "../../support/seeds.js";
import { until } from "../../support/until.js";
import { ForgetfulRedis } from "./forgetful-redis.js";
import { Origin, Stops, TestEdge } from "./orders-world.js";

const STEPS = 80;
const EDGES = 2;
const ORDER_TIMEOUT_MS = 300;
/** How much later than its time an order may be found to have been made: this process does all there is to do. */
const LATE_MS_MAX = 500;
/** Longest pause of Redis, in ms; longer than an order may take. */
const PAUSE_MS_MAX = 900;
const SEEDS = [drawSeed("link histories 1"), drawSeed("link histories 2")];

interface Sent {
  readonly quantity: number;
  readonly sentAt: number;
  readonly clientOrderId: string | undefined;
  /** How it ended for the shard that asked, and how often. */
  end: "taken" | "refused" | "lost" | undefined;
  ends: number;
}

/** A shard of an edge, which attaches, asks and is told as a real one. */
class Trader {
  readonly sent: Sent[] = [];
  readonly end: ShardEnd;
  readonly #waiting = new Map<number, Sent>();
  #heard = 0;
  reachable = false;
  #connected = true;

  constructor(edge: TestEdge, number: number) {
    this.end = new ShardEnd(number);
    // Heard by nobody: that there is a session it says as it attaches.
    this.end.connect(1);
    edge.exchange.attach(0, this.end.port);
  }

  /** Asks, where it can; as a shard does that has refused it else. */
  place(quantity: number, boundTo: number | undefined, clientOrderId?: string): void {
    this.hear();
    if (!this.reachable) return;
    const terms = clientOrderId === undefined ? {} : { client_order_id: clientOrderId };
    const request = this.end.place("w", { price: 0.01, quantity, ...terms }, boundTo);
    const one = { quantity, sentAt: Date.now(), clientOrderId, end: undefined, ends: 0 };
    this.sent.push(one);
    this.#waiting.set(request.request, one);
    this.end.send(request);
  }

  /** Hears what it has been told. */
  hear(): void {
    const { news } = this.end;
    for (; this.#heard < news.length; this.#heard++) this.#take(news[this.#heard] as ExchangeNews);
  }

  /** Its port leads nowhere any more. */
  lose(): void {
    for (const request of this.#waiting.keys()) this.#ended(request, "lost");
  }

  /** Its connection ends. */
  disconnect(): void {
    this.#connected = false;
    this.end.send({ type: "ended", connection: 1 });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  #take(one: ExchangeNews): void {
    switch (one.type) {
      case "reachable":
        this.reachable = true;
        return this.end.send({
          type: "attach",
          sessions: this.#connected ? [this.end.claim(1)] : [],
        });
      case "unreachable":
        this.reachable = false;
        return this.lose();
      case "reply":
        return this.#ended(one.request, "taken");
      case "refusal":
        if (one.refusal.code !== "UNAVAILABLE") throw new Error(JSON.stringify(one));
        return this.#ended(one.request, "refused");
    }
  }

  #ended(request: number, how: "taken" | "refused" | "lost"): void {
    const one = this.#waiting.get(request);
    // The answer to what was given up, which its shard has said.
    if (one === undefined) return;
    one.end = how;
    one.ends++;
    this.#waiting.delete(request);
  }
}

describe.skipIf(!HAS_REDIS)(`link histories${NO_REDIS}`, () => {
  let redis: RedisServer;
  let forgetful: ForgetfulRedis;
  let world: ExchangeWorld;
  /** An exchange to which an origin leads that another one has followed. */
  let former: ExchangeWorld;
  let stops: Stops;
  let thread: Stops;

  beforeEach(async () => {
    redis = await RedisServer.start();
    forgetful = await ForgetfulRedis.connect(redis);
    stops = new Stops();
    world = await ExchangeWorld.start(temporaryDirectory());
    former = await ExchangeWorld.start(temporaryDirectory());
  });
  afterEach(async () => {
    await thread.stop();
    await stops.stop();
    forgetful.close();
    await redis.dispose();
  });

  function startThread(): void {
    thread = new Stops();
    new Origin(world, () => redis, thread, { fence: () => 2, leaseMs: EDGE_LEASE_MS });
  }

  for (const seed of SEEDS)
    it(`link histories - whatever dies and forgets, no order is lost, late or placed twice, each request ends once, sessions live on (seed ${seed})`, async () => {
      const random = new Random(seed);
      startThread();
      await until("it calls", () => redis.cli("get", "test:fence") === "2");
      const formerly = new Origin(former, () => redis, stops, { fence: () => 1 });
      const start = (at: number): TestEdge =>
        new TestEdge(() => redis, `edge-${at}`, stops, { orderTimeoutMs: ORDER_TIMEOUT_MS });
      const edges = Array.from({ length: EDGES }, (_, at) => start(at));
      const traders = edges.map((edge, at) => new Trader(edge, at));
      const all = [...traders];
      const hear = (): void => {
        for (const trader of traders) trader.hear();
      };
      const linked = () =>
        until("all are linked", () => {
          hear();
          return traders.every(({ reachable }) => reachable);
        });
      await linked();
      let quantity = 0;
      for (const trader of traders) {
        trader.place(++quantity, 1);
        await until("it is bound", () => {
          hear();
          return trader.waiting === 0;
        });
      }
      await forgetful.keep();

      const happenings: Readonly<Record<string, () => Promise<void> | void>> = {
        "the thread dies": async () => {
          await thread.stop();
          startThread();
        },
        "Redis forgets": () => forgetful.goBack(),
        "Redis is in step": () => forgetful.keep(),
        "connections are cut": () => forgetful.cut(),
        "Redis pauses": () => forgetful.pause(random.below(PAUSE_MS_MAX)),
        "the disk stands still": async () => {
          world.store.hold();
          await sleep(random.below(2 * ORDER_TIMEOUT_MS));
          world.store.release();
        },
        "an edge's producer dies": async () => {
          const at = random.below(EDGES);
          await edges[at]?.die();
          traders[at]?.hear();
          traders[at]?.lose();
          edges[at] = start(at);
          traders[at] = new Trader(edges[at], at);
          all.push(traders[at]);
        },
        "Redis is empty": () => forgetful.goBack([]),
        "a former origin has another exchange": () => {
          formerly.epoch = `epoch-${random.below(1000)}`;
          formerly.desk.changeEpoch(formerly.epoch);
        },
      };
      const names = Object.keys(happenings);
      const history: string[] = [];
      for (let step = 0; step < STEPS; step++) {
        for (const trader of traders)
          for (let more = random.below(6); more > 0; more--) {
            const named = random.below(2) === 0;
            quantity++;
            trader.place(
              quantity,
              random.below(3) === 0 ? 1 : undefined,
              named ? `c${quantity}` : undefined,
            );
          }
        // A link that has just begun has all its entries in Redis still.
        if (random.below(3) === 0) await linked();
        await sleep(random.below(40));
        hear();
        if (random.below(3) > 0) continue;
        const name = names[random.below(names.length)] as string;
        history.push(name);
        await happenings[name]?.();
      }
      await linked();
      await until("all have ended", () => {
        hear();
        return traders.every(({ waiting }) => waiting === 0);
      });
      const told = history.join(", ");
      const sent = all.flatMap((trader) => trader.sent);
      const again = new ShardEnd();
      world.exchange.attach(99, again.port);
      const { orders } = await again.snapshot("w");
      const made = new Map(orders.map((order) => [order.quantity, order]));
      expect(made.size, `none is there twice: ${told}`).toBe(orders.length);
      for (const { quantity: of, sentAt, end, ends } of sent) {
        const order = made.get(of);
        expect(ends, `order ${of} ends once: ${told}`).toBe(1);
        if (end === "taken") expect(order, `order ${of} is lost: ${told}`).toBeDefined();
        const lateMs =
          order === undefined ? 0 : order.created_ts / 1000 - sentAt - ORDER_TIMEOUT_MS;
        expect(lateMs, `order ${of} is late: ${told}`).toBeLessThan(LATE_MS_MAX);
      }
      expect(sent.filter(({ end }) => end === "taken").length).toBeGreaterThan(STEPS / 4);
      // All that was bound is to connections that live: they have their sessions.
      traders[0]?.disconnect();
      await until(
        "its own are cancelled",
        async () => {
          hear();
          return (await again.snapshot("w")).orders.length < orders.length;
        },
        EDGE_LEASE_MS / 2,
      );
      const elsewhere = former.shard();
      expect((await elsewhere.snapshot("w")).orders, `the former origin has none: ${told}`).toEqual(
        [],
      );
    }, 120_000);
});
