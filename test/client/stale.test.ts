import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const STALE_AFTER_MS = 400;
const PRICES = { type: "PriceFeed", params: { market_ids: [1001, 1002] } } as const;
const QUICK = { staleAfterMs: STALE_AFTER_MS };

/** One whose feed never rests, for all tests, and one whose feed a test is. */
let busy: ServerProcess;
let fed: ServerProcess | undefined;
let proxy: FrameProxy;
beforeAll(async () => {
  busy = await startServerProcess({ feed: "synthetic", shards: 1, "feed-rate": 1000 });
});
afterEach(async () => {
  await closeClients();
  await Promise.all([proxy.close(), fed?.dispose()]);
  fed = undefined;
});
afterAll(() => busy.dispose());

async function startBusy(): Promise<void> {
  proxy = await FrameProxy.start(busy.port);
}

async function startFed(): Promise<ServerProcess> {
  fed = await startServerProcess({ feed: "stdin", shards: 1 }, { stdin: "pipe" });
  proxy = await FrameProxy.start(fed.port);
  return fed;
}

describe("stale", () => {
  it("stale - without a listener nothing is asked of the server, with one a heartbeat is", async () => {
    await startBusy();
    const client = newClient(proxy.url, QUICK);
    await client.subscribe([PRICES]);
    await client.ping();
    expect(client.subscriptions).toEqual([PRICES]);
    const beat = nextEvent(client, "Heartbeat");
    client.on("stale", () => {});
    expect(await beat).toMatchObject({ conflated: 0 });
    client.once("fresh", () => {});
    await client.ping();
    expect(proxy.requests.filter(({ type }) => type === "Subscribe")).toHaveLength(2);
    expect(client.subscriptions).toContainEqual({
      type: "Heartbeat",
      params: { interval_ms: 100 },
    });
  });

  it("stale - a way on which heartbeats stay out is told, and all of it subscribed again", async () => {
    await startBusy();
    const client = newClient(proxy.url, QUICK);
    const states = collect(client, "state");
    const told = collect(client, "stale");
    await client.subscribe([PRICES]);
    await nextEvent(client, "Heartbeat");
    proxy.requests.length = 0;
    proxy.rules.dropFromServer = ({ type }) => type === "Heartbeat";
    const stale = await nextEvent(client, "stale");
    expect(stale).toMatchObject({ channels: [PRICES], cause: "connection" });
    expect(stale.ageMs).toBeGreaterThanOrEqual(STALE_AFTER_MS);
    await until("a second subscription", () =>
      proxy.requests.some(({ type }) => type === "Subscribe"),
    );
    const fresh = nextEvent(client, "fresh");
    proxy.rules = {};
    expect(await fresh).toMatchObject({ cause: "connection" });
    expect(told).toHaveLength(1);
    expect(states.map(({ status }) => status)).toEqual(["open"]);
  });

  it("stale - a feed that tells nothing is told, until it does", async () => {
    const server = await startFed();
    const quote = (cents: number) =>
      server.feed({
        type: "quote",
        market_id: 7,
        best_bid: cents / 100,
        best_ask: cents / 100 + 1,
      });
    server.feed({ type: "market", market_id: 7, title: "Piped", tick_size: 0.01, lot_size: 1 });
    const client = newClient(proxy.url, QUICK);
    const told = nextEvent(client, "stale");
    await client.subscribe([{ type: "Trades" }]);
    const stale = await told;
    expect(stale).toMatchObject({ channels: [{ type: "Trades", params: null }], cause: "feed" });
    expect(stale.ageMs).toBeGreaterThan(STALE_AFTER_MS);
    const fresh = nextEvent(client, "fresh");
    quote(1);
    expect(await fresh).toMatchObject({ cause: "feed" });
  });

  it("stale - a connection that ends is told like one that stalls, and a new one is fresh", async () => {
    await startBusy();
    const client = newClient(proxy.url, QUICK);
    const told = nextEvent(client, "stale");
    await client.subscribe([PRICES]);
    await nextEvent(client, "Heartbeat");
    proxy.refusing = true;
    proxy.cut();
    expect(await told).toMatchObject({ cause: "connection" });
    expect(client.state.status).toBe("reconnecting");
    const fresh = nextEvent(client, "fresh");
    proxy.refusing = false;
    await fresh;
  });

  it("stale - heartbeats that the program has subscribed are taken, whatever their interval", async () => {
    await startBusy();
    const client = newClient(proxy.url, { staleAfterMs: 100 });
    await client.subscribe([PRICES, { type: "Heartbeat", params: { interval_ms: 500 } }]);
    const told = collect(client, "stale");
    for (let beats = 0; beats < 3; beats++) await nextEvent(client, "Heartbeat");
    expect(told).toEqual([]);
    expect(proxy.requests.filter(({ type }) => type === "Subscribe")).toHaveLength(1);
    await client.subscribe([{ type: "Heartbeat", params: { interval_ms: 100 } }]);
    expect(client.subscriptions.filter(({ type }) => type === "Heartbeat")).toEqual([
      { type: "Heartbeat", params: { interval_ms: 100 } },
    ]);
  });

  it("stale - of no market data, and never where it is turned off", async () => {
    await startFed();
    const client = newClient(proxy.url, QUICK);
    const told = collect(client, "stale");
    await nextEvent(client, "Heartbeat", ({ feed_age_ms }) => feed_age_ms > 2 * STALE_AFTER_MS);
    expect(told).toEqual([]);
    const off = newClient(proxy.url, { staleAfterMs: 0 });
    off.on("stale", () => {});
    await off.ping();
    expect(off.subscriptions).toEqual([]);
  });
});
