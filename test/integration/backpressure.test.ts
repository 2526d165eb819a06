import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { statusOf } from "../support/figures.js";
import { HAS_PROC, residentBytes } from "../support/process-figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const MARKETS = 200;
const MARKET_IDS = Array.from({ length: MARKETS }, (_, index) => 1001 + index);
const RATE = 20_000;
const PRICES = { type: "PriceFeed", params: { market_ids: MARKET_IDS } };
const BLOCKED = 'marketcast_blocked_connections{shard="0"}';
const MEBIBYTE = 1024 * 1024;

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const conflatedOf = (running: ServerProcess): Promise<number> =>
  running.metric('marketcast_conflated_total{shard="0"}');

/** A client that has subscribed and from then on reads nothing. */
async function deafClient(port: number, ...channels: readonly unknown[]): Promise<TestClient> {
  const client = await TestClient.connect(port, { encoding: "msgpack" });
  await client.subscribe(...channels);
  client.ws.pause();
  client.inbox.length = 0;
  return client;
}

test("backpressure - clients that never read cost bounded memory, disturb nobody, and see fresh prices when they read again", async () => {
  // A window takes memory as it is written to, whoever reads.
  const flags = { "feed-markets": MARKETS, "feed-rate": RATE, "replay-window": 8 * MEBIBYTE };
  server = await startServerProcess(flags);
  const running = server;
  const deaf = await Promise.all(
    Array.from({ length: 10 }, () => deafClient(running.port, PRICES)),
  );
  const healthy = await TestClient.connect(running.port, { encoding: "msgpack" });
  await healthy.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });

  // The first of them is congested, then all are for as long again many times over.
  await until("a client is conflated", async () => (await conflatedOf(running)) > 0, 20_000);
  const before = HAS_PROC ? residentBytes(running.pid) : 0;
  const conflatedBefore = await conflatedOf(running);
  const from = (await healthy.take("PriceUpdate")).data.seq;
  await healthy.take("PriceUpdate", ({ data }) => data.seq >= from + 400);
  if (HAS_PROC) expect(residentBytes(running.pid) - before).toBeLessThan(64 * MEBIBYTE);

  const reader = deaf[0] as TestClient;
  const resumedAt = Date.now() * 1000;
  reader.ws.resume();
  const messages = await reader.takeUntil(
    (message) => message.type === "PriceUpdate" && message.data.ts > resumedAt,
  );
  const stale = messages.filter(
    (message): message is MessageOf<"PriceUpdate"> => message.type === "PriceUpdate",
  );
  // What the kernels held, and one catch-up: not what was published meanwhile.
  expect(stale.length).toBeLessThan((4 * MEBIBYTE) / 100);
  const last = new Map<string | number, number>();
  for (const { data } of stale) {
    expect(data.seq).toBeGreaterThan(last.get(data.market_id) ?? 0);
    last.set(data.market_id, data.seq);
  }
  expect(await conflatedOf(running)).toBeGreaterThan(conflatedBefore);
  for (const client of deaf) client.ws.terminate();
  await healthy.close();
});

test("backpressure - what clients that never read miss is counted while they miss it, and they are counted as blocked", async () => {
  server = await startServerProcess({ "feed-markets": 10, "feed-rate": RATE });
  const running = server;
  const deaf = await Promise.all(
    Array.from({ length: 20 }, () =>
      deafClient(running.port, {
        type: "PriceFeed",
        params: { market_ids: MARKET_IDS.slice(0, 10) },
      }),
    ),
  );
  await until(
    "all are blocked",
    async () => (await running.metric(BLOCKED)) === deaf.length,
    20_000,
  );
  const before = await conflatedOf(running);
  const healthy = await TestClient.connect(running.port);
  await healthy.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });
  const from = (await healthy.take("PriceUpdate")).data.seq;
  await healthy.take("PriceUpdate", ({ data }) => data.seq >= from + 1000);
  // Each of them has missed about ten times as many, as there are ten markets.
  expect((await conflatedOf(running)) - before).toBeGreaterThan(deaf.length * 1000);
  for (const client of deaf) client.ws.terminate();
  await until("none is blocked", async () => (await running.metric(BLOCKED)) === 0);
  await healthy.close();
});

test("backpressure - a client that asks and never reads is not read either, costs bounded memory, and is closed for its silence", async () => {
  server = await startServerProcess({
    "feed-markets": MARKETS,
    "feed-rate": 1,
    "ping-interval": 500,
    "pong-timeout": 1500,
  });
  const running = server;
  const client = await TestClient.connect(running.port, { encoding: "msgpack" });
  await client.take("Connected");
  const before = HAS_PROC ? residentBytes(running.pid) : 0;
  client.ws.pause();
  // Each answer is a snapshot of 20 KB and more; 64 MB of them are never made.
  for (let request = 0; request < 1500; request++) {
    client.send({ type: "Subscribe", data: { channels: [PRICES] } });
  }
  // What waits unread behind them is no sign of life.
  client.send({ type: "Ping", data: { timestamp: 1 } });
  await until(
    "its requests wait",
    async () => (await running.metric('marketcast_loading_connections{shard="0"}')) === 1,
  );
  expect(await running.metric(BLOCKED)).toBe(1);
  if (HAS_PROC) expect(residentBytes(running.pid) - before).toBeLessThan(32 * MEBIBYTE);
  await until(
    "the client is closed",
    async () => (await running.metric('marketcast_connections_closed_total{code="4002"}')) === 1,
  );
  expect(await running.metric("marketcast_slow_consumers_closed_total")).toBe(0);
  expect(await running.metric('marketcast_loading_connections{shard="0"}')).toBe(0);
  expect(await running.metric(BLOCKED)).toBe(0);
  client.ws.terminate();
});

test("backpressure - a client that pings and never reads is cut off", async () => {
  server = await startServerProcess({ "feed-rate": 1 });
  const client = await TestClient.connect(server.port);
  client.ws.pause();
  // More pongs than the kernels hold; the socket's end stops them.
  const payload = Buffer.alloc(125);
  const pinging = setInterval(() => {
    for (let ping = 0; ping < 5000 && client.ws.readyState === WebSocket.OPEN; ping++) {
      client.ws.ping(payload);
    }
  }, 1);
  const running = server;
  await until(
    "the connection is gone",
    async () => (await statusOf(running)).status.connections === 0,
    20_000,
  );
  clearInterval(pinging);
  client.ws.terminate();
});
