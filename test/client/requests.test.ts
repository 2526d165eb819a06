import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  ClientClosedError,
  RequestTimeoutError,
  ServerError,
  TooManyRequestsError,
} from "../../src/client/errors.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1 });
  proxy = await FrameProxy.start(server.port);
});
afterEach(async () => {
  await closeClients();
  proxy.rules = {};
  proxy.requests.length = 0;
  proxy.refusing = false;
});
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

/** What a promise rejects with; fails where it resolves. */
function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => Promise.reject(new Error(`resolved with ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );
}

/** Keeps this thread, and with it the proxy, until the time of a request just made is up. */
function letTimeOut(): void {
  for (const until = performance.now() + 5; performance.now() < until; );
}

const PRICE_1001 = [{ type: "PriceFeed", params: { market_ids: [1001] } }] as const;

describe.each(ENCODINGS)("requests, %s", (encoding) => {
  it(`requests - subscribe resolves with the server's spelling, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    const { channels } = await client.subscribe([
      { type: "PriceFeed", params: { market_ids: ["1002", 1001, 1002] } },
      { type: "Markets", params: { filter: { status: "Active", search: "RAIN" } } },
      { type: "Trades" },
    ]);
    const canonical = [
      { type: "PriceFeed", params: { market_ids: [1001, 1002] } },
      { type: "Markets", params: { filter: { status: ["Active"], search: "rain" } } },
      { type: "Trades", params: null },
    ];
    expect(channels).toEqual(canonical);
    expect(client.subscriptions).toEqual(expect.arrayContaining(canonical));
    expect(client.subscriptions.length).toBe(3);
  });

  it(`requests - an error has the server's code and details, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    const error = await rejection(
      client.subscribe([...PRICE_1001, { type: "Market", params: { market_id: 7 } }]),
    );
    expect(error).toBeInstanceOf(ServerError);
    expect(error).toMatchObject({
      name: "ServerError",
      code: "MARKET_NOT_FOUND",
      message: "no market has the id 7",
      details: { field: "market_id" },
    });
    expect(client.subscriptions).toEqual([]);
    await expect(
      client.placeOrder({
        market_id: 7,
        side: "Buy",
        order_type: "Limit",
        price: 1,
        quantity: 1,
      }),
    ).rejects.toMatchObject({ code: "TRADING_DISABLED" });
    await expect(client.cancelOrder({ order_id: "7" })).rejects.toMatchObject({
      code: "TRADING_DISABLED",
    });
  });

  it(`requests - what no server takes is refused, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    const field = "data.channels.0.params.market_id";
    const subscribing = client.subscribe([{ type: "Market", params: { market_id: -1 } }]);
    // Protocol Buffers have no place for it: the client itself refuses it.
    if (encoding === "protobuf") await expect(subscribing).rejects.toThrow(field);
    else
      await expect(subscribing).rejects.toMatchObject({
        code: "INVALID_MESSAGE",
        details: { field },
      });
    await expect(client.subscribe([])).rejects.toMatchObject({ code: "INVALID_MESSAGE" });
  });

  it(`requests - ping measures the round trip, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    const rttMs = await client.ping();
    expect(rttMs).toBeGreaterThan(0);
    expect(rttMs).toBeLessThan(5000);
    expect(client.stats.rttMs).toBe(rttMs);
  });

  it(`requests - unsubscribe ends the data, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    await client.subscribe([{ type: "PriceFeed", params: { market_ids: [1001, 1002] } }]);
    const ended = await client.unsubscribe(PRICE_1001);
    expect(ended).toEqual({ channels: PRICE_1001 });
    const left = [{ type: "PriceFeed", params: { market_ids: [1002] } }];
    expect(client.subscriptions).toEqual(left);
    const markets = new Set<unknown>();
    client.on("PriceUpdate", ({ market_id }) => markets.add(market_id));
    await nextEvent(client, "PriceUpdate");
    await client.ping();
    expect([...markets]).toEqual([1002]);
  });
});

describe("requests", () => {
  it("requests - one that the server does not answer times out, and may have taken effect", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    const client = newClient(proxy.url);
    const error = await rejection(client.ping({ timeoutMs: 100 }));
    expect(error).toBeInstanceOf(RequestTimeoutError);
    expect(error).toMatchObject({ code: "REQUEST_TIMEOUT", sent: true });
    expect((error as RequestTimeoutError).cause).toBeUndefined();
  });

  it("requests - one that finds no connection times out, unsent, and says why", async () => {
    proxy.refusing = true;
    const client = newClient(proxy.url);
    await nextEvent(client, "state", ({ status }) => status === "reconnecting");
    const error = await rejection(client.subscribe(PRICE_1001, { timeoutMs: 100 }));
    expect(error).toMatchObject({
      code: "REQUEST_TIMEOUT",
      sent: false,
      cause: { code: "DISCONNECTED", closeCode: 1006 },
    });
    proxy.refusing = false;
    await client.ping();
    expect(client.subscriptions).toEqual([]);
    expect(proxy.requests.map(({ type }) => type)).toEqual(["Ping"]);
  });

  it("requests - a signal ends the waiting with its reason, before and after the sending", async () => {
    const client = newClient(proxy.url);
    const aborted = AbortSignal.abort(new Error("too late"));
    expect(await rejection(client.ping({ signal: aborted }))).toBe(aborted.reason);
    await client.ready();

    const controller = new AbortController();
    const subscribing = client.subscribe(PRICE_1001, { signal: controller.signal });
    controller.abort(new Error("changed my mind"));
    expect(await rejection(subscribing)).toBe(controller.signal.reason);
    // The server took it: the client undoes that.
    await nextEvent(client, "Unsubscribed");
    expect(client.subscriptions).toEqual([]);
    expect(proxy.requests.map(({ type }) => type)).toEqual(["Ping", "Subscribe", "Unsubscribe"]);
  });

  it.each(["aborted", "timed out"])(
    "requests - a subscription that was %s and is repeated holds, whatever its first answer does",
    async (how) => {
      const client = newClient(proxy.url);
      await client.ready();
      const controller = new AbortController();
      const options = how === "aborted" ? { signal: controller.signal } : { timeoutMs: 0 };
      const first = rejection(client.subscribe(PRICE_1001, options));
      controller.abort();
      letTimeOut();
      await first;
      await client.subscribe(PRICE_1001);
      await client.ping();
      await client.ping();
      expect(client.subscriptions).toEqual(PRICE_1001);
      const types = proxy.requests.map(({ type }) => type);
      expect(types.filter((type) => type === "Subscribe").length).toBe(2);
      expect(types).not.toContain("Unsubscribe");
      await nextEvent(client, "PriceUpdate");
    },
  );

  it("requests - an unsubscribe that was given up is carried out, and one refused from the start is not", async () => {
    const client = newClient(proxy.url, { maxPendingRequests: 2 });
    await client.subscribe(PRICE_1001);
    await rejection(client.unsubscribe(PRICE_1001, { signal: AbortSignal.abort() }));
    const waiting = Promise.all([client.ping(), client.ping()]);
    expect(await rejection(client.unsubscribe(PRICE_1001))).toMatchObject({
      code: "TOO_MANY_REQUESTS",
    });
    await waiting;
    expect(client.subscriptions).toEqual(PRICE_1001);
    await nextEvent(client, "PriceUpdate");

    const givenUp = rejection(client.unsubscribe(PRICE_1001, { timeoutMs: 0 }));
    letTimeOut();
    await givenUp;
    expect(client.subscriptions).toEqual([]);
    await client.ping();
    const late: unknown[] = [];
    client.on("PriceUpdate", (update) => late.push(update));
    for (let pings = 0; pings < 5; pings++) await client.ping();
    expect(late).toEqual([]);
  });

  it("requests - an abandoned subscription leaves alone what is subscribed otherwise", async () => {
    const client = newClient(proxy.url);
    await client.subscribe(PRICE_1001);
    const controller = new AbortController();
    const { signal } = controller;
    const both = [{ type: "PriceFeed", params: { market_ids: [1001, 1002] } }] as const;
    const subscribing = rejection(client.subscribe(both, { signal }));
    controller.abort();
    await Promise.all([
      expect(subscribing).resolves.toBe(signal.reason),
      nextEvent(client, "Unsubscribed", ({ channels }) => {
        expect(channels).toEqual([{ type: "PriceFeed", params: { market_ids: [1002] } }]);
        return true;
      }),
    ]);
    expect(client.subscriptions).toEqual(PRICE_1001);
  });

  it("requests - their number is bounded", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    const client = newClient(proxy.url, { maxPendingRequests: 3 });
    const waiting = [1, 2, 3].map(() => client.ping({ timeoutMs: 300 }));
    const outcomes = Promise.allSettled(waiting);
    const error = await rejection(client.ping());
    expect(error).toBeInstanceOf(TooManyRequestsError);
    expect(error).toMatchObject({ code: "TOO_MANY_REQUESTS" });
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
  });

  it("requests - close rejects what waits and all that comes after it", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    const client = newClient(proxy.url);
    await nextEvent(client, "state");
    const waiting = rejection(client.ping());
    await until("the ping is sent", () => proxy.requests.length === 1);
    await client.close();
    expect(await waiting).toBeInstanceOf(ClientClosedError);
    expect(await waiting).toMatchObject({ code: "CLIENT_CLOSED", closeCode: 1000, sent: true });
    for (const late of [
      client.ping(),
      client.subscribe(PRICE_1001),
      client.unsubscribe(PRICE_1001),
      client.ready(),
    ]) {
      expect(await rejection(late)).toMatchObject({ code: "CLIENT_CLOSED", sent: false });
    }
    expect(client.state).toEqual({
      status: "closed",
      code: 1000,
      reason: "",
      cause: undefined,
    });
  });

  it("requests - a value that cannot be encoded rejects its own request only", async () => {
    const client = newClient(server.port);
    await client.ready();
    const market_ids = [1001n as unknown as number];
    expect(
      await rejection(client.subscribe([{ type: "Trades", params: { market_id: {} as never } }])),
    ).toMatchObject({ code: "INVALID_MESSAGE" });
    const order_id = 7n as unknown as string;
    expect(await rejection(client.cancelOrder({ order_id }))).toBeInstanceOf(TypeError);
    expect(
      (await client.subscribe([{ type: "PriceFeed", params: { market_ids } }])).channels,
    ).toEqual(PRICE_1001);
  });
});
