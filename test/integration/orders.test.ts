import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  bookOf,
  cancel,
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  type TraderOptions,
  temporaryDirectory,
  walletState,
  writeMarkets,
} from "../support/trading.js";

const orders = (wallet: string) => ({ type: "Orders", params: { wallet } });
const positions = (wallet: string) => ({ type: "Positions", params: { wallet } });

/** Wallets of tests that share a server. */
let wallets = 0;
const newWallet = (): string => `wallet-${++wallets}`;

describe("a server with one exchange", () => {
  let server: ServerProcess;
  const clients: TestClient[] = [];
  beforeAll(async () => {
    server = await startServerProcess({
      ...QUIET_EXCHANGE,
      shards: 2,
      "max-open-orders": 5,
      "max-orders-per-second": 50,
      "max-quantity": 1000,
    });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(() => server.dispose());

  async function trader(options: TraderOptions = {}): Promise<TestClient> {
    const client = await connectTrader(server.port, options);
    clients.push(client);
    return client;
  }

  async function watching(wallet: string, options: TraderOptions = {}): Promise<TestClient> {
    const client = await trader({ wallet, ...options });
    await client.subscribe(orders(wallet), positions(wallet));
    await client.take("PositionSnapshot");
    return client;
  }

  /** Everything that a client has been sent by the time an answer to it arrives. */
  async function inboxOf(client: TestClient): Promise<ServerMessage[]> {
    client.send({ type: "Ping", data: { timestamp: 7 }, id: "inbox" });
    return (await client.takeUntil(({ id }) => id === "inbox")).slice(0, -1);
  }

  it("orders - two wallets trade, one in JSON and one in MessagePack, and each sees its own private messages", async () => {
    const [seller, buyer] = [newWallet(), newWallet()];
    const json = await watching(seller, { encoding: "json" });
    const msgpack = await watching(buyer, { encoding: "msgpack" });
    const other = await watching(newWallet());
    const tape = await TestClient.connect(server.port);
    clients.push(tape);
    await tape.subscribe({ type: "Trades", params: { market_id: 1001 } });

    const ask = await place(json, limitOrder("Sell", 0.6, 10, { client_order_id: "ask-1" }));
    expect(ask).toMatchObject({
      client_order_id: "ask-1",
      market_id: 1001,
      wallet: seller,
      side: "Sell",
      order_type: "Limit",
      time_in_force: "GTC",
      post_only: false,
      price: 0.6,
      quantity: 10,
      filled_quantity: 0,
      status: "Open",
    });
    const bid = await place(msgpack, limitOrder("Buy", 0.65, 4));
    expect(bid).toMatchObject({ status: "Filled", filled_quantity: 4, average_price: 0.6 });

    const { trade } = (await tape.take("TradeExecution")).data;
    expect(trade).toMatchObject({ price: 0.6, quantity: 4, taker_side: "Buy", seq: 1 });
    expect(await inboxOf(json)).toMatchObject([
      { type: "Fill", data: { fill: { order_id: ask.order_id, liquidity: "Maker", quantity: 4 } } },
      {
        type: "OrderUpdate",
        data: { order: { order_id: ask.order_id, status: "PartiallyFilled", filled_quantity: 4 } },
      },
      {
        type: "PositionUpdate",
        data: { position: { wallet: seller, quantity: -4, average_price: 0.6, realized_pnl: 0 } },
      },
    ]);
    // Its own order came as the answer, and not a second time.
    expect(await inboxOf(msgpack)).toMatchObject([
      {
        type: "PositionUpdate",
        data: { position: { wallet: buyer, quantity: 4, average_price: 0.6 } },
      },
    ]);
    expect(await inboxOf(other)).toEqual([]);
    expect((await bookOf(server.port, 1001)).asks).toEqual([[0.6, 6]]);

    expect(await cancel(json, { client_order_id: "ask-1" })).toMatchObject({
      status: "Cancelled",
      filled_quantity: 4,
      reason: expect.any(String),
    });
    expect((await walletState(server.port, seller)).orders).toEqual([]);
  });

  it("orders - another connection of the wallet hears of an order, the one that placed it has the answer only", async () => {
    const wallet = newWallet();
    const placing = await watching(wallet);
    const listening = await watching(wallet, { encoding: "msgpack" });
    const order = await place(placing, limitOrder("Buy", 0.1, 1));
    expect((await listening.take("OrderUpdate")).data.order).toEqual(order);
    expect(await inboxOf(placing)).toEqual([]);
    const cancelled = await cancel(listening, { order_id: order.order_id });
    expect((await placing.take("OrderUpdate")).data.order).toEqual(cancelled);
    expect(await inboxOf(listening)).toEqual([]);
  });

  it("orders - private channels and orders are for a wallet's token and for admins", async () => {
    const wallet = newWallet();
    const anonymous = await TestClient.connect(server.port);
    clients.push(anonymous);
    const order = limitOrder("Buy", 0.1, 1);
    const requests = [
      { type: "Subscribe", data: { channels: [orders(wallet)] } },
      { type: "Subscribe", data: { channels: [positions(wallet)] } },
      { type: "PlaceOrder", data: { order } },
      { type: "CancelOrder", data: { order_id: "1" } },
    ];
    for (const request of requests)
      expect((await refusalOf(anonymous, request)).code).toBe("AUTH_REQUIRED");

    const third = await trader({ wallet: newWallet() });
    for (const channel of [orders(wallet), positions(wallet)]) {
      const subscribe = { type: "Subscribe", data: { channels: [channel] } };
      expect((await refusalOf(third, subscribe)).code).toBe("FORBIDDEN");
    }
    const own = await trader({ wallet });
    const { order_id } = await place(own, order);
    const cancelling = { type: "CancelOrder", data: { order_id } };
    expect((await refusalOf(third, cancelling)).code).toBe("ORDER_NOT_FOUND");

    const walletless = await TestClient.connect(server.port, {
      query: `?token=${testToken({ wallet: undefined })}`,
    });
    clients.push(walletless);
    expect((await refusalOf(walletless, { type: "PlaceOrder", data: { order } })).code).toBe(
      "FORBIDDEN",
    );

    const admin = await trader({ wallet: newWallet(), role: "admin" });
    await admin.subscribe(orders(wallet));
    expect((await admin.take("OrderSnapshot")).data.orders).toMatchObject([{ order_id }]);
    await cancel(own, { order_id });
    expect((await admin.take("OrderUpdate")).data.order.status).toBe("Cancelled");
  });

  it("orders - a token without the admin's role ends the subscriptions that needed it", async () => {
    const [wallet, own] = [newWallet(), newWallet()];
    const admin = await trader({ wallet: own, role: "admin" });
    await admin.subscribe(orders(wallet), orders(own), positions(wallet));
    const token = testToken({ sub: `user of ${own}`, wallet: own });
    admin.send({ type: "Authenticate", data: { token } });
    await admin.take("Authenticated");
    for (const channel of ["Orders", "Positions"]) {
      const { data } = await admin.take("Error");
      expect(data).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining(channel) });
    }
    const elsewhere = await trader({ wallet });
    await place(elsewhere, limitOrder("Buy", 0.1, 1));
    const mine = await place(await trader({ wallet: own }), limitOrder("Buy", 0.1, 1));
    expect((await admin.take("OrderUpdate")).data.order).toEqual(mine);
    expect(await inboxOf(admin)).toEqual([]);
  });

  it("orders - the same client_order_id over a new connection places nothing and tells of the first", async () => {
    const wallet = newWallet();
    const first = await trader({ wallet });
    const order = limitOrder("Buy", 0.2, 3, { client_order_id: "once" });
    const placed = await place(first, order);
    // Cut, not closed: the client may not know whether its order arrived.
    first.ws.terminate();
    await first.closed;

    const second = await watching(wallet);
    expect(await place(second, order)).toEqual(placed);
    expect(await inboxOf(second)).toEqual([]);
    expect((await walletState(server.port, wallet)).orders).toEqual([placed]);
    // Also when the order has ended; with other terms it is another order.
    const cancelled = await cancel(second, { client_order_id: "once" });
    expect(await place(second, order)).toEqual(cancelled);
    const other_terms = { ...order, price: 0.3 };
    expect(
      await refusalOf(second, { type: "PlaceOrder", data: { order: other_terms } }),
    ).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "client_order_id_reused", field: "client_order_id", value: "once" },
    });
    // Another wallet's are others.
    const other = await place(await trader({ wallet: newWallet() }), order);
    expect(other.order_id).not.toBe(placed.order_id);
  });

  it("orders - a retry within the same moment is one order, open or finished", async () => {
    const wallet = newWallet();
    const client = await trader({ wallet });
    for (const order of [
      limitOrder("Buy", 0.2, 3, { client_order_id: "rests" }),
      limitOrder("Buy", 0.2, 3, { client_order_id: "ends", time_in_force: "IOC" }),
    ]) {
      for (const id of [1, 2]) client.send({ type: "PlaceOrder", data: { order }, id });
      const first = await client.take("OrderUpdate", ({ id }) => id === 1);
      const second = await client.take("OrderUpdate", ({ id }) => id === 2);
      expect(second.data).toEqual({ ...first.data, duplicate: true });
    }
    expect((await walletState(server.port, wallet)).orders).toHaveLength(1);
  });

  it.each([
    ["price", limitOrder("Buy", 0.1005, 1), "ORDER_REJECTED", ["0.1005", "0.001"]],
    ["price", limitOrder("Buy", 1.001, 1), "ORDER_REJECTED", ["1.001", "1"]],
    ["price", limitOrder("Buy", 0, 1), "ORDER_REJECTED", ["0"]],
    ["price", limitOrder("Buy", -0.1, 1), "ORDER_REJECTED", ["-0.1"]],
    ["quantity", limitOrder("Buy", 0.1, 0), "ORDER_REJECTED", ["0"]],
    ["quantity", limitOrder("Buy", 0.1, -1), "ORDER_REJECTED", ["-1"]],
    ["quantity", limitOrder("Buy", 0.1, 1.5), "ORDER_REJECTED", ["1.5", "1"]],
    ["quantity", limitOrder("Buy", 0.1, 1001), "ORDER_REJECTED", ["1001", "1000"]],
    ["market", limitOrder("Buy", 0.1, 1, { market_id: 9 }), "MARKET_NOT_FOUND", ["9"]],
    [
      "IOC",
      limitOrder("Buy", 0.1, 1, { post_only: true, time_in_force: "IOC" }),
      "ORDER_REJECTED",
      [],
    ],
  ] as const)(
    "orders - a wrong %s is refused, by rule and value: %j",
    async (what, order, code, values) => {
      const refusal = await refusalOf(await trader({ wallet: newWallet() }), {
        type: "PlaceOrder",
        data: { order },
      });
      expect(refusal.code).toBe(code);
      for (const text of [what, ...values]) expect(refusal.message).toContain(text);
    },
  );

  it.each([
    ["data.order.price", { market_id: 1001, side: "Buy", order_type: "Limit", quantity: 1 }],
    ["data.order.price", { ...limitOrder("Buy", 0.1, 1), order_type: "Market" }],
    ["data.order.leverage", limitOrder("Buy", 0.1, 1, { leverage: 10 })],
    ["data.order.client_order_id", limitOrder("Buy", 0.1, 1, { client_order_id: "ä" })],
    ["data.order.quantity", limitOrder("Buy", 0.1, Number.NaN)],
  ])("orders - a message of the wrong form names %s", async (field, order) => {
    const client = await trader({ wallet: newWallet(), encoding: "msgpack" });
    const refusal = await refusalOf(client, { type: "PlaceOrder", data: { order } });
    expect(refusal).toMatchObject({ code: "INVALID_MESSAGE", details: { field } });
  });

  it("orders - a wallet has at most so many open orders; others are refused until one ends", async () => {
    const client = await trader({ wallet: newWallet() });
    const placed = [];
    for (let at = 0; at < 5; at++) placed.push(await place(client, limitOrder("Buy", 0.1, 1)));
    const request = { type: "PlaceOrder", data: { order: limitOrder("Buy", 0.1, 1) } };
    const refusal = await refusalOf(client, request);
    expect(refusal).toMatchObject({
      code: "ORDER_REJECTED",
      message: expect.stringContaining("5"),
    });
    await cancel(client, { order_id: placed[0]?.order_id });
    await place(client, limitOrder("Buy", 0.1, 1));
  });

  it("orders - beyond the orders per second a connection gets RATE_LIMITED, and goes on", async () => {
    const client = await trader({ wallet: newWallet() });
    const order = limitOrder("Buy", 0.1, 1, { time_in_force: "IOC" });
    for (let id = 0; id < 120; id++) client.send({ type: "PlaceOrder", data: { order }, id });
    const codes = new Map<unknown, string>();
    while (codes.size < 120) {
      const { id, type, data } = await client.next();
      codes.set(id, type === "Error" ? data.code : type);
    }
    for (let id = 0; id < 50; id++) expect(codes.get(id)).toBe("OrderUpdate");
    expect([...codes.values()].filter((code) => code === "RATE_LIMITED").length).toBeGreaterThan(
      50,
    );
    expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    expect(await server.metric('marketcast_orders_total{result="rate_limited"}')).toBeGreaterThan(
      50,
    );
  });

  it("orders - what became of them is counted, and every commit timed", async () => {
    const before = await server.metric('marketcast_orders_total{result="open"}');
    const commits = await server.metric("marketcast_store_commit_seconds_count");
    await place(await trader({ wallet: newWallet() }), limitOrder("Buy", 0.1, 1));
    expect(await server.metric('marketcast_orders_total{result="open"}')).toBe(before + 1);
    expect(await server.metric("marketcast_store_commit_seconds_count")).toBeGreaterThan(commits);
    expect(await server.metric("marketcast_trades_total")).toBeGreaterThan(0);
  });
});

it("orders - a halted market takes cancels and no orders; one that is gone from the file is closed", async () => {
  const folder = await temporaryDirectory();
  const file = join(folder.path, "markets.json");
  const flags = { ...QUIET_EXCHANGE, "markets-file": file, "data-dir": join(folder.path, "data") };
  let server: ServerProcess | undefined;
  /** The order that rests from before, and what a further one and its cancel get. */
  const tryTrading = async (port: number, order_id: string) => {
    const client = await connectTrader(port);
    const order = limitOrder("Buy", 0.5, 1);
    const refused = await refusalOf(client, { type: "PlaceOrder", data: { order } });
    const cancelled = await cancel(client, { order_id });
    return [refused.code, cancelled.status];
  };
  try {
    await writeMarkets(file);
    server = await startServerProcess(flags);
    const client = await connectTrader(server.port);
    const resting = [
      await place(client, limitOrder("Buy", 0.4, 1)),
      await place(client, limitOrder("Buy", 0.4, 1)),
    ];
    await server.stop();

    await writeMarkets(file, { status: "Halted" });
    server = await startServerProcess(flags);
    const [first, second] = resting.map(({ order_id }) => order_id) as [string, string];
    expect(await tryTrading(server.port, first)).toEqual(["MARKET_NOT_ACTIVE", "Cancelled"]);
    await server.stop();

    await writeMarkets(file, { market_id: 1002 });
    server = await startServerProcess(flags);
    expect(await tryTrading(server.port, second)).toEqual(["MARKET_NOT_ACTIVE", "Cancelled"]);
    await server.stop();

    await writeMarkets(file, { tick_size: 0.001 });
    await expect(startServerProcess(flags)).rejects.toThrow(/market 1001 .*0\.001.*0\.01/);
  } finally {
    await server?.dispose();
    await folder.remove();
  }
});
