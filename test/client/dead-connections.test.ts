import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
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

describe("dead connections", () => {
  it("dead connections - a connection that is dead altogether is left, and made anew", async () => {
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

  it("dead connections - data without an answer to the ping is a sign of life", async () => {
    const client = newClient(proxy.url, { pingIntervalMs: 20, pongTimeoutMs: 60 });
    const states = collect(client, "state");
    await client.subscribe([PRICES]);
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    proxy.requests.length = 0;
    while (proxy.requests.length < 5) await nextEvent(client, "PriceUpdate");
    expect(states.map(({ status }) => status)).toEqual(["open"]);
  });

  it("dead connections - a server that never greets is left after the connect timeout", async () => {
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
