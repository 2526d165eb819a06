import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Subscriptions } from "../../src/client/subscriptions.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1, "feed-rate": 5000 });
  proxy = await FrameProxy.start(server.port);
});
beforeEach(() => {
  proxy.rules = {};
  proxy.requests.length = 0;
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

const PRICES = { type: "PriceFeed", params: { market_ids: [1001, 1002] } } as const;

describe("silence", () => {
  it("silence - a channel that falls silent while pings work is told and subscribed again", async () => {
    const client = newClient(proxy.url, { silenceTimeoutMs: 200 });
    const states = collect(client, "state");
    await client.subscribe([PRICES, { type: "Trades" }]);
    await nextEvent(client, "PriceUpdate");
    proxy.requests.length = 0;
    proxy.rules.dropFromServer = ({ type }) => type === "PriceUpdate";
    const silence = await nextEvent(client, "silent");
    expect(silence.channel).toBe("PriceFeed");
    expect(silence.silentMs).toBeGreaterThanOrEqual(200);
    proxy.rules = {};
    await nextEvent(client, "Subscribed");
    await nextEvent(client, "PriceUpdate");
    const again = proxy.requests.find(({ type }) => type === "Subscribe");
    const asked = again?.type === "Subscribe" ? again.data.channels : [];
    expect(new Subscriptions(asked).list()).toEqual([PRICES]);
    expect(states.map(({ status }) => status)).toEqual(["open"]);
  });

  it("silence - one that never had data, or is not subscribed any more, is not told", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "TradeExecution";
    const client = newClient(proxy.url, { silenceTimeoutMs: 100 });
    const silences = collect(client, "silent");
    await client.subscribe([{ type: "Trades" }, PRICES, { type: "SystemStatus" }]);
    await client.unsubscribe([PRICES]);
    // SystemStatus had its first data and no further ones: it is told, and nothing else is.
    await nextEvent(client, "silent");
    await nextEvent(client, "silent");
    expect(new Set(silences.map(({ channel }) => channel))).toEqual(new Set(["SystemStatus"]));
  });

  it("silence - a connection that is dead altogether is left, and made anew", async () => {
    const client = newClient(proxy.url, { pingIntervalMs: 50, pongTimeoutMs: 100 });
    await client.subscribe([PRICES]);
    proxy.rules.dropFromServer = () => true;
    const lost = nextEvent(client, "state");
    expect(await lost).toMatchObject({
      status: "reconnecting",
      cause: { code: "DISCONNECTED", message: "no answer to a ping" },
    });
    const back = nextEvent(client, "resubscribed");
    proxy.rules = {};
    await back;
  });

  it("silence - data without an answer to the ping is a sign of life", async () => {
    const client = newClient(proxy.url, { pingIntervalMs: 20, pongTimeoutMs: 60 });
    const states = collect(client, "state");
    await client.subscribe([PRICES]);
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    proxy.requests.length = 0;
    while (proxy.requests.length < 5) await nextEvent(client, "PriceUpdate");
    expect(states.map(({ status }) => status)).toEqual(["open"]);
  });

  it("silence - a server that never greets is left after the connect timeout", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "Connected";
    const client = newClient(proxy.url, { connectTimeoutMs: 100 });
    expect(await nextEvent(client, "state")).toMatchObject({
      status: "reconnecting",
      cause: { message: "no connection within 100 ms" },
    });
    proxy.rules = {};
    await client.ready();
  });
});
