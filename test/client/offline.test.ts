import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import { NotConnectedError } from "../../src/client/errors.js";
import type { ClientOptions } from "../../src/client/options.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type {
  ClientMessage,
  Order,
  OrderRequest,
  ServerMessage,
} from "../../src/contract/messages.js";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
import { acceptance, FakeServer, refusal } from "../support/fake-server.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";

const ORDER = {
  market_id: 1001,
  side: "Buy",
  order_type: "Limit",
  price: 0.1,
  quantity: 1,
} as const;
const NOT_CONNECTED = { name: "NotConnectedError", code: "NOT_CONNECTED", sent: false };

describe("offline, on a fake clock", () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  function connect(server: FakeServer, options: Partial<ClientOptions> = {}): CoreClient {
    return new CoreClient({ url: "ws://x", pingIntervalMs: 0, ...options }, server.platform);
  }

  async function close(client: CoreClient): Promise<void> {
    const closing = client.close();
    await pass(5000);
    await closing;
  }

  /** What has become of a promise so far. */
  function watch(promise: Promise<unknown>): { outcome: unknown } {
    const watched: { outcome: unknown } = { outcome: "pending" };
    promise.then(
      () => {
        watched.outcome = "answered";
      },
      (error: unknown) => {
        watched.outcome = error;
      },
    );
    return watched;
  }

  /** An exchange that takes everything, and all that it was asked for on any connection. */
  function exchange(answering: (message: ClientMessage) => ServerMessage | undefined = answer) {
    const server = new FakeServer(answering);
    const asked = (): ClientMessage[] => server.connections.flatMap(({ received }) => received);
    const orders = (): OrderRequest[] =>
      asked().flatMap((message) => {
        if (message.type === "PlaceOrder") return [message.data.order];
        return message.type === "PlaceOrders" ? message.data.orders : [];
      });
    return { server, asked, orders };
  }

  function answer(message: ClientMessage): ServerMessage {
    const { id, type } = message;
    const reply = { ...(id !== undefined && { id }) };
    const order = { order_id: "1", status: "Open" } as Order;
    if (type === "PlaceOrders") return { ...reply, type: "OrderResults", data: { results: [] } };
    if (type === "CancelOrders") return { ...reply, type: "OrdersCancelled", data: { count: 0 } };
    if (type === "CancelAfter")
      return { ...reply, type: "CancelAfterSet", data: { trigger_ts: 1 } };
    if (["PlaceOrder", "AmendOrder", "CancelOrder", "GetOrder"].includes(type))
      return { ...reply, type: "OrderUpdate", data: { order } };
    return acceptance(message);
  }

  it.each(["before the first connection", "after a connection"])(
    "offline - what would change a market is refused at once %s, and never sent",
    async (when) => {
      const { server, asked } = exchange();
      const client = connect(server);
      if (when === "after a connection") {
        await pass(10);
        server.refusing = true;
        server.connection?.end(1012);
      }
      const placing = [
        () => client.placeOrder(ORDER),
        () => client.placeOrders([ORDER]),
        () => client.amendOrder({ order_id: "1", quantity: 2 }),
      ];
      for (const place of placing) {
        const refused = watch(place());
        await pass(0);
        expect(refused.outcome).toBeInstanceOf(NotConnectedError);
        expect(refused.outcome).toMatchObject(NOT_CONNECTED);
        const { cause } = refused.outcome as NotConnectedError;
        if (when === "after a connection") expect(cause).toMatchObject({ closeCode: 1012 });
        else expect(cause).toBeUndefined();
      }
      server.refusing = false;
      await pass(9000);
      expect(client.state.status).toBe("open");
      expect(asked()).toEqual([]);
      await close(client);
    },
  );

  it("offline - what ends something, or asks, waits for a connection", async () => {
    const { server, asked } = exchange();
    const client = connect(server);
    const waiting = [
      client.cancelOrder({ order_id: "1" }),
      client.cancelOrders(),
      client.cancelAfter(5000),
      client.getOrder({ order_id: "1" }),
      client.validateOrder(ORDER),
    ].map(watch);
    await pass(100);
    expect(waiting.map(({ outcome }) => outcome)).toEqual(Array(5).fill("answered"));
    expect(asked().length).toBe(5);
    await close(client);
  });

  it("offline - with queue all waits for a connection, within its timeout", async () => {
    const { server, orders } = exchange();
    server.refusing = true;
    const client = connect(server, { offline: "queue" });
    const [late, placed] = [
      watch(client.placeOrder({ ...ORDER, client_order_id: "late" }, { timeoutMs: 1000 })),
      watch(client.placeOrder({ ...ORDER, client_order_id: "placed" })),
    ];
    await pass(1500);
    expect(late.outcome).toMatchObject({ code: "REQUEST_TIMEOUT", sent: false });
    server.refusing = false;
    await pass(6000);
    expect(placed.outcome).toBe("answered");
    expect(orders().map(({ client_order_id }) => client_order_id)).toEqual(["placed"]);
    await close(client);
  });

  it("offline - as a connection breaks, what was sent is sent again, and what was not is refused", async () => {
    let silent = true;
    const { server, orders } = exchange((message) => (silent ? undefined : answer(message)));
    const client = connect(server);
    await pass(10);
    const all = Array.from({ length: 20 }, () => watch(client.placeOrder(ORDER)));
    await pass(10);
    const sent = orders().map(({ client_order_id }) => client_order_id);
    expect(sent.length).toBe(8);
    silent = false;
    server.connection?.end(1012);
    await pass(0);
    expect(all.slice(0, 8).map(({ outcome }) => outcome)).toEqual(Array(8).fill("pending"));
    for (const { outcome } of all.slice(8)) expect(outcome).toMatchObject(NOT_CONNECTED);
    await pass(2000);
    expect(all.slice(0, 8).map(({ outcome }) => outcome)).toEqual(Array(8).fill("answered"));
    expect(orders().map(({ client_order_id }) => client_order_id)).toEqual([...sent, ...sent]);
    await close(client);
  });

  it.each([
    ["RATE_LIMITED, so that nothing was done, is refused", NOT_CONNECTED],
    ["UNAVAILABLE, so that it may have been taken, is sent again", "answered"],
  ] as const)("offline - an order that was answered with %s", async (told, outcome) => {
    const code = told.startsWith("RATE") ? "RATE_LIMITED" : "UNAVAILABLE";
    let refusals = 0;
    const { server } = exchange((message) =>
      refusals++ === 0 ? refusal(message, code) : answer(message),
    );
    const client = connect(server);
    await pass(10);
    const order = watch(client.placeOrder(ORDER));
    await pass(5);
    expect([refusals, order.outcome]).toEqual([1, "pending"]);
    server.connection?.end(1012);
    await pass(3000);
    if (outcome === "answered") expect(order.outcome).toBe(outcome);
    else expect(order.outcome).toMatchObject(outcome);
    await close(client);
  });

  it("offline - nothing is refused where the client moves over to the next connection", async () => {
    const { server, orders } = exchange();
    const client = connect(server);
    await pass(10);
    server.prompt = false;
    const all = Array.from({ length: 20 }, () => watch(client.placeOrder(ORDER)));
    await pass(10);
    expect(orders().length).toBe(8);
    const [old] = server.connections;
    old?.tell({ type: "ServerShutdown", data: { deadline_ts: 1, reason: "restart" } });
    server.prompt = true;
    await pass(1000);
    expect([server.connections.length, old?.open]).toEqual([2, false]);
    expect(all.map(({ outcome }) => outcome)).toEqual(Array(20).fill("answered"));
    expect(new Set(orders().map(({ client_order_id }) => client_order_id)).size).toBe(20);
    await close(client);
  });

  it("offline - orders are good for maxOrderAgeMs, by the clock of the server they go to", async () => {
    const { server, asked, orders } = exchange();
    server.aheadMs = 3_600_000;
    const client = connect(server, { maxOrderAgeMs: 1500 });
    await pass(10);
    const until = (ms: number): number => (Date.now() + server.aheadMs + ms) * 1000;
    const dates = (): unknown[] => orders().map(({ valid_until_ts }) => valid_until_ts);
    const near = (ts: unknown, wanted: number): void => {
      // The clock of the server is known as of when its greeting came, a millisecond late.
      expect(Math.abs((ts as number) - wanted)).toBeLessThanOrEqual(2000);
      expect(Number.isInteger(ts)).toBe(true);
    };
    const wanted = until(1500);
    const placing = [
      client.placeOrder(ORDER),
      client.placeOrders([ORDER, { ...ORDER, valid_until_ts: 77 }]),
      client.validateOrder(ORDER),
      client.amendOrder({ order_id: "1", quantity: 2 }),
    ];
    await pass(100);
    await Promise.all(placing);
    expect(dates().length).toBe(4);
    const [first, second, own, validated] = dates();
    for (const ts of [first, second, validated]) near(ts, wanted);
    expect(own).toBe(77);
    expect(asked().at(-1)).toMatchObject({ type: "AmendOrder", data: { order_id: "1" } });
    expect(JSON.stringify(asked().at(-1))).not.toContain("valid_until_ts");
    await close(client);
  });

  it("offline - an order keeps its age over connections, and to servers whose clocks differ", async () => {
    let silent = true;
    const { server, orders } = exchange((message) => (silent ? undefined : answer(message)));
    server.refusing = true;
    const client = connect(server, { maxOrderAgeMs: 60_000, offline: "queue" });
    const askedAt = Date.now();
    const order = watch(client.placeOrder(ORDER, { timeoutMs: 60_000 }));
    await pass(4000);
    server.refusing = false;
    await pass(10_000);
    silent = false;
    server.aheadMs = -7_200_000;
    server.connection?.end(1012);
    await pass(10_000);
    expect(order.outcome).toBe("answered");
    const [first, again] = orders().map(({ valid_until_ts = 0 }) => valid_until_ts / 1000);
    expect(orders().length).toBe(2);
    expect(Math.abs((first as number) - askedAt - 60_000)).toBeLessThanOrEqual(2);
    expect(Math.abs((again as number) - askedAt - 60_000 + 7_200_000)).toBeLessThanOrEqual(2);
    await close(client);
  });

  it("offline - the server's clock is followed by pings", async () => {
    const pong = (message: ClientMessage): ServerMessage => {
      if (message.type !== "Ping") return answer(message);
      const data = { ...message.data, server_time: Date.now() + server.aheadMs };
      return { id: message.id as number, type: "Pong", data };
    };
    const { server, orders } = exchange(pong);
    const client = connect(server, { maxOrderAgeMs: 1000, pingIntervalMs: 15_000 });
    await pass(10);
    server.aheadMs = 30_000;
    await pass(15_100);
    const placing = client.placeOrder(ORDER);
    await pass(100);
    await placing;
    const late = (orders()[0]?.valid_until_ts ?? 0) / 1000 - Date.now() - 30_900;
    expect(Math.abs(late)).toBeLessThanOrEqual(2);
    await close(client);
  });
});

describe("offline, on an exchange", () => {
  let server: ServerProcess;
  let proxy: FrameProxy;
  beforeAll(async () => {
    server = await startServerProcess({ feed: "exchange", "sim-traders": 0, shards: 1 });
    proxy = await FrameProxy.start(server.port);
  });
  afterEach(async () => {
    await closeClients();
    proxy.rules = {};
    proxy.refusing = false;
    proxy.requests.length = 0;
  });
  afterAll(() => Promise.all([proxy.close(), server.dispose()]));

  const trader = (wallet: string, options: Partial<ClientOptions>) =>
    newClient(proxy.url, { token: () => testToken({ sub: wallet, wallet }), ...options });

  it("offline - an order made without a connection is refused, and not placed when there is one", async () => {
    const client = trader("rejecting", {});
    await client.ready();
    proxy.refusing = true;
    proxy.cut();
    await nextEvent(client, "state", ({ status }) => status === "reconnecting");
    await expect(client.placeOrder(ORDER)).rejects.toMatchObject(NOT_CONNECTED);
    proxy.refusing = false;
    await client.ready();
    for await (const order of client.history.orders()) expect(order).toBe("none");
    expect((await client.placeOrder(ORDER)).order.status).toBe("Open");
  });

  it.each(ENCODINGS)(
    "offline - one that waited for too long is refused as expired, and one that stands is answered, in %s",
    async (encoding) => {
      const options = { encoding, offline: "queue", maxOrderAgeMs: 300 } as const;
      const client = trader(`aging-${encoding}`, options);
      await client.ready();
      // The first is taken, and its answer does not come before it is too old.
      proxy.rules.cutAfterClient = ({ type }) => {
        if (type !== "PlaceOrder") return false;
        proxy.refusing = true;
        proxy.rules = {};
        return true;
      };
      const stands = client.placeOrder({ ...ORDER, client_order_id: "stands" });
      await nextEvent(client, "state", ({ status }) => status === "reconnecting");
      const late = client.placeOrder({ ...ORDER, client_order_id: "late" });
      const refused = expect(late).rejects.toMatchObject({
        code: "ORDER_REJECTED",
        details: { rule: "expired", field: "valid_until_ts" },
      });
      const madeAt = performance.now();
      while (performance.now() - madeAt < 400)
        await nextEvent(client, "state", ({ status }) => status === "reconnecting");
      proxy.refusing = false;
      await refused;
      expect(await stands).toMatchObject({
        duplicate: true,
        order: { client_order_id: "stands", status: "Open" },
      });
      const ids: unknown[] = [];
      for await (const { client_order_id } of client.history.orders()) ids.push(client_order_id);
      expect(ids).toEqual(["stands"]);
      const inTime = { ...ORDER, client_order_id: "in-time" };
      expect((await client.placeOrder(inTime)).order.status).toBe("Open");
    },
  );
});
