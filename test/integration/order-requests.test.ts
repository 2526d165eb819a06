import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  temporaryDirectory,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ ...QUIET_EXCHANGE, shards: 2 });
});
afterAll(() => server.stop());

let wallets = 0;
/** A trader with a wallet that nothing has happened to. */
const trader = (options: Parameters<typeof connectTrader>[1] = {}): Promise<TestClient> =>
  connectTrader(server.port, { wallet: `wallet ${++wallets}`, ...options });

describe.each(ENCODINGS)("order requests in %s", (encoding) => {
  it(`order requests - an order is amended, by either name, in ${encoding}`, async () => {
    const client = await trader({ encoding });
    const { order_id } = await place(client, limitOrder("Buy", 0.2, 10, { client_order_id: "a" }));
    const reduced = await client.request({
      type: "AmendOrder",
      data: { order_id, quantity: 4 },
    });
    expect(reduced).toMatchObject({
      type: "OrderUpdate",
      data: { order: { order_id, price: 0.2, quantity: 4, status: "Open" } },
    });
    expect(reduced.data).not.toHaveProperty("duplicate");
    const moved = await client.request({
      type: "AmendOrder",
      data: { client_order_id: "a", price: 0.21, quantity: 5 },
    });
    expect(moved).toMatchObject({ data: { order: { order_id, price: 0.21, quantity: 5 } } });
    expect(
      await refusalOf(client, { type: "AmendOrder", data: { order_id, price: 0.2105 } }),
    ).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "tick_size", field: "price", value: 0.2105, limit: 0.001 },
    });
    expect(
      await refusalOf(client, { type: "AmendOrder", data: { order_id: "9999", quantity: 1 } }),
    ).toMatchObject({ code: "ORDER_NOT_FOUND" });
    expect(await client.request({ type: "CancelOrders", data: {} })).toMatchObject({
      type: "OrdersCancelled",
      data: { count: 1 },
    });
    await client.close();
  });

  it(`order requests - orders of a batch are answered each by itself, in ${encoding}`, async () => {
    const wallet = `batch ${encoding}`;
    const client = await trader({ encoding, wallet });
    const watcher = await trader({ encoding, wallet });
    const params = { wallet };
    for (const one of [client, watcher]) {
      await one.subscribe({ type: "Orders", params });
      await one.take("OrderSnapshot");
    }
    const reply = await client.request({
      type: "PlaceOrders",
      data: {
        orders: [
          limitOrder("Buy", 0.2, 1, { client_order_id: "one" }),
          limitOrder("Buy", 0.2, 1, { time_in_force: "GTD" }),
          limitOrder("Buy", 0.2, 0),
          { market_id: 1001, side: "Buy", order_type: "Limit", quantity: 1 },
          limitOrder("Buy", 0.2, 1, { client_order_id: "one" }),
          limitOrder("Buy", 0.2, 1, { market_id: 9 }),
        ],
      },
    });
    if (reply.type !== "OrderResults") throw new Error(JSON.stringify(reply));
    const [first] = reply.data.results;
    expect(reply.data.results).toEqual([
      { order: expect.objectContaining({ status: "Open", client_order_id: "one" }) },
      {
        error: {
          code: "INVALID_MESSAGE",
          message: "data.orders.1.expires_ts: a GTD order needs an expires_ts",
          details: { field: "data.orders.1.expires_ts" },
        },
      },
      {
        error: {
          code: "ORDER_REJECTED",
          message: "quantity 0 is not positive",
          details: { rule: "positive_quantity", field: "quantity", value: 0, limit: 0 },
        },
      },
      {
        error: expect.objectContaining({
          code: "INVALID_MESSAGE",
          details: { field: "data.orders.3.price" },
        }),
      },
      { order: first?.order, duplicate: true },
      { error: expect.objectContaining({ code: "MARKET_NOT_FOUND" }) },
    ]);
    expect((await watcher.take("OrderUpdate")).data).toEqual({ order: first?.order });
    // Who asked is not told again, but of what is cancelled.
    const cancelled = await client.request({
      type: "CancelOrders",
      data: { market_id: 1001, side: "Buy" },
    });
    expect(cancelled).toMatchObject({ type: "OrdersCancelled", data: { count: 1 } });
    for (const one of [client, watcher])
      expect((await one.take("OrderUpdate")).data.order).toMatchObject({
        status: "Cancelled",
        reason: "requested",
        reason_code: "requested",
      });
    for (const orders of [[], Array.from({ length: 51 }, () => limitOrder("Buy", 0.1, 1))])
      expect(await refusalOf(client, { type: "PlaceOrders", data: { orders } })).toMatchObject({
        code: "INVALID_MESSAGE",
        details: { field: "data.orders" },
      });
    for (const one of [client, watcher]) await one.close();
  });

  it(`order requests - an order may be validated, be dated, and say what it does to its own, in ${encoding}`, async () => {
    const client = await trader({ encoding });
    const now = Date.now() * 1000;
    const order = limitOrder("Buy", 0.1, 1, {
      time_in_force: "GTD",
      expires_ts: now + 3_600_000_000,
      valid_until_ts: now + 60_000_000,
      self_trade: "CancelMaker",
      client_order_id: "dated",
      post_only: true,
    });
    const validate = { type: "PlaceOrder", data: { order, validate_only: true } };
    expect((await client.request(validate)).data).toEqual({ order });
    const placed = await place(client, order);
    expect(placed).toMatchObject({
      status: "Open",
      time_in_force: "GTD",
      expires_ts: now + 3_600_000_000,
    });
    expect(await client.request({ type: "PlaceOrder", data: { order } })).toMatchObject({
      data: { order: placed, duplicate: true },
    });
    const changed = { ...order, self_trade: "CancelBoth" };
    for (const data of [{ order: changed }, { order: changed, validate_only: true }])
      expect(await refusalOf(client, { type: "PlaceOrder", data })).toMatchObject({
        code: "ORDER_REJECTED",
        details: { rule: "client_order_id_reused", field: "client_order_id", value: "dated" },
      });
    const late = limitOrder("Buy", 0.1, 1, { valid_until_ts: now - 1 });
    expect(await refusalOf(client, { type: "PlaceOrder", data: { order: late } })).toMatchObject({
      details: { rule: "expired", field: "valid_until_ts", value: now - 1 },
    });
    const sell = limitOrder("Sell", 0.1, 1, { self_trade: "CancelBoth" });
    expect(await place(client, sell)).toMatchObject({
      status: "Cancelled",
      reason_code: "self_trade",
    });
    expect(
      await refusalOf(client, { type: "CancelOrder", data: { client_order_id: "dated" } }),
    ).toMatchObject({ code: "ORDER_NOT_FOUND" });
    await client.close();
  });

  it(`order requests - a dead man's switch is set, ended, and bounded, in ${encoding}`, async () => {
    const client = await trader({ encoding });
    const set = (timeout_ms: number) =>
      client.request({ type: "CancelAfter", data: { timeout_ms } });
    const reply = await set(300_000);
    if (reply.type !== "CancelAfterSet") throw new Error(JSON.stringify(reply));
    expect((reply.data.trigger_ts ?? 0) / 1000 - Date.now()).toBeGreaterThan(290_000);
    expect(await set(0)).toMatchObject({ type: "CancelAfterSet", data: { trigger_ts: null } });
    for (const timeout_ms of [999, 300_001, 1])
      expect(await set(timeout_ms)).toMatchObject({
        type: "Error",
        data: { code: "INVALID_MESSAGE", details: { field: "data.timeout_ms" } },
      });
    await client.close();
  });

  it(`order requests - what an amend or a mass cancel lacks is named, in ${encoding}`, async () => {
    const client = await trader({ encoding });
    for (const [type, data, field] of [
      ["AmendOrder", { order_id: "1" }, "quantity"],
      ["AmendOrder", { quantity: 1 }, "order_id"],
      ["AmendOrder", { order_id: "1", client_order_id: "a", price: 1 }, "order_id"],
    ] as const)
      expect(await refusalOf(client, { type, data })).toMatchObject({
        code: "INVALID_MESSAGE",
        details: { field: `data.${field}` },
      });
    await client.close();
  });

  it(`order requests - they need a wallet that may trade, in ${encoding}`, async () => {
    const stranger = await TestClient.connect(server.port, { encoding });
    await stranger.take("Connected");
    const simulated = await trader({ encoding, wallet: "sim-1" });
    const requests = [
      { type: "PlaceOrders", data: { orders: [limitOrder("Buy", 0.1, 1)] } },
      { type: "AmendOrder", data: { order_id: "1", quantity: 1 } },
      { type: "CancelOrders", data: {} },
      { type: "CancelAfter", data: { timeout_ms: 1000 } },
    ];
    for (const request of requests) {
      expect((await refusalOf(stranger, request)).code).toBe("AUTH_REQUIRED");
      expect((await refusalOf(simulated, request)).code).toBe("FORBIDDEN");
    }
    for (const client of [stranger, simulated]) await client.close();
  });
});

describe("order requests", () => {
  it("order requests - a wallet that does not renew its switch has its orders cancelled, everywhere", async () => {
    const wallet = "switched";
    const client = await trader({ wallet });
    const other = await trader({ wallet, cancelOnDisconnect: true });
    await client.subscribe({ type: "Orders", params: { wallet } });
    await client.take("OrderSnapshot");
    await place(client, limitOrder("Buy", 0.1, 1));
    await place(other, limitOrder("Sell", 0.9, 1));
    await client.request({ type: "CancelAfter", data: { timeout_ms: 1000 } });
    for (let count = 0; count < 2; count++)
      await client.take(
        "OrderUpdate",
        ({ data: { order } }) => order.reason_code === "cancel_after",
      );
    for (const one of [client, other]) await one.close();
  });

  it("order requests - what falls due while the server is down is cancelled before anybody trades", async () => {
    const folder = await temporaryDirectory();
    const flags = { ...QUIET_EXCHANGE, "data-dir": folder.path };
    let own = await startServerProcess(flags);
    try {
      const client = await connectTrader(own.port, { wallet: "dated" });
      const other = await connectTrader(own.port, { wallet: "switched" });
      const expires_ts = Date.now() * 1000 + 1_500_000;
      await place(client, limitOrder("Buy", 0.2, 1, { time_in_force: "GTD", expires_ts }));
      await place(client, limitOrder("Buy", 0.1, 1));
      await place(other, limitOrder("Buy", 0.15, 1));
      const set = await other.request({ type: "CancelAfter", data: { timeout_ms: 1500 } });
      if (set.type !== "CancelAfterSet") throw new Error(JSON.stringify(set));
      const dueTs = Math.max(expires_ts, set.data.trigger_ts ?? 0);
      const exited = once(own.child, "exit");
      own.child.kill("SIGKILL");
      await exited;
      await until("both are due", () => Date.now() * 1000 > dueTs || undefined);
      own = await startServerProcess(flags);
      const seller = await connectTrader(own.port, { wallet: "seller" });
      const sold = limitOrder("Sell", 0.1, 3, { time_in_force: "IOC" });
      expect(await place(seller, sold)).toMatchObject({ filled_quantity: 1, average_price: 0.1 });
      for (const wallet of ["dated", "switched"])
        expect((await walletState(own.port, wallet)).orders).toEqual([]);
      await seller.close();
    } finally {
      await own.dispose();
      await folder.remove();
    }
  });

  it("order requests - orders that a batch places count each, amends as well, and cancels never", async () => {
    const limited = await startServerProcess({ ...QUIET_EXCHANGE, "max-orders-per-second": 10 });
    try {
      const client = await connectTrader(limited.port);
      const batch = (count: number) =>
        client.request({
          type: "PlaceOrders",
          data: { orders: Array.from({ length: count }, () => limitOrder("Buy", 0.1, 1)) },
        });
      // More than a second's worth goes where nothing went before, and is a debt.
      const first = await batch(40);
      if (first.type !== "OrderResults") throw new Error(JSON.stringify(first));
      expect(first.data.results).toHaveLength(40);
      const amend = { type: "AmendOrder", data: { order_id: "1", quantity: 2 } };
      const refused = await refusalOf(client, amend);
      expect(refused).toMatchObject({ code: "RATE_LIMITED", details: { limit: 10 } });
      expect(refused.details?.["retry_after_ms"]).toBeGreaterThan(2000);
      expect(await batch(1)).toMatchObject({ type: "Error", data: { code: "RATE_LIMITED" } });
      expect(await client.request({ type: "CancelOrders", data: {} })).toMatchObject({
        data: { count: 40 },
      });
      await client.close();
    } finally {
      await limited.stop();
    }
  });
});
