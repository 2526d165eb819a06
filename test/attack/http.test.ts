import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";
import { httpRequest, upgradeRequest } from "../support/upgrade-request.js";

/** Within what an address may have by default, with room for those beside the attack. */
const CONNECTIONS = strength(900, 500);
const ATTACK_MS = strength(12_000, 2000);
const CHUNK_BYTES = 60 * 1024;
/** Faster, and the attacker's own work is what others feel on a machine of two processors. */
const DRIP_MS = strength(10, 20);
/** What somebody who connects meanwhile may have to wait. */
const NEWCOMER_MS_MAX = 3000;

let server: ServerProcess;
let attackers: Socket[] = [];

beforeEach(async () => {
  server = await startServerProcess({ shards: 1 });
});
afterEach(async () => {
  for (const socket of attackers) socket.destroy();
  attackers = [];
  await server.dispose();
});

/** Opens connections that read all they get, or nothing. */
async function attack(reading: boolean): Promise<readonly Socket[]> {
  attackers = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(server.port, "127.0.0.1");
    // To be cut is what an attacker has to expect.
    socket.on("error", () => {});
    return reading ? socket.resume() : socket.pause();
  });
  await Promise.all(attackers.map((socket) => once(socket, "connect")));
  return attackers;
}

/** Goes on for the attack's time, while others find the door open. */
async function lasting(act: () => void = () => {}): Promise<void> {
  const endsAt = performance.now() + ATTACK_MS;
  while (performance.now() < endsAt) {
    const askedAt = performance.now();
    expect((await upgradeRequest(server.port)).status).toBe(101);
    expect(performance.now() - askedAt).toBeLessThan(NEWCOMER_MS_MAX);
    act();
    // A few newcomers are enough.
    await until("a moment has passed", () => performance.now() - askedAt > 100);
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** As many copies of a request as fit into one chunk. */
function chunkOf(request: string): Buffer {
  return Buffer.from(request.repeat(Math.floor(CHUNK_BYTES / request.length)));
}

/** Path of the page's largest file. */
async function script(): Promise<string> {
  const { body } = await httpRequest(server.port, { path: "/" });
  const [, path] = /src="(\/assets\/[^"]+\.js)"/.exec(body) ?? [];
  if (path === undefined) throw new Error("the page names no script");
  return path;
}

it("attack - pipelined requests of clients that read nothing harm nobody", async () => {
  const chunk = chunkOf(get("/x"));
  const seen = await witness(server, async () => {
    for (const socket of await attack(false)) socket.write(chunk);
    await lasting();
  });
  expectUnharmed(seen);
});

it("attack - requests without end of clients that read their answers harm nobody", async () => {
  const chunk = chunkOf(get("/x"));
  const seen = await witness(server, async () => {
    const sockets = await attack(true);
    await lasting(() => {
      for (const socket of sockets) if (socket.writableLength === 0) socket.write(chunk);
    });
  });
  expectUnharmed(seen);
});

it("attack - the page's largest file, asked for and not read, harms nobody", async () => {
  const chunk = chunkOf(get(await script()));
  const seen = await witness(server, async () => {
    for (const socket of await attack(false)) socket.write(chunk);
    await lasting();
  });
  expectUnharmed(seen);
});

it("attack - heads that never end, in small parts and as large as may be, harm nobody", async () => {
  const seen = await witness(server, async () => {
    const sockets = await attack(true);
    const large = `GET /x HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(15_000)}`;
    for (const [index, socket] of sockets.entries()) {
      socket.setNoDelay(true);
      socket.write(index % 2 === 0 ? large : "GET /x HTTP/1.1\r\nHost: a\r\n");
    }
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writableLength === 0) socket.write("x");
    }, DRIP_MS);
    await lasting().finally(() => clearInterval(drip));
  });
  expectUnharmed(seen);
});

it("attack - bodies behind requests harm nobody", async () => {
  const chunked =
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
    `${CHUNK_BYTES.toString(16)}\r\n`;
  const body = "x".repeat(CHUNK_BYTES);
  const seen = await witness(server, async () => {
    const sockets = await attack(false);
    for (const socket of sockets) socket.write(chunked);
    await lasting(() => {
      for (const socket of sockets) if (socket.writableLength === 0) socket.write(body);
    });
  });
  expectUnharmed(seen);
});
