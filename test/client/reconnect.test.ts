import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { Subscriptions } from "../../src/client/subscriptions.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Channel } from "../../src/contract/messages.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const CHANNELS: readonly Channel[] = [
  { type: "Markets", params: { filter: { status: ["Active"] } } },
  { type: "Market", params: { market_id: 1001 } },
  { type: "PriceFeed", params: { market_ids: [1001, 1002, 1003] } },
  { type: "Trades", params: null },
];
const inOrder = (channels: readonly Channel[]): Channel[] =>
  [...channels].sort((a, b) => a.type.localeCompare(b.type));

afterEach(closeClients);

describe.each(ENCODINGS)("reconnect, %s", (encoding) => {
  it(`reconnect - through a kill and a restart of the server, in ${encoding}`, async () => {
    const flags = { feed: "synthetic", shards: 1, "feed-rate": 2000 };
    let server = await startServerProcess(flags);
    try {
      const client = newClient(server.port, { encoding });
      const states = collect(client, "state");
      const gaps = collect(client, "gap");
      await client.subscribe(CHANNELS);
      await nextEvent(client, "TradeExecution");
      const { port } = server;
      const epoch = nextEvent(client, "epoch");
      const resubscribed = nextEvent(client, "resubscribed");
      await server.dispose();
      server = await startServerProcess({ ...flags, port });

      const { channels, downtimeMs } = await resubscribed;
      expect(inOrder(channels)).toEqual(inOrder(CHANNELS));
      expect(downtimeMs).toBeGreaterThan(0);
      const { epoch: now, previous } = await epoch;
      expect(now).not.toBe(previous);
      await Promise.all([nextEvent(client, "PriceUpdate"), nextEvent(client, "TradeExecution")]);
      // Another epoch starts its numbers anew: there is nothing to miss between the two.
      expect(gaps).toEqual([]);
      expect(client.stats.reconnects).toBe(1);
      const statuses = states.map(({ status }) => status);
      expect(statuses[0]).toBe("open");
      expect(statuses.at(-1)).toBe("open");
      expect(new Set(statuses.slice(1, -1))).toEqual(new Set(["reconnecting"]));
      const attempts = states.flatMap((state) =>
        state.status === "reconnecting" ? [state.attempt] : [],
      );
      expect(attempts).toEqual(attempts.map((_, index) => index + 1));
    } finally {
      await server.dispose();
    }
  });
});

describe("reconnect", () => {
  let server: ServerProcess;
  let proxy: FrameProxy;
  beforeAll(async () => {
    const flags = { feed: "synthetic", shards: 2, "feed-rate": 2000, "market-interval": 100 };
    server = await startServerProcess(flags, { threadEnds: true });
    proxy = await FrameProxy.start(server.port);
  });
  afterEach(() => {
    proxy.rules = {};
    proxy.requests.length = 0;
    proxy.refusing = false;
  });
  afterAll(() => Promise.all([proxy.close(), server.dispose()]));

  it("reconnect - through a shard's crash, within the epoch, with nothing missed", async () => {
    const client = newClient(server.port);
    const epochs = collect(client, "epoch");
    const gaps = collect(client, "gap");
    await client.subscribe(CHANNELS);
    await nextEvent(client, "TradeExecution");
    const lost = nextEvent(client, "state", ({ status }) => status === "reconnecting");
    const back = nextEvent(client, "resubscribed");
    server.command({ restartShard: 0 });
    server.command({ restartShard: 1 });
    await Promise.all([lost, back]);
    for (const type of ["TradeExecution", "PriceUpdate"] as const) await nextEvent(client, type);
    // On a busy machine the server may conflate.
    expect(gaps.filter(({ kind }) => kind !== "conflated")).toEqual([]);
    expect(epochs).toEqual([]);
  });

  it("reconnect - a subscription in flight is asked for again", async () => {
    proxy.rules.cutAfterClient = ({ type }) => type === "Subscribe" && proxy.upgrades.length === 1;
    proxy.upgrades.length = 0;
    const client = newClient(proxy.url);
    const { channels } = await client.subscribe(CHANNELS);
    expect(inOrder(channels)).toEqual(inOrder(CHANNELS));
    expect(proxy.requests.map(({ type }) => type)).toEqual(["Subscribe", "Subscribe"]);
    expect(client.stats.reconnects).toBe(1);
  });

  it("reconnect - what is unsubscribed meanwhile stays so, and is done at once", async () => {
    const client = newClient(proxy.url);
    await client.subscribe(CHANNELS);
    proxy.refusing = true;
    const lost = nextEvent(client, "state", ({ status }) => status === "reconnecting");
    proxy.cut();
    await lost;
    const [all, one] = CHANNELS as [Channel, Channel];
    const feed = { type: "PriceFeed", params: { market_ids: ["1002"] } } as const;
    // In another spelling than the server's.
    await client.unsubscribe([
      { type: "Markets", params: { filter: { status: "Active" } } },
      one,
      feed,
    ]);
    expect(all.type).toBe("Markets");
    const left = [
      { type: "PriceFeed", params: { market_ids: [1001, 1003] } },
      { type: "Trades", params: null },
    ];
    expect(inOrder(client.subscriptions)).toEqual(left);
    const resubscribed = nextEvent(client, "resubscribed");
    proxy.refusing = false;
    expect(inOrder((await resubscribed).channels)).toEqual(left);
    const last = proxy.requests.filter(({ type }) => type === "Subscribe").at(-1);
    const asked = last?.type === "Subscribe" ? last.data.channels : [];
    // From where each stands, so that prices may be asked for in parts.
    expect(new Subscriptions(asked).without(left as readonly Channel[])).toEqual([]);
    expect(new Subscriptions(left as readonly Channel[]).without(asked)).toEqual([]);
    expect(proxy.requests.map(({ type }) => type)).not.toContain("Unsubscribe");
  });

  it("reconnect - subscribe and unsubscribe, both in flight, end unsubscribed", async () => {
    const client = newClient(proxy.url);
    await client.ready();
    const cut = proxy.upgrades.length;
    proxy.rules.dropFromServer = ({ type }) =>
      type === "Subscribed" && proxy.upgrades.length === cut;
    proxy.rules.cutAfterClient = ({ type }) =>
      type === "Unsubscribe" && proxy.upgrades.length === cut;
    const channels = CHANNELS.slice(0, 1);
    await Promise.all([client.subscribe(channels), client.unsubscribe(channels)]);
    expect(client.subscriptions).toEqual([]);
    expect(client.stats.reconnects).toBe(1);
  });

  it("reconnect - an order in flight is sent again under the same client_order_id", async () => {
    const client = newClient(proxy.url);
    await client.ready();
    const cut = proxy.upgrades.length;
    proxy.rules.cutAfterClient = ({ type }) =>
      type === "PlaceOrder" && proxy.upgrades.length === cut;
    const order = { market_id: 1001, side: "Buy", order_type: "Market", quantity: 1 } as const;
    await expect(client.placeOrder(order)).rejects.toMatchObject({ code: "TRADING_DISABLED" });
    const sent = proxy.requests.flatMap((one) =>
      one.type === "PlaceOrder" ? [one.data.order] : [],
    );
    expect(sent.length).toBe(2);
    expect(sent[0]).toEqual(sent[1]);
    expect(sent[0]?.client_order_id).toMatch(/^[0-9a-f]{32}$/);
    expect(sent[0]).toMatchObject(order);

    await expect(client.placeOrder({ ...order, client_order_id: "mine" })).rejects.toMatchObject({
      code: "TRADING_DISABLED",
    });
    expect(proxy.requests.at(-1)).toMatchObject({ data: { order: { client_order_id: "mine" } } });
  });

  it("reconnect - a market that is gone is lost alone, and the rest is subscribed again", async () => {
    const small = await startServerProcess({ feed: "synthetic", "feed-markets": 2, shards: 1 });
    try {
      const client = newClient(proxy.url);
      await client.subscribe(CHANNELS);
      const lost = collect(client, "subscriptionLost");
      const back = nextEvent(client, "resubscribed");
      proxy.targetPort = small.port;
      proxy.cut();
      await back;
      const gone = { type: "PriceFeed", params: { market_ids: [1003] } };
      expect(lost.map(({ channels }) => channels)).toEqual([[gone]]);
      expect(lost[0]?.cause.code).toBe("MARKET_NOT_FOUND");
      expect(inOrder(client.subscriptions)).toEqual(
        inOrder([
          ...CHANNELS.filter(({ type }) => type !== "PriceFeed"),
          { type: "PriceFeed", params: { market_ids: [1001, 1002] } },
        ]),
      );
      await until("only the markets of this server are left", () => client.markets.size === 2);
      await nextEvent(client, "PriceUpdate");
    } finally {
      proxy.targetPort = server.port;
      await small.dispose();
    }
  });

  it("reconnect - without autoReconnect the first loss closes the client", async () => {
    const client = newClient(proxy.url, { autoReconnect: false });
    await client.ready();
    const closed = nextEvent(client, "state");
    proxy.cut();
    const state = await closed;
    expect(state).toMatchObject({ status: "closed", code: 1006, cause: { code: "DISCONNECTED" } });
    await expect(client.ping()).rejects.toMatchObject({ code: "CLIENT_CLOSED", closeCode: 1006 });
  });

  it("reconnect - close is final, whenever it comes", async () => {
    const connecting = newClient(proxy.url);
    await connecting.close();
    expect(connecting.state.status).toBe("closed");

    proxy.refusing = true;
    const waiting = newClient(proxy.url, { reconnectIntervalMs: 60_000 });
    await nextEvent(waiting, "state", ({ status }) => status === "reconnecting");
    await waiting.close();
    proxy.refusing = false;

    const open = newClient(proxy.url);
    await open.ready();
    const upgrades = proxy.upgrades.length;
    await open.close();
    await until("its connection is gone", () => proxy.connections === 0);
    expect(open.state).toMatchObject({ status: "closed", code: 1000, cause: undefined });
    expect(proxy.upgrades.length).toBe(upgrades);
  });

  it("reconnect - a draining server (1012) is one to come back to", async () => {
    const draining = await startServerProcess({ feed: "synthetic", shards: 1 });
    const client = newClient(draining.port);
    await client.ready();
    const notification = nextEvent(client, "Notification");
    const lost = nextEvent(client, "state");
    await draining.stop();
    expect((await notification).message).toMatch(/./);
    expect(await lost).toMatchObject({ status: "reconnecting", cause: { closeCode: 1012 } });
    await draining.dispose();
  });
});

describe("reconnect, by close code and HTTP status", () => {
  /** A server that greets each connection, closes it with `code`, and counts them. */
  async function closingServer(code: number): Promise<{ port: number; stop(): Promise<void> }> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (ws) => ws.close(code, "as told"));
    return {
      port: (server.address() as AddressInfo).port,
      stop: async () => {
        server.close();
        await once(server, "close");
      },
    };
  }

  it.each([1000, 1001, 1003, 1007, 1008, 1009, 4500, 4501, 4999])(
    "reconnect - %d is final",
    async (code) => {
      const server = await closingServer(code);
      const client = newClient(server.port);
      const state = await nextEvent(client, "state");
      expect(state).toMatchObject({ status: "closed", code, cause: { closeCode: code } });
      await client.close();
      await server.stop();
    },
  );

  it.each([1011, 1012, 1013, 4000, 4001, 4002, 4499])(
    "reconnect - %d invites another attempt",
    async (code) => {
      const server = await closingServer(code);
      const client = newClient(server.port);
      const second = await nextEvent(
        client,
        "state",
        (state) => state.status === "reconnecting" && state.attempt === 2,
      );
      expect(second).toMatchObject({ cause: { code: "DISCONNECTED", closeCode: code } });
      await client.close();
      await server.stop();
    },
  );

  /** A server that refuses every upgrade. */
  async function refusingServer(
    status: number,
    headers: Record<string, string> = {},
  ): Promise<{ port: number; stop(): Promise<void> }> {
    const server = createServer((_, response) => {
      response.writeHead(status, headers).end("no room\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      port: (server.address() as AddressInfo).port,
      stop: async () => {
        server.close();
        server.closeAllConnections();
        await once(server, "close");
      },
    };
  }

  it.each([400, 401, 403, 404, 426])("reconnect - HTTP %d is final", async (status) => {
    const server = await refusingServer(status);
    const client = newClient(server.port);
    expect(await nextEvent(client, "state")).toMatchObject({
      status: "closed",
      code: 1006,
      reason: `the server answered ${status}: no room`,
      cause: { name: "HandshakeError", code: "HANDSHAKE_REFUSED", status },
    });
    await expect(client.ready()).rejects.toMatchObject({
      code: "CLIENT_CLOSED",
      cause: { status },
    });
    await server.stop();
  });

  it.each([429, 500, 503])("reconnect - HTTP %d passes, after Retry-After", async (status) => {
    const server = await refusingServer(status, { "Retry-After": "7" });
    const options = { reconnectIntervalMs: 10, maxReconnectIntervalMs: 60_000 };
    const client = newClient(server.port, options);
    const before = Date.now();
    const state = await nextEvent(client, "state");
    expect(state).toMatchObject({
      status: "reconnecting",
      attempt: 1,
      cause: { code: "HANDSHAKE_REFUSED", status, retryAfterMs: 7000 },
    });
    const waitMs = state.status === "reconnecting" ? state.attemptAt - before : 0;
    expect(waitMs).toBeGreaterThanOrEqual(7000);
    await client.close();
    await server.stop();
  });

  it("reconnect - a full server's 503 is read and waited for", async () => {
    const server = await startServerProcess({
      feed: "synthetic",
      shards: 1,
      "max-connections": 1,
    });
    const first = newClient(server.port);
    await first.ready();
    const second = newClient(server.port);
    expect(await nextEvent(second, "state")).toMatchObject({
      status: "reconnecting",
      cause: { status: 503, retryAfterMs: 5000 },
    });
    await first.close();
    // Retry-After is bounded by maxReconnectIntervalMs.
    await second.ready();
    await second.close();
    await server.dispose();
  });
});
