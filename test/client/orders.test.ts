import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MarketcastClient } from "../../src/client/node.js";
import type { ClientOptions } from "../../src/client/options.js";
import type { LimitOrderRequest, Order } from "../../src/contract/messages.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";

describe("orders", () => {
  let server: ServerProcess;
  let proxy: FrameProxy;
  beforeAll(async () => {
    const flags = { feed: "exchange", "sim-traders": 0, shards: 1 };
    server = await startServerProcess(flags, { threadEnds: true });
    proxy = await FrameProxy.start(server.port);
  });
  beforeEach(() => {
    proxy.rules = {};
    proxy.requests.length = 0;
    proxy.upgrades.length = 0;
  });
  afterEach(closeClients);
  afterAll(() => Promise.all([proxy.close(), server.dispose()]));

  let wallets = 0;
  const newWallet = (): string => `wallet-${++wallets}`;
  const trader = (wallet: string, options: Partial<ClientOptions> = {}): MarketcastClient =>
    newClient(proxy.url, { token: () => testToken({ sub: wallet, wallet }), ...options });
  const limit = (side: "Buy" | "Sell", price: number, quantity: number): LimitOrderRequest => ({
    market_id: 1001,
    side,
    order_type: "Limit",
    price,
    quantity,
  });

  /** The open orders of a wallet, as the server tells a newcomer. */
  async function openOrders(wallet: string): Promise<readonly Order[]> {
    const client = newClient(server.port, { token: testToken({ sub: wallet, wallet }) });
    const snapshot = nextEvent(client, "OrderSnapshot");
    await client.subscribe([{ type: "Orders", params: { wallet } }]);
    return (await snapshot).orders;
  }

  it.each(["json", "msgpack"] as const)(
    "orders - are placed, filled, told and cancelled, in %s",
    async (encoding) => {
      const [seller, buyer] = [newWallet(), newWallet()];
      const sell = trader(seller, { encoding });
      const buy = trader(buyer, { encoding, offline: "queue" });
      const wallet = { wallet: seller };
      await sell.subscribe([
        { type: "Orders", params: wallet },
        { type: "Positions", params: wallet },
      ]);
      const { order: ask } = await sell.placeOrder(limit("Sell", 0.6, 10));
      expect(ask).toMatchObject({ status: "Open", wallet: seller, quantity: 10 });
      const filled = nextEvent(
        sell,
        "OrderUpdate",
        ({ order }) => order.status === "PartiallyFilled",
      );
      const position = nextEvent(sell, "PositionUpdate");
      const { order: bid } = await buy.placeOrder({
        market_id: 1001,
        side: "Buy",
        order_type: "Market",
        quantity: 4,
      });
      expect(bid).toMatchObject({ status: "Filled", filled_quantity: 4, average_price: 0.6 });
      expect((await filled).order).toMatchObject({ order_id: ask.order_id, filled_quantity: 4 });
      expect((await position).position).toMatchObject({ market_id: 1001, quantity: -4 });
      const { order } = await sell.cancelOrder({ order_id: ask.order_id });
      expect(order).toMatchObject({ status: "Cancelled", filled_quantity: 4 });
      await expect(sell.cancelOrder({ order_id: ask.order_id })).rejects.toMatchObject({
        code: "ORDER_NOT_FOUND",
      });
      await expect(sell.placeOrder(limit("Sell", 0.6, -1))).rejects.toMatchObject({
        name: "ServerError",
      });
    },
  );

  it.each([
    ["before it reaches the server", true],
    ["after it reached the server", false],
  ])("orders - a connection that breaks %s: placed once, and answered", async (_, lost) => {
    const wallet = newWallet();
    const client = trader(wallet);
    await client.ready();
    let cuts = 0;
    proxy.rules.dropFromClient = ({ type }) => type === "PlaceOrder" && lost && cuts < 1;
    proxy.rules.cutAfterClient = ({ type }) => type === "PlaceOrder" && cuts++ < 1;
    const placed = await Promise.all(
      [1, 2, 3].map((quantity) => client.placeOrder(limit("Buy", 0.1, quantity))),
    );
    expect(placed.map(({ order }) => order.quantity)).toEqual([1, 2, 3]);
    expect(placed.map(({ order }) => order.status)).toEqual(Array(3).fill("Open"));
    const open = await openOrders(wallet);
    expect(open.map(({ order_id }) => order_id).sort()).toEqual(
      placed.map(({ order }) => order.order_id).sort(),
    );
    expect(client.stats.reconnects).toBe(1);
  });

  it("orders - a batch whose answer was lost is placed once, and an amend made once", async () => {
    const wallet = newWallet();
    const client = trader(wallet);
    await client.ready();
    const uncut = new Set(["PlaceOrders", "AmendOrder"]);
    proxy.rules.cutAfterClient = ({ type }) => uncut.delete(type);
    const orders = [limit("Buy", 0.1, 1), limit("Buy", 0.2, 0), limit("Buy", 0.1, 3)];
    const { results } = await client.placeOrders(orders);
    expect(results).toMatchObject([
      { order: { quantity: 1, status: "Open" } },
      { error: { code: "ORDER_REJECTED", details: { rule: "positive_quantity" } } },
      { order: { quantity: 3, status: "Open" } },
    ]);
    const order_id = results[2]?.order?.order_id as string;
    const { order } = await client.amendOrder({ order_id, quantity: 2 });
    expect(order).toMatchObject({ quantity: 2, status: "Open" });
    expect(client.stats.reconnects).toBe(2);
    expect((await openOrders(wallet)).map(({ quantity }) => quantity)).toEqual([1, 2]);
    expect(await client.cancelOrders({ side: "Sell" })).toEqual({ count: 0 });
    expect(await client.cancelOrders()).toEqual({ count: 2 });
    const { trigger_ts } = await client.cancelAfter(60_000);
    expect(trigger_ts).toBeGreaterThan(Date.now() * 1000);
    expect(await client.cancelAfter(0)).toEqual({ trigger_ts: null });
    const { order: understood } = await client.validateOrder(limit("Buy", 0.1, 1));
    expect(understood).toEqual({
      ...limit("Buy", 0.1, 1),
      time_in_force: "GTC",
      post_only: false,
      self_trade: "CancelTaker",
    });
    await expect(client.validateOrder(limit("Buy", 7, 1))).rejects.toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "max_price", field: "price", value: 7, limit: 1 },
    });
    expect(await openOrders(wallet)).toEqual([]);
  });

  it("orders - one whose answer was lost by a timeout is found by its id, not doubled", async () => {
    const wallet = newWallet();
    const client = trader(wallet);
    await client.ready();
    const order = { ...limit("Buy", 0.1, 5), client_order_id: "mine" };
    proxy.rules.dropFromServer = ({ type }) => type === "OrderUpdate";
    await expect(client.placeOrder(order, { timeoutMs: 300 })).rejects.toMatchObject({
      code: "REQUEST_TIMEOUT",
      sent: true,
    });
    proxy.rules = {};
    const { order: first } = await client.placeOrder(order);
    expect((await openOrders(wallet)).map(({ order_id }) => order_id)).toEqual([first.order_id]);
  });

  it("orders - an exchange that starts again answers every order once", async () => {
    const wallet = newWallet();
    const client = trader(wallet);
    await client.ready();
    const epoch = nextEvent(client, "epoch");
    server.command({ restartProducer: true });
    const placed = await Promise.all(
      Array.from({ length: 30 }, (_, index) => client.placeOrder(limit("Buy", 0.1, index + 1))),
    );
    await epoch;
    expect(placed.map(({ order }) => order.quantity)).toEqual(
      Array.from({ length: 30 }, (_, index) => index + 1),
    );
    expect((await openOrders(wallet)).length).toBe(30);
  });

  it("orders - with cancelOnDisconnect they end with their connection", async () => {
    const wallet = newWallet();
    const client = trader(wallet, { cancelOnDisconnect: true });
    const told = collect(client, "OrderUpdate");
    await client.subscribe([{ type: "Orders", params: { wallet } }]);
    const { order } = await client.placeOrder(limit("Buy", 0.1, 1));
    expect(order.status).toBe("Open");
    const cancelled = new Promise<Order>((resolve) => {
      const watcher = newClient(server.port, { token: testToken({ sub: wallet, wallet }) });
      watcher.on("OrderUpdate", ({ order: update }) => resolve(update));
      watcher.once("OrderSnapshot", () => proxy.cut());
      void watcher.subscribe([{ type: "Orders", params: { wallet } }]);
    });
    expect(await cancelled).toMatchObject({ order_id: order.order_id, status: "Cancelled" });
    // On its next connection the client hears what became of it meanwhile.
    const isOver = () => told.some((one) => one.order.status === "Cancelled");
    while (!isOver()) await nextEvent(client, "OrderUpdate");
    expect(await openOrders(wallet)).toEqual([]);
  });
});
