import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const CANDLES = { type: "Candles", params: { market_id: 7, interval: "1s" } };
const MARKET = { type: "market", market_id: 7, title: "t", tick_size: 0.01, lot_size: 1 };

let server: ServerProcess;
beforeEach(async () => {
  server = await startServerProcess({ feed: "stdin", shards: 1 }, { stdin: "pipe" });
  server.feed(MARKET);
});
afterEach(() => server.dispose());

describe("candles", () => {
  it("candles - they come in every encoding, and are closed within two seconds of their end", async () => {
    const clients = await Promise.all(
      ENCODINGS.map((encoding) => TestClient.connect(server.port, { encoding })),
    );
    for (const client of clients) {
      // The listing may still be on its way.
      while ((await client.subscribe(CANDLES)).type !== "Subscribed");
      const { data } = await client.take("CandleSnapshot");
      expect(data).toEqual({ market_id: 7, interval: "1s", candles: [] });
    }
    server.feed({ type: "trade", market_id: 7, price: 1.5, quantity: 3, taker_side: "Buy" });
    for (const client of clients) {
      const { data } = await client.take("CandleUpdate");
      const [start, ...sums] = data.candle;
      expect(start % 1_000_000).toBe(0);
      expect(sums).toEqual([1.5, 1.5, 1.5, 1.5, 3, 1]);
      const end = await client.take("CandleUpdate", ({ data: { closed } }) => closed);
      expect(end.data.candle).toEqual(data.candle);
      expect(Date.now() - (start / 1000 + 1000)).toBeLessThan(2000);
      await client.close();
    }
  });
});
