import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { EDGE_LEASE_MS } from "../../src/shared/edge-shards.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import {
  type Flags,
  type ServerProcess,
  startServerProcess,
  testToken,
} from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  cancel,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  temporaryDirectory,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

/** Of each test its own: what one leaves behind is nothing to the next. */
let wallet = "";
let wallets = 0;

describe.skipIf(!HAS_REDIS)(`orders from edges${NO_REDIS}`, () => {
  let redis: RedisServer;
  let data: Awaited<ReturnType<typeof temporaryDirectory>>;
  let origin: ServerProcess;
  let edges: readonly [ServerProcess, ServerProcess];
  /** One that a test kills. */
  let dying: ServerProcess;
  const clients: TestClient[] = [];

  const start = (flags: Flags): Promise<ServerProcess> =>
    startServerProcess({ shards: 1, relay: redis.url, ...flags });
  const startOrigin = (): Promise<ServerProcess> =>
    start({ ...QUIET_EXCHANGE, "data-dir": data.path });
  const startEdge = (name: string, flags: Flags = {}): Promise<ServerProcess> =>
    start({ feed: "relay", "node-name": name, ...flags });
  /** Resolves when an edge has a link to the exchange. */
  const linked = (edge: ServerProcess): Promise<unknown> =>
    until(
      "a link",
      async () => (await edge.metric("marketcast_relay_origin_linked")) === 1,
      20_000,
    );

  beforeAll(async () => {
    redis = await RedisServer.start();
    data = await temporaryDirectory();
    origin = await startOrigin();
    const names = ["one", "two", "dying"].map((name) =>
      startEdge(name, { shards: name === "one" ? 2 : 1 }),
    );
    const [one, two, three] = (await Promise.all(names)) as [
      ServerProcess,
      ServerProcess,
      ServerProcess,
    ];
    edges = [one, two];
    dying = three;
    await Promise.all([one, two, three].map(linked));
  }, 60_000);
  afterAll(async () => {
    await Promise.all([origin, dying, ...edges].map((server) => server.dispose()));
    await data.remove();
    await redis.dispose();
  });
  beforeEach(() => {
    wallet = `w${++wallets}`;
  });
  afterEach(() => {
    for (const { ws } of clients.splice(0)) ws.terminate();
  });

  /** Connects with a token for a wallet, and further parameters. */
  async function enter(
    { port }: ServerProcess,
    query = "",
    encoding: Encoding = "json",
    of = wallet,
  ): Promise<TestClient & { session: string; resumed: boolean }> {
    const token = testToken({ sub: `user of ${of}`, wallet: of });
    const client = await TestClient.connect(port, { encoding, query: `?token=${token}${query}` });
    clients.push(client);
    const { session, resumed } = (await client.take("Connected")).data;
    await client.take("Authenticated");
    return Object.assign(client, { session: session as string, resumed: resumed as boolean });
  }

  const openIds = async (): Promise<readonly string[]> =>
    (await walletState(origin.port, wallet)).orders.map(({ order_id }) => order_id);

  async function kill(server: ServerProcess): Promise<void> {
    const exited = once(server.child, "exit");
    server.child.kill("SIGKILL");
    await exited;
  }

  const watching = (of: string): readonly unknown[] => [
    { type: "Orders", params: { wallet: of } },
    { type: "Positions", params: { wallet: of } },
  ];

  for (const encoding of ENCODINGS)
    test(`orders from edges - ${encoding}: all that may be asked is answered as on the origin`, async () => {
      const client = await enter(edges[0], "", encoding);
      await client.subscribe(...watching(wallet));
      expect((await client.take("OrderSnapshot")).data).toEqual({ wallet, orders: [] });
      expect((await client.take("PositionSnapshot")).data.positions).toEqual([]);
      const first = await place(client, limitOrder("Buy", 0.5, 3, { client_order_id: "first" }));
      expect(first).toMatchObject({ wallet, status: "Open", quantity: 3 });
      const again = await client.request({
        type: "PlaceOrder",
        data: { order: limitOrder("Buy", 0.5, 3, { client_order_id: "first" }) },
      });
      expect(again).toMatchObject({ type: "OrderUpdate", data: { duplicate: true } });
      const amended = await client.request({
        type: "AmendOrder",
        data: { order_id: first.order_id, quantity: 2 },
      });
      expect(amended).toMatchObject({ type: "OrderUpdate", data: { order: { quantity: 2 } } });
      const batch = await client.request({
        type: "PlaceOrders",
        data: { orders: [limitOrder("Buy", 0.49, 1), limitOrder("Buy", -1, 1)] },
      });
      expect(batch).toMatchObject({
        type: "OrderResults",
        data: { results: [{ order: { status: "Open" } }, { error: {} }] },
      });
      const validated = await client.request({
        type: "PlaceOrder",
        data: { order: limitOrder("Buy", 0.48, 1), validate_only: true },
      });
      expect(validated.type).toBe("OrderValidated");

      // Somebody of another edge takes from it.
      const other = `${wallet}-other`;
      const taker = await enter(edges[1], "", encoding, other);
      const taken = await place(taker, limitOrder("Sell", 0.5, 1, { time_in_force: "IOC" }));
      expect(taken.status).toBe("Filled");
      expect((await client.take("Fill")).data.fill).toMatchObject({
        wallet,
        order_id: first.order_id,
        liquidity: "Maker",
        quantity: 1,
      });
      expect((await client.take("PositionUpdate")).data.position).toMatchObject({ quantity: 1 });

      const history = await client.request({ type: "OrderHistory", data: {} });
      expect(history).toMatchObject({ type: "OrderPage", data: { wallet } });
      expect(history.type === "OrderPage" && history.data.orders).toHaveLength(2);
      const fills = await client.request({ type: "FillHistory", data: {} });
      expect(fills.type === "FillPage" && fills.data.fills).toHaveLength(1);
      const one = await client.request({ type: "GetOrder", data: { client_order_id: "first" } });
      expect(one).toMatchObject({ type: "OrderUpdate", data: { order: { filled_quantity: 1 } } });
      const unknown = await refusalOf(client, { type: "CancelOrder", data: { order_id: "9999" } });
      expect(unknown.code).toBe("ORDER_NOT_FOUND");

      const late = await enter(edges[1], "", encoding);
      await late.subscribe({ ...(watching(wallet)[0] as object), since: first.created_ts });
      const replayed = await late.takeUntil(({ type }) => type === "Fill");
      expect(replayed.some(({ type }) => type === "OrderUpdate" || type === "Fill")).toBe(true);
      const cancelled = await client.request({ type: "CancelOrders", data: {} });
      expect(cancelled).toMatchObject({ type: "OrdersCancelled", data: { count: 2 } });
      expect(await openIds()).toEqual([]);
    });

  test("orders from edges - a wallet's connections to both edges and the origin are told the same in the same order", async () => {
    const watchers = await Promise.all([...edges, origin].map((server) => enter(server)));
    for (const watcher of watchers) {
      await watcher.subscribe(...watching(wallet));
      await watcher.take("PositionSnapshot");
    }
    const stranger = await enter(edges[1], "", "json", `${wallet}-stranger`);
    await stranger.subscribe(...watching(`${wallet}-stranger`));
    await stranger.take("PositionSnapshot");
    const ids: string[] = [];
    for (let at = 0; at < 30; at++) {
      const placing = await enter([...edges, origin][at % 3] as ServerProcess);
      const { order_id } = await place(placing, limitOrder("Buy", (10 + at) / 100, 1));
      ids.push(order_id);
      if (at % 2 === 0) await cancel(placing, { order_id });
      placing.ws.terminate();
    }
    const told = await Promise.all(
      watchers.map(async (watcher) => {
        const all: string[] = [];
        while (all.length < 45) {
          const { order } = (await watcher.take("OrderUpdate")).data;
          all.push(`${order.order_id} ${order.status}`);
        }
        return all;
      }),
    );
    expect(told[0]?.filter((one) => one.endsWith("Open")).map((one) => one.split(" ")[0])).toEqual(
      ids,
    );
    for (const one of told) expect(one).toEqual(told[0]);
    expect(stranger.inbox.filter(({ type }) => type === "OrderUpdate")).toEqual([]);
  });

  test("orders from edges - an edge killed: the same client order ids are taken once, sessions move with a wait, and others end behind the lease", async () => {
    const [bound, waiting, plain] = await Promise.all([
      enter(dying, "&cancel_on_disconnect=true"),
      enter(dying, "&cancel_on_disconnect=60000"),
      enter(dying),
    ]);
    const ends = await place(bound, limitOrder("Buy", 0.2, 1));
    const moves = await place(waiting, limitOrder("Buy", 0.21, 1));
    // Nobody knows how many of these were taken when the edge dies.
    const orders = Array.from({ length: 40 }, (_, at) =>
      limitOrder("Buy", 0.22, 1, { client_order_id: `c${at}` }),
    );
    for (const order of orders) plain.send({ type: "PlaceOrder", data: { order } });
    await plain.take("OrderUpdate");
    const killedAt = performance.now();
    await kill(dying);

    const back = await enter(edges[0], `&session=${waiting.session}&cancel_on_disconnect=60000`);
    expect(back.resumed).toBe(true);
    const again = await enter(edges[1]);
    const ids = new Set<string>();
    for (const order of orders) ids.add((await place(again, order)).order_id);
    expect(ids.size).toBe(40);
    const open = await openIds();
    expect(new Set(open)).toEqual(new Set([ends.order_id, moves.order_id, ...ids]));

    await until(
      "what was bound is cancelled",
      async () => !(await openIds()).includes(ends.order_id),
      EDGE_LEASE_MS + 2000,
    );
    const after = performance.now() - killedAt;
    // Its last entry may have been half a second before.
    expect(after).toBeGreaterThan(EDGE_LEASE_MS - 600);
    expect(after).toBeLessThan(EDGE_LEASE_MS + 2000);
    expect(await openIds()).toContain(moves.order_id);
    expect(await origin.metric("marketcast_relay_leases_ended_total")).toBe(1);
    await cancel(again, { order_id: moves.order_id });
  });

  test("orders from edges - a Redis that stands still: orders are unavailable, none is taken later, and then all is well", async () => {
    const client = await enter(edges[1]);
    await client.subscribe(...watching(wallet));
    await client.take("PositionSnapshot");
    redis.signal("SIGSTOP");
    const refused = await refusalOf(client, {
      type: "PlaceOrder",
      data: { order: limitOrder("Buy", 0.3, 1) },
    });
    expect(refused.code).toBe("UNAVAILABLE");
    expect(refused.message).toContain("client_order_id");
    const next = await refusalOf(client, {
      type: "PlaceOrder",
      data: { order: limitOrder("Buy", 0.3, 1) },
    });
    expect(next.code).toBe("UNAVAILABLE");
    // The origin's own clients notice nothing.
    const own = await enter(origin);
    const kept = await place(own, limitOrder("Buy", 0.31, 1));
    redis.signal("SIGCONT");
    await Promise.all(edges.map(linked));
    const order = await until("an order is taken", async () => {
      const reply = await client.request({
        type: "PlaceOrder",
        data: { order: limitOrder("Buy", 0.32, 1, { client_order_id: "after" }) },
      });
      return reply.type === "OrderUpdate" && reply.data.order;
    });
    expect((await openIds()).toSorted()).toEqual([kept.order_id, order.order_id].toSorted());
  });

  test("orders from edges - an origin killed and started again has the edges' orders and sessions", async () => {
    const client = await enter(edges[0], "&cancel_on_disconnect=true");
    await client.subscribe(...watching(wallet));
    await client.take("PositionSnapshot");
    const before = await place(client, limitOrder("Buy", 0.4, 1));
    await kill(origin);
    const refused = await until("it is refused", async () => {
      const reply = await client.request({
        type: "PlaceOrder",
        data: { order: limitOrder("Buy", 0.41, 1, { client_order_id: "meanwhile" }) },
      });
      return reply.type === "Error" && reply.data;
    });
    expect(refused.code).toBe("UNAVAILABLE");
    origin = await startOrigin();
    const after = await until(
      "an order is taken",
      async () => {
        const reply = await client.request({
          type: "PlaceOrder",
          data: { order: limitOrder("Buy", 0.42, 1, { client_order_id: "after" }) },
        });
        return reply.type === "OrderUpdate" && reply.data.order;
      },
      20_000,
    );
    const open = await openIds();
    expect(open).toContain(before.order_id);
    expect(open).toContain(after.order_id);
    // Its session is what it was: its end cancels what was bound before the kill, too.
    client.ws.terminate();
    await until("both are cancelled", async () => (await openIds()).length === 0);
  });

  test("orders from edges - an edge that is stopped in order has its sessions end at once", async () => {
    const client = await enter(edges[1], "&cancel_on_disconnect=true");
    await until("an order is taken", async () => {
      const data = { order: limitOrder("Buy", 0.45, 1) };
      return (await client.request({ type: "PlaceOrder", data })).type === "OrderUpdate";
    });
    expect(await openIds()).toHaveLength(1);
    expect(await edges[1].stop()).toBe(0);
    await until("it is cancelled", async () => (await openIds()).length === 0, 2000);
  });
});
