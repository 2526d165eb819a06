import { once } from "node:events";
import type { Writable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const QUOTES = 100_000;
/** Lines that are piped in before the client has seen those before them. */
const CHUNK = 500;
const MARKET = { type: "market", market_id: 7, title: "Piped", tick_size: 0.01, lot_size: 1 };

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

/** The cents that quote number `index` bids: each one differs from the one before. */
const bidCents = (index: number): number => 10_000 + ((index * 7919) % 5003);

test(`stdin - ${QUOTES} quotes that are piped in arrive once and in order, also in bursts, and none is conflated`, async () => {
  server = await startServerProcess({ feed: "stdin" }, { stdin: "pipe" });
  const running = server;
  running.feed(MARKET);
  const client = await TestClient.connect(running.port, { encoding: "msgpack" });
  await client.take("Connected");
  for (;;) {
    const reply = await client.subscribe({ type: "PriceFeed", params: { market_ids: [7] } });
    if (reply.type === "Subscribed") break;
  }
  const input = running.child.stdin as Writable;
  for (let first = 0; first < QUOTES; first += CHUNK) {
    const lines = Array.from({ length: CHUNK }, (_, index) => {
      const cents = bidCents(first + index);
      return `{"type":"quote","market_id":7,"best_bid":${cents / 100},"best_ask":${(cents + 1) / 100}}\n`;
    });
    if (!input.write(lines.join(""))) await once(input, "drain");
    for (let index = first; index < first + CHUNK; index++) {
      const { data } = await client.take("PriceUpdate");
      if (data.seq !== index + 1 || data.best_bid !== bidCents(index) / 100) {
        expect(data).toMatchObject({ seq: index + 1, best_bid: bidCents(index) / 100 });
      }
    }
  }
  expect(await running.metric('marketcast_conflated_total{shard="0"}')).toBe(0);
  await client.close();
});
