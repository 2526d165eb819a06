import { afterEach, describe, expect, it } from "vitest";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { startServerProcess, testToken } from "../support/server-process.js";

afterEach(closeClients);

const ORDER = {
  market_id: 1001,
  side: "Buy",
  order_type: "Limit",
  price: 0.1,
  quantity: 1,
} as const;

describe("limits", () => {
  it("limits - orders in a burst over a server's limit are all placed", async () => {
    const server = await startServerProcess({
      feed: "exchange",
      "sim-traders": 0,
      shards: 1,
      "max-messages-per-second": 20,
    });
    try {
      const token = testToken({ wallet: "burst" });
      const client = newClient(server.port, {
        token,
        offline: "queue",
        requestTimeoutMs: 60_000,
      });
      const states = collect(client, "state");
      const placed = await Promise.all(Array.from({ length: 60 }, () => client.placeOrder(ORDER)));
      expect(new Set(placed.map(({ order }) => order.order_id)).size).toBe(60);
      expect(states.map(({ status }) => status)).toEqual(["open"]);
    } finally {
      await server.dispose();
    }
  }, 60_000);

  it("limits - a reconnect over a server's limit subscribes to all again", async () => {
    const server = await startServerProcess({
      feed: "synthetic",
      shards: 1,
      "feed-markets": 600,
      "max-messages-per-second": 12,
    });
    const proxy = await FrameProxy.start(server.port);
    try {
      const client = newClient(proxy.url, { encoding: "msgpack", requestTimeoutMs: 60_000 });
      const errors = collect(client, "error");
      const lost = collect(client, "subscriptionLost");
      const ids = Array.from({ length: 600 }, (_, index) => 1001 + index);
      const channels = ids.map((market_id) => ({ type: "Market", params: { market_id } }) as const);
      for (let from = 0; from < 600; from += 100)
        await client.subscribe(channels.slice(from, from + 100));
      await client.subscribe([{ type: "PriceFeed", params: { market_ids: ids } }]);
      const back = nextEvent(client, "resubscribed");
      proxy.cut();
      expect((await back).channels.length).toBe(601);
      expect(client.books.size).toBe(600);
      expect([errors, lost]).toEqual([[], []]);
    } finally {
      await proxy.close();
      await server.dispose();
    }
  }, 60_000);
});
