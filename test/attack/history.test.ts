import { afterEach, beforeEach, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { clientFrame, connectRawClients, OPCODE, type RawClient } from "../support/raw-client.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

/*
 * What is read again for clients: pages of history and replays, asked for by many connections at once, each
 * within the default limits and none of them reading. The client beside them comes from the same address.
 */

const MARKETS = Array.from({ length: 50 }, (_, index) => 1001 + index);
const text = (message: unknown) => clientFrame(OPCODE.text, JSON.stringify(message));

let server: ServerProcess;
let clients: RawClient[];

beforeEach(async () => {
  server = await startServerProcess({ "feed-rate": 5000, shards: 1 });
  clients = await connectRawClients(strength(900, 200), server.port);
  for (const { socket } of clients) socket.pause();
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await server.dispose();
});

test("attack - many connections each ask for large pages of history and read none", async () => {
  const archived = (): Promise<number> => server.metric("marketcast_archive_trades_total");
  await until("there is history", async () => (await archived()) > 20_000, 30_000);
  const asked = async (): Promise<number> => server.metric("marketcast_archive_queries_total");
  const seen = await witness(server, async () => {
    for (const [number, client] of clients.entries()) {
      const data = { market_id: MARKETS[number % MARKETS.length], limit: 1000 };
      const requests = Array.from({ length: 20 }, () => text({ type: "TradeHistory", data }));
      void client.write(Buffer.concat(requests));
    }
    // Each of them has had its turn.
    await until("many are answered", async () => (await asked()) >= clients.length, 60_000);
  });
  expectUnharmed(seen);
  expect(clients.every(({ socket }) => !socket.destroyed)).toBe(true);
});

test("attack - many connections each resume everything from the beginning and read nothing", async () => {
  const published = (): Promise<number> => server.metric("marketcast_archive_trades_total");
  await until("there is something to replay", async () => (await published()) > 5000, 30_000);
  const waiting = (): Promise<number> => server.metric('marketcast_loading_connections{shard="0"}');
  const channels = [
    { type: "Trades", since: 0 },
    { type: "PriceFeed", params: { market_ids: MARKETS }, since: 0 },
    ...MARKETS.map((market_id) => ({ type: "Market", params: { market_id }, since: 0 })),
  ];
  const seen = await witness(server, async () => {
    for (const client of clients)
      void client.write(text({ type: "Subscribe", data: { channels } }));
    // Each of them has been sent what its socket takes, and waits for that.
    await until("all wait", async () => (await waiting()) === clients.length, 60_000);
  });
  expectUnharmed(seen);
});
