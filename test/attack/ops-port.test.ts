import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const BOUND = 64;
/** Connections begun in one turn: few beside the bound, as a scrape of this process waits for its turn. */
const AT_ONCE = 20;
const HEAD = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";

let server: ServerProcess;
beforeAll(async () => {
  const bounds = { "ops-max-connections": BOUND, "ops-request-timeout": 1000 };
  server = await startServerProcess({ shards: 1, "feed-rate": 2000, ...bounds });
});
afterAll(() => server.dispose());

/** Connections that write these bytes and read nothing, some at a time, each as long as it lasts. */
async function attack(count: number, bytes: string | Buffer): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let made = 0; made < count; made++) {
    const socket = connect(server.opsPort, "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write(bytes);
    sockets.push(socket);
    if (made % AT_ONCE === AT_ONCE - 1) await once(socket, "connect");
  }
  return sockets;
}

/** A scrape over a connection of its own. */
async function scrape(): Promise<void> {
  const url = `http://127.0.0.1:${server.opsPort}/metrics`;
  const [response] = (await once(get(url, { agent: false }), "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect(await text(response)).toContain("marketcast_ops_connections ");
}

/** Scrapes one after the other until `ended`; each has to be answered. */
async function scrapeUntil(ended: Promise<unknown>): Promise<void> {
  let over = false;
  void ended.finally(() => {
    over = true;
  });
  while (!over) await scrape();
}

const held = (): Promise<number> => server.metric("marketcast_ops_connections");

test("attack - half requests to the operations port neither stay nor keep the operator out", async () => {
  let sockets: Socket[] = [];
  const seen = await witness(server, async () => {
    const attacking = attack(strength(10_000, 2000), HEAD);
    await scrapeUntil(attacking);
    sockets = await attacking;
    expect(await held()).toBeLessThanOrEqual(BOUND);
    // The scrape's own is left, and one that it may keep.
    await until("they are gone", async () => (await held()) <= 2);
  });
  for (const socket of sockets) socket.destroy();
  expectUnharmed(seen);
  const dropped = 'marketcast_ops_connections_dropped_total{reason="newcomer"}';
  expect(await server.metric(dropped)).toBeGreaterThan(1000);
});

test("attack - requests by the chunk to the operations port are cut before they are parsed", async () => {
  const chunk = Buffer.from(`${HEAD}\r\n`.repeat(Math.floor(60_000 / HEAD.length)));
  let sockets: Socket[] = [];
  const seen = await witness(server, async () => {
    const attacking = attack(strength(3000, 500), chunk);
    await scrapeUntil(attacking);
    sockets = await attacking;
    await until("they are gone", async () => (await held()) <= 2);
  });
  for (const socket of sockets) socket.destroy();
  expectUnharmed(seen);
});
