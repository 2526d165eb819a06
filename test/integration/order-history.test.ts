import { once } from "node:events";
import { expect, test } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import { restartableExchange } from "../support/restartable-exchange.js";
import { startServerProcess, testToken } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";
import {
  cancel,
  connectTrader,
  limitOrder,
  place,
  refusalOf,
  type TestOrder,
} from "../support/trading.js";
import { fillHistory, orderHistory, ordersSince, untilQuiet } from "../support/wallet-history.js";

type Fill = MessageOf<"Fill">["data"]["fill"];

const { start } = restartableExchange({ "max-messages-per-second": 1e6 });

async function ordersOf(client: TestClient, data: object = {}) {
  const reply = await client.request({ type: "OrderHistory", data });
  if (reply.type !== "OrderPage") throw new Error(JSON.stringify(reply));
  return reply.data;
}

async function fillsOf(client: TestClient, data: object = {}) {
  const reply = await client.request({ type: "FillHistory", data });
  if (reply.type !== "FillPage") throw new Error(JSON.stringify(reply));
  return reply.data;
}

/** Everything that a client has been sent by the time an answer to it arrives. */
async function inboxOf(client: TestClient): Promise<ServerMessage[]> {
  client.send({ type: "GetOrder", data: { order_id: "0" }, id: "inbox" });
  return (await client.takeUntil(({ id }) => id === "inbox")).slice(0, -1);
}

const orderOf = async (client: TestClient, data: object): Promise<TestOrder> => {
  const reply = await client.request({ type: "GetOrder", data });
  if (reply.type !== "OrderUpdate") throw new Error(JSON.stringify(reply));
  return reply.data.order;
};

test("order history - both sides of a trade get their fill, in every encoding, before the order that includes it", async () => {
  const { port } = await start({ shards: 2 });
  for (const encoding of ENCODINGS) {
    const wallets = [`seller-${encoding}`, `buyer-${encoding}`] as const;
    const [seller, buyer] = await Promise.all(
      wallets.map((wallet) => connectTrader(port, { wallet, encoding })),
    );
    const [maker, taker] = [seller as TestClient, buyer as TestClient];
    await maker.subscribe({ type: "Orders", params: { wallet: wallets[0] } });
    expect((await maker.take("OrderSnapshot")).data).toEqual({ wallet: wallets[0], orders: [] });
    await taker.subscribe(
      { type: "Orders", params: { wallet: wallets[1] } },
      { type: "Positions", params: { wallet: wallets[1] } },
    );
    const positions = (await taker.take("PositionSnapshot")).data;
    expect(positions).toEqual({ wallet: wallets[1], positions: [] });
    const asks = [
      await place(maker, limitOrder("Sell", 0.6, 2, { client_order_id: "ask-1" })),
      await place(maker, limitOrder("Sell", 0.61, 5)),
    ];
    taker.send({
      type: "PlaceOrder",
      id: "bid",
      data: { order: limitOrder("Buy", 0.7, 4, { client_order_id: "bid-1" }) },
    });
    const told = await taker.takeUntil(({ id }) => id === "bid");
    const bid = (told.at(-1) as MessageOf<"OrderUpdate">).data.order;
    const common = { market_id: 1001, quantity: 2, ts: bid.updated_ts };
    const bought = (at: number, price: number): Fill => ({
      ...common,
      trade_id: (told[at] as MessageOf<"Fill">).data.fill.trade_id,
      order_id: bid.order_id,
      client_order_id: "bid-1",
      wallet: wallets[1],
      side: "Buy",
      price,
      liquidity: "Taker",
    });
    expect(told).toEqual([
      { type: "Fill", data: { fill: bought(0, 0.6) } },
      { type: "Fill", data: { fill: bought(1, 0.61) } },
      { type: "OrderUpdate", id: "bid", data: { order: bid } },
    ]);
    expect(bid).toMatchObject({ status: "Filled", filled_quantity: 4 });
    const sold = (at: number, price: number): Fill => ({
      ...common,
      trade_id: (told[at] as MessageOf<"Fill">).data.fill.trade_id,
      order_id: (asks[at] as TestOrder).order_id,
      ...(at === 0 && { client_order_id: "ask-1" }),
      wallet: wallets[0],
      side: "Sell",
      price,
      liquidity: "Maker",
    });
    const news = await inboxOf(maker);
    const first = (news[1] as MessageOf<"OrderUpdate">).data.order;
    const second = (news[3] as MessageOf<"OrderUpdate">).data.order;
    expect(news).toEqual([
      { type: "Fill", data: { fill: sold(0, 0.6) } },
      { type: "OrderUpdate", data: { order: first } },
      { type: "Fill", data: { fill: sold(1, 0.61) } },
      { type: "OrderUpdate", data: { order: second } },
    ]);
    expect([first, second]).toMatchObject([
      { order_id: asks[0]?.order_id, status: "Filled" },
      { order_id: asks[1]?.order_id, status: "PartiallyFilled", filled_quantity: 2 },
    ]);
    // What history has of it is what was told.
    expect(await ordersOf(taker)).toEqual({ wallet: wallets[1], orders: [bid] });
    expect((await ordersOf(maker)).orders).toEqual([second, first]);
    expect(await ordersOf(maker, { status: "Filled" })).toMatchObject({ orders: [first] });
    expect((await fillsOf(maker)).fills).toEqual([sold(1, 0.61), sold(0, 0.6)]);
    expect((await fillsOf(taker, { order_id: bid.order_id })).fills).toEqual([
      bought(1, 0.61),
      bought(0, 0.6),
    ]);
    expect(await orderOf(taker, { client_order_id: "bid-1" })).toEqual(bid);
    expect(await orderOf(maker, { order_id: second.order_id })).toEqual(second);
    await cancel(maker, { order_id: second.order_id });
    await Promise.all([maker.close(), taker.close()]);
  }
});

test("order history - a wallet sees its own and nothing of others, the role admin what it names", async () => {
  const { port } = await start();
  const [alice, bob, admin, nobody] = await Promise.all([
    connectTrader(port, { wallet: "alice" }),
    connectTrader(port, { wallet: "bob", encoding: "msgpack" }),
    connectTrader(port, { wallet: "ops", role: "admin", encoding: "protobuf" }),
    TestClient.connect(port),
  ]);
  const ask = await place(alice, limitOrder("Sell", 0.6, 2, { client_order_id: "mine" }));
  const bid = await place(bob, limitOrder("Buy", 0.6, 1, { client_order_id: "mine" }));
  expect((await ordersOf(bob)).orders).toEqual([bid]);
  expect((await fillsOf(bob)).fills).toMatchObject([{ order_id: bid.order_id, wallet: "bob" }]);
  // Of another's order nobody learns that it is there.
  expect((await fillsOf(bob, { order_id: ask.order_id })).fills).toEqual([]);
  const [others, none] = await Promise.all([
    refusalOf(bob, { type: "GetOrder", data: { order_id: ask.order_id } }),
    refusalOf(bob, { type: "GetOrder", data: { order_id: "999" } }),
  ]);
  expect(others).toEqual({ ...none, message: none.message.replace("999", ask.order_id) });
  expect(none.code).toBe("ORDER_NOT_FOUND");
  expect((await orderOf(bob, { client_order_id: "mine" })).order_id).toBe(bid.order_id);
  for (const type of ["OrderHistory", "FillHistory"])
    for (const encoding of ENCODINGS) {
      const mallory = await connectTrader(port, { wallet: "mallory", encoding });
      expect(await refusalOf(mallory, { type, data: { wallet: "alice" } })).toMatchObject({
        code: "FORBIDDEN",
      });
      await mallory.close();
    }
  expect(await ordersOf(admin, { wallet: "alice" })).toMatchObject({
    wallet: "alice",
    orders: [{ order_id: ask.order_id, filled_quantity: 1 }],
  });
  expect((await fillsOf(admin, { wallet: "alice" })).fills).toMatchObject([{ side: "Sell" }]);
  expect((await ordersOf(admin)).wallet).toBe("ops");
  expect((await orderOf(admin, { order_id: ask.order_id })).wallet).toBe("alice");
  const walletless = await TestClient.connect(port, {
    query: `?token=${testToken({ sub: "reader", wallet: null })}`,
  });
  await walletless.take("Authenticated");
  for (const [type, data] of [
    ["OrderHistory", {}],
    ["FillHistory", {}],
    ["GetOrder", { order_id: "1" }],
  ] as const) {
    expect((await refusalOf(nobody, { type, data })).code).toBe("AUTH_REQUIRED");
    expect((await refusalOf(walletless, { type, data })).code).toBe("FORBIDDEN");
  }
});

test("order history - what is asked for wrongly is refused with field and rule, in every encoding", async () => {
  const { port } = await start();
  for (const encoding of ENCODINGS) {
    const client = await connectTrader(port, { encoding });
    for (let at = 0; at < 3; at++) await place(client, limitOrder("Sell", 0.6, 1));
    const { next = "" } = await ordersOf(client, { limit: 2 });
    expect(next).toMatch(/^o-/);
    const wrong: readonly [type: string, data: object, code: string, field: string][] = [
      ["OrderHistory", { limit: 0 }, "INVALID_MESSAGE", "limit"],
      ["OrderHistory", { limit: 1001 }, "INVALID_MESSAGE", "limit"],
      ["OrderHistory", { before: "x" }, "INVALID_MESSAGE", "before"],
      ["OrderHistory", { before: `${next} ` }, "INVALID_MESSAGE", "before"],
      ["FillHistory", { before: next }, "INVALID_MESSAGE", "before"],
      ["FillHistory", { market_id: 404 }, "MARKET_NOT_FOUND", "market_id"],
      ["OrderHistory", { market_id: 404 }, "MARKET_NOT_FOUND", "market_id"],
      ["GetOrder", {}, "INVALID_MESSAGE", "order_id"],
      ["GetOrder", { order_id: "1", client_order_id: "1" }, "INVALID_MESSAGE", "order_id"],
    ];
    for (const [type, data, code, field] of wrong)
      expect(await refusalOf(client, { type, data }), JSON.stringify(data)).toMatchObject({
        code,
        details: { field: expect.stringMatching(new RegExp(`(^|\\.)${field}$`)) },
      });
    await client.close();
  }
  const client = await connectTrader(port);
  const status = { type: "OrderHistory", data: { status: "Gone" } };
  expect(await refusalOf(client, status)).toMatchObject({ details: { field: "data.status" } });
  expect((await ordersOf(client, { status: [], limit: null })).orders).toHaveLength(9);
  const synthetic = await startServerProcess({ feed: "synthetic", shards: 1 });
  try {
    const other = await connectTrader(synthetic.port);
    for (const type of ["OrderHistory", "FillHistory"])
      expect((await refusalOf(other, { type, data: {} })).code).toBe("TRADING_DISABLED");
  } finally {
    await synthetic.dispose();
  }
});

test("order history - orders since a moment: every fill and the last state of what changed, then news, over kill -9", async () => {
  const first = await start();
  const [alice, bob] = await Promise.all([
    connectTrader(first.port, { wallet: "alice" }),
    connectTrader(first.port, { wallet: "bob" }),
  ]);
  const resting = await Promise.all(
    Array.from({ length: 400 }, (_, at) => {
      const order = limitOrder("Sell", 0.5, 2, { client_order_id: `a-${at}` });
      alice.send({ type: "PlaceOrder", id: at, data: { order } });
      return alice.take("OrderUpdate").then(({ data }) => data.order);
    }),
  );
  const [old, ...rest] = resting;
  const before = await cancel(alice, { order_id: old?.order_id });
  // The third order is filled in two parts, one of them before the moment.
  const early = await place(bob, limitOrder("Buy", 0.5, 3));
  const since = early.updated_ts + 1;
  await place(bob, limitOrder("Buy", 0.5, 600));
  const gone = await cancel(alice, { order_id: rest.at(-1)?.order_id });
  const exited = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await exited;

  const { port } = await start();
  for (const encoding of ENCODINGS) {
    const client = await connectTrader(port, { wallet: "alice", encoding });
    const all = await fillHistory(client);
    const told = await ordersSince(client, "alice", since);
    expect(told.fills).toEqual(all.filter(({ ts }) => ts >= since).reverse());
    expect(told.fills.length).toBeGreaterThan(290);
    // Each in its last state, once; those of before not at all.
    const orders = await orderHistory(client);
    expect(told.orders.toSorted((a, b) => Number(b.order_id) - Number(a.order_id))).toEqual(
      orders.filter(({ updated_ts }) => updated_ts >= since),
    );
    expect(told.orders).toContainEqual(gone);
    expect(told.orders).not.toContainEqual(before);
    // And then what is new.
    const order = await place(client, limitOrder("Sell", 0.9, 1));
    const other = await connectTrader(port, { wallet: "alice" });
    const cancelled = await cancel(other, { order_id: order.order_id });
    expect(await untilQuiet(client)).toEqual([{ type: "OrderUpdate", data: { order: cancelled } }]);
    await Promise.all([client.close(), other.close()]);
  }
  const client = await connectTrader(port, { wallet: "alice" });
  const everything = await ordersSince(client, "alice", 0);
  expect(everything.fills).toEqual((await fillHistory(client)).reverse());
  expect(everything.orders.length).toBe((await orderHistory(client)).length);
});

test("order history - a since that cannot be had is recovered false, and the snapshot comes", async () => {
  const { port } = await start({ "max-replay-messages": 5 });
  const client = await connectTrader(port);
  for (let at = 0; at < 6; at++) await place(client, limitOrder("Sell", 0.6, 1));
  const params = { wallet: "w1" };
  for (const since of [0, Date.now() * 1000 + 60_000_000]) {
    const channels = [
      { type: "Orders", params, since },
      { type: "Positions", params, since },
    ];
    expect(await client.subscribe(...channels)).toMatchObject({
      data: {
        channels: [
          { ...channels[0], recovered: false },
          { ...channels[1], recovered: true },
        ],
      },
    });
    expect((await client.take("OrderSnapshot")).data.orders).toHaveLength(6);
    expect((await client.take("PositionSnapshot")).data).toEqual({ wallet: "w1", positions: [] });
    await client.request({ type: "Unsubscribe", data: { channels } });
  }
  expect(
    await refusalOf(client, {
      type: "Subscribe",
      data: { channels: [{ type: "Orders", params: { wallet: "w2" }, since: 0 }] },
    }),
  ).toMatchObject({ code: "FORBIDDEN" });
});

test("order history - pages are charged, so that who asks for many waits, and others do not", async () => {
  const { port } = await start({ shards: 1, "max-bytes-per-second": 65_536 });
  const [greedy, other] = await Promise.all([
    connectTrader(port, { wallet: "greedy" }),
    connectTrader(port, { wallet: "other" }),
  ]);
  await place(greedy, limitOrder("Sell", 0.6, 1));
  // Each of them costs what a second brings, and there is one second in hand.
  const startedAt = performance.now();
  for (let at = 0; at < 4; at++)
    greedy.send({ type: "FillHistory", id: at, data: { limit: 1000 } });
  const waits = greedy.request({ type: "Ping", data: { timestamp: 1 } });
  await ordersOf(other);
  const otherMs = performance.now() - startedAt;
  await waits;
  expect(performance.now() - startedAt).toBeGreaterThan(2000);
  expect(otherMs).toBeLessThan(1500);
});
