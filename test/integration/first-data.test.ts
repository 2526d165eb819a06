import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import type { Link } from "../support/link.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { startSlowLink } from "../support/slow-link.js";
import { StreamChecker } from "../support/stream-checker.js";
import { type MessageOf, TestClient } from "../support/test-client.js";

const MARKETS = { type: "Markets" };
/** 8 Mbit/s. */
const LINK = 1_000_000;
/** Largest part of a snapshot that is too large for one message of 256 KiB. */
const PART_BYTES_MAX = 32 * 1024;

let server: ServerProcess | undefined;
let link: Link | undefined;
afterEach(async () => {
  await link?.stop();
  await server?.dispose();
  [link, server] = [undefined, undefined];
});

const ping = (id: number) => ({ type: "Ping", id, data: { timestamp: id } });
const subscribe = (id: number, ...channels: unknown[]) => ({
  type: "Subscribe",
  id,
  data: { channels },
});

/** What a client is sent up to the reply to request `id`, that one included. */
const upTo = (client: TestClient, id: number): Promise<ServerMessage[]> =>
  client.takeUntil((message) => message.id === id);

/** The snapshots of `Markets` in messages, each of its parts' markets. */
function snapshotsOf(messages: readonly ServerMessage[]): (string | number)[][] {
  const snapshots: (string | number)[][] = [];
  let parts: (string | number)[] = [];
  for (const message of messages) {
    if (message.type !== "MarketSnapshot") continue;
    parts.push(...message.data.markets.map(({ market_id }) => market_id));
    if (message.data.more === true) continue;
    snapshots.push(parts);
    parts = [];
  }
  expect(parts).toEqual([]);
  return snapshots;
}

describe("6,000 markets", () => {
  let many: ServerProcess;
  beforeAll(async () => {
    many = await startServerProcess({ "feed-markets": 6000, "feed-rate": 500 });
  });
  afterAll(() => many.dispose());

  test("first data - two Markets back to back with 6,000 markets come in parts, in the order of the requests, over a slow link", async () => {
    link = await startSlowLink(many.port, 3 * LINK);
    for (const encoding of ["json", "msgpack"] as const) {
      const client = await TestClient.connect(link.port, { encoding });
      const sizes: number[] = [];
      client.ws.on("message", (data: Buffer) => sizes.push(data.length));
      client.send(subscribe(1, MARKETS));
      client.send(subscribe(2, MARKETS));
      client.send(ping(3));
      const first = await upTo(client, 1);
      expect(first.at(-1)?.type).toBe("Subscribed");
      const second = await upTo(client, 2);
      expect(second.at(-1)?.type).toBe("Subscribed");
      const third = await upTo(client, 3);
      for (const messages of [second, third]) {
        const [snapshot, ...others] = snapshotsOf(messages);
        expect(others).toEqual([]);
        expect(new Set(snapshot).size).toBe(6000);
        expect(snapshot).toHaveLength(6000);
      }
      expect(Math.max(...sizes)).toBeLessThanOrEqual(PART_BYTES_MAX);
      expect(sizes.filter((size) => size > 0.9 * PART_BYTES_MAX).length).toBeGreaterThan(40);
      await client.close();
    }
    expect(await many.metric("marketcast_slow_consumers_closed_total")).toBe(0);
  });

  test("first data - sixteen filters that match everything come one after the other, and close nothing", async () => {
    link = await startSlowLink(many.port, 16 * LINK);
    const filters = Array.from({ length: 16 }, (_, index) => ({
      type: "Markets",
      params: { filter: { min_volume: 0, max_volume: 1e12 + index } },
    }));
    const client = await TestClient.connect(link.port);
    client.send(subscribe(1, ...filters));
    client.send(ping(2));
    const snapshots = snapshotsOf(await upTo(client, 2));
    expect(snapshots.map(({ length }) => length)).toEqual(new Array(16).fill(6000));
    expect(await many.metric("marketcast_slow_consumers_closed_total")).toBe(0);
    await client.close();
  });
});

test("first data - 2,000 Market channels in 20 messages over a steady 8 Mbit/s: nothing is closed, lost, repeated or out of order", async () => {
  server = await startServerProcess({
    "feed-markets": 2000,
    "feed-rate": 2000,
    "book-interval": 0,
    "market-interval": 200,
  });
  const running = server;
  link = await startSlowLink(server.port, LINK);
  const client = await TestClient.connect(link.port, { encoding: "msgpack" });
  const checker = new StreamChecker();
  const trades = { type: "Trades" };
  client.send(subscribe(1, trades));
  for (let request = 0; request < 20; request++) {
    const channels = Array.from({ length: 100 }, (_, index) => ({
      type: "Market",
      params: { market_id: 1001 + 100 * request + index },
    }));
    // A connection may have 2,000 subscriptions, and has one of Trades.
    if (request === 19) channels.pop();
    client.send(subscribe(2 + request, ...channels));
  }
  client.send(ping(100));
  const messages = await upTo(client, 100);
  for (const message of messages) checker.take(message);
  expect(checker.faults).toEqual([]);
  const replies = messages.flatMap(({ id, type }) => (id === undefined ? [] : [[id, type]]));
  expect(replies).toEqual([
    ...Array.from({ length: 21 }, (_, index) => [1 + index, "Subscribed"]),
    [100, "Pong"],
  ]);
  const snapshots = messages.filter(({ type }) => type === "MarketSnapshot");
  expect(snapshots).toHaveLength(1999);
  expect(await running.metric("marketcast_slow_consumers_closed_total")).toBe(0);
  client.ws.terminate();
});

test("first data - one question at a time over 1 MB/s, each a snapshot of 1,000 markets, is never closed", async () => {
  server = await startServerProcess({ "feed-markets": 1000, "feed-rate": 200 });
  link = await startSlowLink(server.port, LINK);
  const client = await TestClient.connect(link.port);
  for (let question = 1; question <= 8; question++) {
    client.send(subscribe(question, MARKETS));
    const snapshot = await client.take("MarketSnapshot");
    expect([snapshot.data.markets.length, snapshot.data.more]).toEqual([1000, undefined]);
  }
  expect(await server.metric("marketcast_slow_consumers_closed_total")).toBe(0);
  await client.close();
});

test("first data - after EpochChanged they come in parts as well, each stream's before its updates", async () => {
  server = await startServerProcess(
    { "feed-markets": 3000, "feed-rate": 2000, "market-interval": 100 },
    { threadEnds: true },
  );
  link = await startSlowLink(server.port, 4 * LINK);
  const client = await TestClient.connect(link.port, { encoding: "msgpack" });
  const market_ids = Array.from({ length: 900 }, (_, index) => 1001 + index);
  const channels = [
    MARKETS,
    { type: "PriceFeed", params: { market_ids } },
    { type: "Trades", params: null },
  ];
  await client.subscribe(...channels);
  expect(await client.takeSnapshot()).toHaveLength(3000);
  server.command({ restartProducer: true });
  await client.take("EpochChanged");
  client.send(ping(1));
  const messages = await upTo(client, 1);
  const checker = new StreamChecker();
  checker.take({ type: "Subscribed", data: { channels: channels as never } });
  for (const message of messages) {
    if (message.type === "PriceUpdate" || message.type === "TradeExecution") checker.take(message);
  }
  expect(checker.faults).toEqual([]);
  const [snapshot] = snapshotsOf(messages);
  expect(snapshot).toHaveLength(3000);
  const updated = messages.findIndex(({ type }) => type === "MarketUpdate");
  const last = messages.findIndex(
    (message) => message.type === "MarketSnapshot" && message.data.more !== true,
  );
  expect(updated === -1 || updated > last).toBe(true);
  const prices = new Set(
    messages
      .filter((message): message is MessageOf<"PriceUpdate"> => message.type === "PriceUpdate")
      .map(({ data }) => data.market_id),
  );
  expect(prices.size).toBe(900);
  await client.close();
});
