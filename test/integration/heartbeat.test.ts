import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const beat = (interval_ms: number) => ({ type: "Heartbeat", params: { interval_ms } });
const PRICES = { type: "PriceFeed", params: { market_ids: [7] } };

let server: ServerProcess;
beforeEach(async () => {
  server = await startServerProcess({ feed: "stdin", shards: 1 }, { stdin: "pipe" });
});
afterEach(() => server.dispose());

describe("heartbeat", () => {
  it("heartbeat - it comes in every encoding, and its age grows from the feed's last word on", async () => {
    const clients = await Promise.all(
      ENCODINGS.map((encoding) => TestClient.connect(server.port, { encoding })),
    );
    const latest: number[] = [];
    for (const client of clients) {
      const reply = await client.subscribe(beat(100));
      expect(reply).toMatchObject({ data: { channels: [beat(100)] } });
      const before = (await client.take("Heartbeat")).data;
      const { feed_age_ms } = (await client.take("Heartbeat")).data;
      expect(feed_age_ms).toBeGreaterThan(before.feed_age_ms);
      latest.push(feed_age_ms);
    }
    server.feed({ type: "market", market_id: 7, title: "t", tick_size: 0.01, lot_size: 1 });
    for (const client of clients) {
      let age = latest.shift() as number;
      const { data: last } = await client.take("Heartbeat", ({ data: { feed_age_ms } }) => {
        const young = feed_age_ms < age;
        age = feed_age_ms;
        return young;
      });
      expect(last).toMatchObject({ conflated: 0 });
      // Its position is that of the listing.
      const { data } = await client.take("Heartbeat");
      expect(data).toMatchObject({ ts: last.ts, epoch: last.epoch });
      expect(Math.abs(Date.now() - data.ts / 1000 - data.feed_age_ms)).toBeLessThan(1000);
      await client.close();
    }
  });

  it("heartbeat - an interval out of bounds is refused by name", async () => {
    const client = await TestClient.connect(server.port);
    for (const interval of [99, 60_001, 100.5]) {
      const { data } = await client.subscribe(beat(interval));
      expect(data).toMatchObject({ code: "INVALID_MESSAGE" });
      expect(JSON.stringify(data)).toContain("interval_ms");
    }
    await client.subscribe(PRICES);
    await client.close();
  });
});
