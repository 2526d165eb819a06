import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { ServerMessage } from "../../src/contract/messages.js";
import { parseServerMessage } from "../support/server-messages-schema.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";

/** What the browser sends, to the letter. */
const SUBSCRIBE =
  '{"type":"Subscribe","data":{"channels":[{"type":"Markets","params":null},{"type":"PriceFeed","params":{"market_ids":[1001,1002]}}]}}';

describe("the browser example", () => {
  let server: ServerProcess;

  beforeAll(async () => {
    // On the defaults but for the interval, which the test does not want to wait for.
    server = await startServerProcess({ "market-interval": 100 });
  });
  afterAll(() => server.dispose());

  it("browser example - receives MarketUpdate and PriceUpdate", async () => {
    const url = `ws://localhost:${server.port}/ws/v3?token=${testToken()}`;
    // No subprotocol, an Origin of its own, and no other header: as a page's `new WebSocket(url)`.
    const ws = new WebSocket(url, { origin: "http://localhost:3000" });
    const messages: ServerMessage[] = [];
    let binary = false;
    const enough = new Promise<void>((resolve) => {
      ws.on("message", (data: Buffer, isBinary: boolean) => {
        binary ||= isBinary;
        messages.push(parseServerMessage(JSON.parse(data.toString())));
        const types = messages.slice(7).map(({ type }) => type);
        if (types.includes("MarketUpdate") && types.includes("PriceUpdate")) resolve();
      });
    });
    await once(ws, "open");
    ws.send(SUBSCRIBE);
    await enough;
    ws.close(1000);
    await once(ws, "close");

    expect(binary).toBe(false);
    expect(messages.slice(0, 6).map(({ type }) => type)).toEqual([
      "Connected",
      "Authenticated",
      "Subscribed",
      "MarketSnapshot",
      "PriceUpdate",
      "PriceUpdate",
    ]);
    expect(messages[1]?.data).toEqual({ user_id: "user-1", wallet: "wallet-1" });
    const prices = messages.filter((message) => message.type === "PriceUpdate");
    expect(new Set(prices.map(({ data }) => data.market_id))).toEqual(new Set([1001, 1002]));
    for (const message of messages) {
      if (message.type === "MarketSnapshot") expect(message.data.markets.length).toBe(50);
      if (message.type === "MarketUpdate") {
        const { market_id, title } = message.data.market;
        expect(market_id).toBeGreaterThanOrEqual(1001);
        expect(title).toMatch(/[a-z]/i);
      }
    }
  });
});
