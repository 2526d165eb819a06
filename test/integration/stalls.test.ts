import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Market, ServerMessage } from "../../src/contract/messages.js";
import { witness } from "../support/attack.js";
import { readinessOf, statusOf, untilReady } from "../support/figures.js";
import { HAS_PROC, openDescriptors } from "../support/process-figures.js";
import { type Flags, type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { QUIET_EXCHANGE } from "../support/trading.js";
import { until } from "../support/until.js";

/** Longer than a thread waits for a processor on a busy machine. */
const STALL_TIMEOUT_MS = 3000;

/** For threads that a test has get stuck on purpose. */
const STUCK_TIMEOUT_MS = 1000;
/** What is required is a second; a busy machine may need more. */
const ENDED_WITHIN_MS = 2000;
const STUCK_THREADS = fileURLToPath(new URL("../support/stuck-threads.mjs", import.meta.url));

let server: ServerProcess | undefined;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-stalls-"));
});
afterEach(async () => {
  await server?.dispose();
  // Ends whatever threads were stuck in.
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("stalls - a producer whose loop is blocked is replaced, and its clients get the new epoch", async () => {
  const file = join(folder, "blocking-feed.mjs");
  const mark = join(folder, "blocked-once");
  await writeFile(
    file,
    `import { existsSync, writeFileSync } from "node:fs";
    export function createFeed() {
      return {
        async run(sink, { firstSubscriber }) {
          const market = sink.list({ marketId: 5, title: "Five", tickSize: 1, lotSize: 1 });
          sink.quote(market, 1, 3);
          await firstSubscriber;
          if (!existsSync(${JSON.stringify(mark)})) {
            writeFileSync(${JSON.stringify(mark)}, "");
            for (;;);
          }
          sink.quote(market, 2, 4);
          await new Promise(() => {});
        },
      };
    }`,
  );
  server = await startServerProcess({
    feed: "module",
    "feed-module": file,
    "stall-timeout": STALL_TIMEOUT_MS,
  });
  const client = await TestClient.connect(server.port);
  await client.subscribe({ type: "Markets", params: null });
  await client.take("EpochChanged");
  // The snapshot has it, or an update behind it.
  const taken = await client.takeUntil((message) => marketOf(message)?.best_bid === 2);
  expect(marketOf(taken.at(-1))).toMatchObject({ market_id: 5, best_ask: 4 });
  await server.logged((line) => line["msg"] === "the producer shows no life and is restarted");
  await untilReady(server);
  await client.close();
});

/** The only market, as a message tells it. */
function marketOf(message: ServerMessage | undefined): Market | undefined {
  if (message?.type === "MarketSnapshot") return message.data.markets[0];
  return message?.type === "MarketUpdate" ? message.data.market : undefined;
}

/** A server whose threads can be made to get stuck, the producer by a file of the name it gives. */
interface Sticky {
  readonly running: ServerProcess;
  readonly stickProducer: (kind: string) => Promise<void>;
  /** Ends native calls, those to come as well. */
  readonly endNative: () => Promise<void>;
}

async function startSticky(flags: Flags): Promise<Sticky> {
  const file = join(folder, `stuck-${performance.now()}`);
  const native = `${file}-native`;
  await writeFile(native, "");
  server = await startServerProcess(
    { "stall-timeout": STUCK_TIMEOUT_MS, ...flags },
    { nodeFlags: ["--import", STUCK_THREADS], env: { STUCK_PRODUCER: file, STUCK_WHILE: native } },
  );
  return {
    running: server,
    stickProducer: (kind) => writeFile(file, kind),
    endNative: () => rm(native, { force: true }),
  };
}

const KINDS = ["loop", "allocation", "wait", "native"] as const;

test("stalls - a stuck shard takes no more at once, and ends within a second with its sockets, whatever it is stuck in; others are served", async () => {
  const { running, endNative } = await startSticky({ shards: 2 });
  const { port, pid } = running;
  const descriptors: number[] = [];
  for (const kind of KINDS) {
    // One after the other, so that the odd ones and who comes next are on the other shard.
    const clients: TestClient[] = [];
    for (let count = 0; count < 7; count++) clients.push(await TestClient.connect(port));
    const seen = await witness(running, () => expectEndOf(running, clients, kind));
    expect(seen, kind).toMatchObject({ closeCode: null, pongs: seen.pings });
    expect(seen.p50Ms, kind).toBeLessThan(100);
    if (kind === "native") {
      const { state, reasons } = await readinessOf(running);
      expect([state, ...reasons]).toEqual(["degraded", expect.stringContaining("does not end")]);
      await endNative();
    }
    await until("all is well again", async () => (await readinessOf(running)).state === "ok");
    for (const { ws } of clients) ws.terminate();
    await until("no socket", async () =>
      (await statusOf(running)).shards.every(({ sockets }) => sockets === 0),
    );
    if (HAS_PROC) descriptors.push(openDescriptors(pid));
  }
  const [first = 0] = descriptors;
  // A thread on which nobody was yet has one less, and a request of ours may be under way.
  for (const open of descriptors) expect(Math.abs(open - first)).toBeLessThan(6);
}, 60_000);

/** The first of the clients gets its shard stuck. */
async function expectEndOf(
  running: ServerProcess,
  clients: readonly TestClient[],
  kind: string,
): Promise<void> {
  const [stuck, neighbour] = clients as [TestClient, TestClient];
  const lines = running.log.length;
  stuck.send({ type: "Ping", data: { timestamp: 1 }, id: `get stuck: ${kind}` });
  const { shard } = await running.logged(
    (line) =>
      running.log.indexOf(line) >= lines &&
      line["msg"] === "the shard shows no life and is restarted",
  );
  const noticedAt = performance.now();
  // Both at once: in some of the kinds it takes a moment only.
  const [readiness, status] = await Promise.all([readinessOf(running), statusOf(running)]);
  const reasons = [`shard ${shard} shows no life and is being restarted`];
  expect(readiness).toEqual({ code: 503, state: "degraded", reasons });
  expect(status.shards[shard as number]).toMatchObject({ ready: false });
  // Newcomers are served, by the other one.
  const newcomers = await Promise.all(
    Array.from({ length: 4 }, () => TestClient.connect(running.port)),
  );
  for (const client of [neighbour, ...newcomers])
    expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
  expect((await stuck.closed).code).toBe(1006);
  expect(performance.now() - noticedAt).toBeLessThan(ENDED_WITHIN_MS);
  await untilReady(running);
  for (const { ws } of newcomers) ws.terminate();
}

test("stalls - a stop does not wait for a thread that nothing ends", async () => {
  const { running } = await startSticky({ shards: 2 });
  const client = await TestClient.connect(running.port);
  client.send({ type: "Ping", data: { timestamp: 1 }, id: "get stuck: native" });
  await running.logged((line) => line["msg"] === "the shard shows no life and is restarted");
  const askedAt = performance.now();
  expect(await running.stop()).toBe(0);
  // The thread would go on for seconds.
  expect(performance.now() - askedAt).toBeLessThan(3000);
});

test("stalls - a stuck exchange is not ready at once, and another takes over; one that nothing ends takes the server with it, in order", async () => {
  const { running, stickProducer } = await startSticky(QUIET_EXCHANGE);
  const client = await TestClient.connect(running.port);
  await stickProducer("loop");
  await running.logged((line) => line["msg"] === "the producer shows no life and is restarted");
  const { code, reasons } = await readinessOf(running);
  expect([code, ...reasons]).toEqual([503, expect.stringMatching(/^the producer .*restarted$/)]);
  await client.take("Notification");
  await client.take("EpochChanged");
  await untilReady(running);

  const exited = once(running.child, "exit");
  await stickProducer("native");
  expect((await client.closed).code).toBe(1012);
  expect((await exited)[0]).toBe(1);
  expect(running.output.join()).toContain("the server ends");
});

test("stalls - a producer that nothing ends is replaced beside it, where its feed can be", async () => {
  const { running, stickProducer, endNative } = await startSticky({});
  const client = await TestClient.connect(running.port);
  await client.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });
  await stickProducer("native");
  await client.take("EpochChanged");
  await client.take("PriceUpdate", ({ data }) => data.seq > 3);
  const { code, reasons } = await readinessOf(running);
  expect([code, ...reasons]).toEqual([200, expect.stringContaining("does not end")]);
  await endNative();
  await until("it has ended", async () => (await readinessOf(running)).state === "ok");
  await client.close();
});
