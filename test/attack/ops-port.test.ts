import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const BOUND = 64;
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
    if (made % 50 === 49) await once(socket, "connect");
  }
  return sockets;
}

/** Scrapes of the metrics until `ended`; each has to be answered. */
async function scrape(ended: Promise<unknown>): Promise<number> {
  let over = false;
  void ended.finally(() => {
    over = true;
  });
  let scrapes = 0;
  while (!over) {
    expect((await server.ops("/metrics")).status).toBe(200);
    scrapes++;
  }
  return scrapes;
}

const held = (): Promise<number> => server.metric("marketcast_ops_connections");

test("attack - half requests to the operations port neither stay nor keep the operator out", async () => {
  let sockets: Socket[] = [];
  let scrapes = 0;
  const seen = await witness(server, async () => {
    const attacking = attack(strength(10_000, 2000), HEAD);
    scrapes = await scrape(attacking);
    sockets = await attacking;
    expect(await held()).toBeLessThanOrEqual(BOUND);
    // The scrape's own is left, and one that it may keep.
    await until("they are gone", async () => (await held()) <= 2);
  });
  for (const socket of sockets) socket.destroy();
  expect(scrapes).toBeGreaterThan(1);
  expectUnharmed(seen);
  const dropped = 'marketcast_ops_connections_dropped_total{reason="newcomer"}';
  expect(await server.metric(dropped)).toBeGreaterThan(1000);
});

test("attack - requests by the chunk to the operations port are cut before they are parsed", async () => {
  const chunk = Buffer.from(`${HEAD}\r\n`.repeat(Math.floor(60_000 / HEAD.length)));
  let sockets: Socket[] = [];
  let scrapes = 0;
  const seen = await witness(server, async () => {
    const attacking = attack(strength(3000, 500), chunk);
    scrapes = await scrape(attacking);
    sockets = await attacking;
    await until("they are gone", async () => (await held()) <= 2);
  });
  for (const socket of sockets) socket.destroy();
  expect(scrapes).toBeGreaterThan(1);
  expectUnharmed(seen);
});
