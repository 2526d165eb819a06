import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { readinessOf } from "../support/figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const DRAIN_TIME_MS = 1500;
const CLIENTS = 20;

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const connectMany = (port: number, count: number): Promise<TestClient[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      TestClient.connect(port, { encoding: ENCODINGS[index % ENCODINGS.length] as Encoding }),
    ),
  );

test("drain - ServerShutdown comes first, with the time by which the connection is closed", async () => {
  server = await startServerProcess({ "drain-time": DRAIN_TIME_MS });
  const clients = await connectMany(server.port, ENCODINGS.length);
  for (const client of clients) {
    await client.subscribe({ type: "SystemStatus" });
    await client.takeUntil(({ type }) => type === "SystemStatus");
  }
  const before = Date.now();
  const exit = server.stop();
  const deadlines = await Promise.all(
    clients.map(async (client) => {
      const messages = await client.takeUntil(
        (message) => message.type === "SystemStatus" && message.data.status.state === "draining",
      );
      const told = messages.filter(({ type }) => type !== "SystemStatus");
      expect(told.map(({ type }) => type)).toEqual(["ServerShutdown", "Notification"]);
      const [shutdown] = told;
      if (shutdown?.type !== "ServerShutdown") throw new Error("no ServerShutdown");
      expect(shutdown.data.reason).toContain("restarts");
      return shutdown.data.deadline_ts;
    }),
  );
  await Promise.all(clients.map(({ closed }) => closed));
  const after = Date.now();
  expect(new Set(deadlines).size).toBe(1);
  const deadlineMs = (deadlines[0] as number) / 1000;
  expect(deadlineMs).toBeGreaterThanOrEqual(before + DRAIN_TIME_MS);
  expect(deadlineMs).toBeLessThan(after + DRAIN_TIME_MS);
  expect(after).toBeLessThan(deadlineMs + 500);
  expect(await exit).toBe(0);
});

test("drain - without a drain time ServerShutdown comes all the same, and the close at once", async () => {
  server = await startServerProcess({ "drain-time": 0 });
  const [client] = await connectMany(server.port, 1);
  const exit = server.stop();
  await client?.take("ServerShutdown");
  await client?.closed;
  expect(await exit).toBe(0);
});

test("drain - every client gets a Notification, then 1012, spread over the drain time; exit 0 when all are gone", async () => {
  server = await startServerProcess({ shards: 2, "drain-time": DRAIN_TIME_MS });
  const clients = await connectMany(server.port, CLIENTS);
  const startedAt = performance.now();
  const exit = server.stop();
  await Promise.all(clients.map((client) => client.take("Notification")));
  const endings = await Promise.all(
    clients.map(async (client) => ({
      ...(await client.closed),
      at: performance.now() - startedAt,
    })),
  );
  expect(new Set(endings.map(({ code }) => code))).toEqual(new Set([1012]));
  const times = endings.map(({ at }) => at).sort((a, b) => a - b);
  const spread = (times[CLIENTS - 1] as number) - (times[0] as number);
  expect(spread).toBeGreaterThan(DRAIN_TIME_MS / 3);
  expect(times[CLIENTS - 1]).toBeLessThan(DRAIN_TIME_MS + 500);
  expect(await exit).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(DRAIN_TIME_MS + 1500);
});

test("drain - meanwhile readyz is 503 with the state, and no new connection is taken", async () => {
  server = await startServerProcess({ "drain-time": 60_000 });
  const [client] = await connectMany(server.port, 1);
  const exit = server.stop();
  await client?.take("Notification");
  expect(await readinessOf(server)).toMatchObject({ code: 503, state: "draining" });
  const late = connect(server.port, "127.0.0.1");
  const [error] = await once(late, "error");
  expect((error as NodeJS.ErrnoException).code).toBe("ECONNREFUSED");
  client?.ws.terminate();
  expect(await exit).toBe(0);
});

test("drain - without connections the server ends at once, however long the drain time", async () => {
  server = await startServerProcess({ "drain-time": 60_000 });
  expect(await server.stop()).toBe(0);
});

test("drain - sockets that have not been upgraded do not hold it up", async () => {
  server = await startServerProcess({ "drain-time": 60_000, "handshake-timeout": 60_000 });
  const silent = connect(server.port, "127.0.0.1");
  await once(silent, "connect");
  const running = server;
  await until(
    "the socket is with its shard",
    async () => (await running.metric('marketcast_sockets{shard="0"}')) === 1,
  );
  const closed = once(silent, "close");
  silent.on("error", () => {});
  expect(await server.stop()).toBe(0);
  await closed;
});

test("drain - a client that never answers the close is cut at the end of the drain time", async () => {
  server = await startServerProcess({ "drain-time": 500 });
  const [client] = await connectMany(server.port, 1);
  // Its closing handshake cannot finish: it reads no more.
  client?.ws.pause();
  const startedAt = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(500 + 1500);
  client?.ws.terminate();
});

test("drain - a second signal ends the process at once", async () => {
  server = await startServerProcess({ "drain-time": 60_000 });
  const [client] = await connectMany(server.port, 1);
  const exit = server.stop();
  await client?.take("Notification");
  server.child.kill("SIGINT");
  expect(await exit).toBe(130);
});
