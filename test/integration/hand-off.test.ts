import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ConnectAttempt } from "../support/connect-attempt.js";
import { statusOf, untilEmpty, untilReady } from "../support/figures.js";
import { findNode24 } from "../support/node-24.js";
import { HAS_PROC, openDescriptors } from "../support/process-figures.js";
import { Sequences } from "../support/sequences.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const MARKETS = Array.from({ length: 50 }, (_, index) => 1001 + index);
const PRICES = { type: "PriceFeed", params: { market_ids: MARKETS } };
const SUBSCRIBE = JSON.stringify({ type: "Subscribe", data: { channels: [PRICES] }, id: 7 });
/** What is required of a shard that was killed; the wait itself allows for a busy machine. */
const BACK_WITHIN_MS = 1000;

const node24 = await findNode24();
const RUNTIMES = [
  { name: `this Node (${process.version})`, path: process.execPath },
  ...("path" in node24 ? [{ name: "Node 24", path: node24.path }] : []),
];

/** Bytes of a WebSocket handshake, and of a small masked text frame. */
const UPGRADE = Buffer.from(
  "GET /ws/v3 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
);

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = 0x81;
  head[1] = 0x80 | 126;
  head.writeUInt16BE(payload.length, 2);
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, payload]);
}

/** Everything a bare socket receives until it contains `text`. */
async function receives(socket: Socket, text: string): Promise<string> {
  let received = "";
  for await (const chunk of socket) {
    received += (chunk as Buffer).toString("latin1");
    if (received.includes(text)) return received;
  }
  throw new Error(`the socket ended after: ${received}`);
}

if (!("path" in node24)) {
  it.skip(`hand-off - native transfer on Node 24: skipped, ${node24.why}`, () => {});
}

describe.each(RUNTIMES)("hand-off on $name", ({ path: node }) => {
  /** By their number of shards: each test leaves its server without a client. */
  const servers = new Map<number, ServerProcess>();

  async function serverOf(shards: number): Promise<ServerProcess> {
    // An archive opens files of its own when it pleases, while descriptors are counted.
    const flags = { "archive-size": 0, "feed-rate": 400, shards };
    const server =
      servers.get(shards) ?? (await startServerProcess(flags, { threadEnds: true, node }));
    servers.set(shards, server);
    // The first connection of a thread leaves it one descriptor more for good: libuv's reserve.
    const { port } = server;
    const first = await Promise.all(Array.from({ length: shards }, () => TestClient.connect(port)));
    await Promise.all(first.map((client) => client.close()));
    await untilEmpty(server, Number.POSITIVE_INFINITY);
    return server;
  }

  afterAll(async () => {
    for (const server of servers.values()) await server.dispose();
  });

  it("hand-off - spreads connections evenly over the shards", async () => {
    const server = await serverOf(3);
    const { port } = server;
    const clients = await Promise.all(
      Array.from({ length: 60 }, () => TestClient.connect(port, {})),
    );
    const rows = async () => (await statusOf(server)).shards;
    expect((await rows()).map(({ connections }) => connections)).toEqual([20, 20, 20]);

    // Those who leave make room on their own shard.
    await Promise.all(clients.slice(0, 30).map((client) => client.close()));
    await untilSum(rows, 30);
    const more = await Promise.all(Array.from({ length: 30 }, () => TestClient.connect(port)));
    expect((await rows()).map(({ connections }) => connections)).toEqual([20, 20, 20]);
    await Promise.all([...clients.slice(30), ...more].map((client) => client.close()));
  });

  it.runIf(HAS_PROC)("hand-off - hundreds of clients leave no descriptor behind", async () => {
    const server = await serverOf(2);
    const { port, pid } = server;
    const descriptors = openDescriptors(pid);
    const visits = [
      // A whole visit; one that is cut; no request at all; half a request; a reset.
      async () => (await TestClient.connect(port)).close(),
      async () => (await TestClient.connect(port)).ws.terminate(),
      async () => (await connected(port)).destroy(),
      async () => void (await connected(port)).end("GET /ws/v3 HTTP/1.1\r\nHost"),
      async () => void (await connected(port)).resetAndDestroy(),
    ];
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 40 }, (_, index) => visits[index % 5]?.()));
    }
    await untilEmpty(server, descriptors);
    expect(openDescriptors(pid)).toBeLessThanOrEqual(descriptors);
  });

  it("hand-off - what a client sent before it was accepted is served", async () => {
    const { port, pid } = await serverOf(2);
    // While the process stands still the kernel takes connections and bytes for it.
    process.kill(pid, "SIGSTOP");
    const sockets = await Promise.all(Array.from({ length: 20 }, () => connected(port)));
    const requests = Buffer.concat([UPGRADE, textFrame(SUBSCRIBE)]);
    await Promise.all(
      sockets.map((socket) => new Promise<void>((sent) => socket.write(requests, () => sent()))),
    );
    process.kill(pid, "SIGCONT");
    const replies = await Promise.all(sockets.map((socket) => receives(socket, '"Subscribed"')));
    for (const reply of replies) {
      expect(reply).toMatch(/^HTTP\/1\.1 101 /);
      expect(reply.indexOf('"Connected"')).toBeLessThan(reply.indexOf('"Subscribed"'));
      expect(reply).toContain('"id":7');
    }
  });

  it.runIf(HAS_PROC)(
    "hand-off - clients that are gone before they are accepted leave nothing",
    async () => {
      const server = await serverOf(2);
      const { port, pid } = server;
      const descriptors = openDescriptors(pid);
      process.kill(pid, "SIGSTOP");
      const sockets = await Promise.all(Array.from({ length: 60 }, () => connected(port)));
      await Promise.all(
        sockets.map((socket, index) => {
          if (index % 3 === 1) socket.write(UPGRADE);
          const gone = once(socket, "close");
          if (index % 2 === 0) socket.resetAndDestroy();
          else socket.destroy();
          return gone;
        }),
      );
      process.kill(pid, "SIGCONT");
      await untilEmpty(server, descriptors);
      await (await TestClient.connect(port)).close();
    },
  );

  it.runIf(HAS_PROC)(
    "hand-off - a killed shard is back within a second, and the others notice nothing",
    async () => {
      const running = await serverOf(2);
      const { port, pid } = running;
      const descriptors = openDescriptors(pid);
      const arrive = async (): Promise<TestClient> => {
        const client = await TestClient.connect(port);
        await client.subscribe(PRICES);
        return client;
      };
      let clients = await Promise.all(Array.from({ length: 12 }, arrive));
      const open = () => clients.filter(({ ws }) => ws.readyState === WebSocket.OPEN);
      const downMs: number[] = [];
      for (const shard of [0, 1]) {
        const killedAt = performance.now();
        running.command({ restartShard: shard });
        await until(
          "its six clients are closed",
          () => open().length === 6,
          10_000,
          () => `${open().length} of ${clients.length} are open; ${running.output.slice(-5)}`,
        );
        await untilReady(running);
        // The next ones belong on the shard that has none.
        const next = await Promise.all(Array.from({ length: 6 }, arrive));
        downMs.push(performance.now() - killedAt);
        clients = [...open(), ...next];
        expect(clients.length).toBe(12);
        await Promise.all(clients.map(seesNoGap));
        const rows = (await statusOf(running)).shards;
        expect(rows.map(({ connections }) => connections)).toEqual([6, 6]);
      }
      // A machine that is busy with other things may hold one of them up.
      expect(Math.min(...downMs)).toBeLessThan(BACK_WITHIN_MS);
      await Promise.all(clients.map((client) => client.close()));
      await untilEmpty(running, descriptors);
    },
  );

  it.runIf(HAS_PROC)(
    "hand-off - sockets on their way to a dying shard are served or closed, and none leaks",
    async () => {
      const running = await serverOf(3);
      const { port, pid } = running;
      const descriptors = openDescriptors(pid);
      const outcomes = { served: 0, closed: 0 };
      const killed = [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]];
      for (const [round, shards] of killed.entries()) {
        // Every other round piles connections and the order to end the shard up before one turn.
        const piledUp = round % 2 === 1;
        if (piledUp) process.kill(pid, "SIGSTOP");
        const attempts: ConnectAttempt[] = [];
        for (let index = 0; index < 40; index++) {
          attempts.push(new ConnectAttempt(port, SUBSCRIBE));
          if (index === 20) for (const shard of shards) running.command({ restartShard: shard });
          if (!piledUp) await new Promise(setImmediate);
        }
        if (piledUp) {
          await Promise.all(attempts.map(({ connected }) => connected));
          process.kill(pid, "SIGCONT");
        }
        for (const attempt of attempts) outcomes[await attempt.outcome]++;
        await untilReady(running);
        await Promise.all(attempts.map((attempt) => attempt.leave()));
      }
      expect(outcomes.served + outcomes.closed).toBe(40 * killed.length);
      // At least those of the shards that nobody touched.
      expect(outcomes.served).toBeGreaterThan(40);
      await untilEmpty(running, descriptors);
      await (await TestClient.connect(port)).close();
    },
  );
});

/** Reads what has come and 300 messages more: every stream goes on where it stood. */
async function seesNoGap(client: TestClient): Promise<void> {
  const sequences = new Sequences();
  const messages = client.inbox.length + 300;
  for (let taken = 0; taken < messages; taken++) sequences.take(await client.next());
  expect(sequences.jumps).toEqual([]);
  expect(sequences.counts.get("price")).toBeGreaterThan(250);
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function untilSum(
  rows: () => Promise<readonly { readonly connections: number }[]>,
  connections: number,
): Promise<void> {
  await until(`${connections} connections`, async () => {
    const sum = (await rows()).reduce((total, row) => total + row.connections, 0);
    return sum === connections;
  });
}
