import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { systemStatusSchema } from "../support/server-messages-schema.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const SHARDS = 2;

let server: ServerProcess;
let fed: ServerProcess;

beforeAll(async () => {
  [server, fed] = await Promise.all([
    startServerProcess({ shards: SHARDS, "feed-rate": 2000 }),
    startServerProcess({ shards: 1, feed: "stdin" }, { stdin: "pipe" }),
  ]);
});
afterAll(() => Promise.all([server, fed].map((one) => one?.dispose())));

const url = (path: string) => `http://127.0.0.1:${server.opsPort}${path}`;
const headers = { "Content-Type": "application/json" };
const notify = (body: string) => fetch(url("/notify"), { method: "POST", body, headers });

/** Clients of both encodings on each shard, one with a subscription. */
async function clients(): Promise<TestClient[]> {
  const connecting = [];
  for (let shard = 0; shard < SHARDS; shard++)
    connecting.push(await TestClient.connect(server.port, { encoding: "json" }));
  for (let shard = 0; shard < SHARDS; shard++)
    connecting.push(await TestClient.connect(server.port, { encoding: "msgpack" }));
  return connecting;
}

describe("rebalancing", () => {
  it("operations - /rebalance closes so many, spread over time and shards, and they may come back", async () => {
    const all = [...(await clients()), ...(await clients())];
    const closed: number[] = [];
    for (const client of all)
      void client.closed.then(({ code }) => {
        closed.push(code);
      });
    const before = Date.now();
    const response = await fetch(url("/rebalance"), {
      method: "POST",
      body: JSON.stringify({ close: 4, per_second: 10 }),
      headers,
    });
    const { closing, until_ts } = (await response.json()) as Record<string, number>;
    expect([response.status, closing]).toEqual([200, 4]);
    expect((until_ts as number) / 1000 - before).toBeGreaterThanOrEqual(399);
    await until("four are closed", () => closed.length >= 4);
    // The jitter is less than the time from one to the next.
    expect(Date.now() - before).toBeGreaterThan(200);
    for (const client of all.filter(({ ws }) => ws.readyState === ws.OPEN))
      expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    expect(closed).toEqual([1012, 1012, 1012, 1012]);
    await (await TestClient.connect(server.port)).close();
    await Promise.all(all.map((client) => client.close()));
  });
});

describe("health and readiness", () => {
  it("operations - /healthz is 200", async () => {
    const response = await server.ops("/healthz");
    expect(response.status).toBe(200);
    expect((await fetch(url("/healthz"), { method: "HEAD" })).status).toBe(200);
  });

  it("operations - /readyz is 200 with state and reasons", async () => {
    const response = await server.ops("/readyz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ state: "ok", reasons: [] });
  });

  it("operations - a feed that ends degrades, with its reason, and connections stay", async () => {
    const client = await TestClient.connect(fed.port);
    await client.subscribe({ type: "SystemStatus" });
    expect((await client.take("SystemStatus")).data.status.state).toBe("ok");
    fed.child.stdin?.end();
    const { status } = (await client.take("SystemStatus")).data;
    expect(status.state).toBe("degraded");
    expect(status.reasons).toEqual([expect.stringContaining("stdin")]);
    const ready = await fed.ops("/readyz");
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ state: "degraded", reasons: status.reasons });
    expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    await client.close();
  });
});

describe("/status", () => {
  it("operations - has the SystemStatus and a row per shard", async () => {
    const all = await clients();
    await all[0]?.subscribe({ type: "SystemStatus" });
    const pushed = (await all[0]?.take("SystemStatus"))?.data.status;
    const body = (await (await server.ops("/status")).json()) as Record<string, unknown>;
    const status = systemStatusSchema.parse(body["status"]);
    expect(status).toMatchObject({ state: "ok", shards: SHARDS, markets: 50, connections: 4 });
    expect(pushed).toMatchObject({ state: "ok", shards: SHARDS, markets: 50, connections: 4 });
    const row = z.object({ shard: z.int(), ready: z.literal(true), connections: z.int() });
    const rows = z.array(row).parse(body["shards"]);
    // The least loaded shard takes the next connection.
    expect(rows.map(({ shard, connections }) => [shard, connections])).toEqual([
      [0, 2],
      [1, 2],
    ]);
    await Promise.all(all.map((client) => client.close()));
  });
});

describe("/notify", () => {
  it("operations - reaches every connection of every shard and encoding", async () => {
    const all = await clients();
    await all[1]?.subscribe({ type: "Trades" });
    const data = { level: "warning", message: "maintenance at noon — 12:00" };
    expect((await notify(JSON.stringify(data))).status).toBe(202);
    for (const client of all)
      expect(await client.take("Notification")).toEqual({ type: "Notification", data });
    await Promise.all(all.map((client) => client.close()));
  });

  it.each([
    "",
    "not JSON",
    "[]",
    '{"level":"info"}',
    '{"message":"no level"}',
    '{"level":"fatal","message":"unknown level"}',
    '{"level":"info","message":""}',
    '{"level":"info","message":7}',
    '{"level":"info","message":"more","more":1}',
    `{"level":"info","message":"${"x".repeat(5000)}"}`,
  ])("operations - the body '%.40s' is 400", async (body) => {
    const response = await notify(body);
    expect(response.status).toBe(400);
    const error = { code: "INVALID_MESSAGE", message: expect.any(String) };
    expect(await response.json()).toEqual({ error });
  });

  it("operations - a body that is too large is 413", async () => {
    expect((await notify("x".repeat(20_000))).status).toBe(413);
  });
});

describe("other requests", () => {
  it.each(["/", "/ws/v3", "/health", "/healthz/", "/toString"])(
    "operations - %s is 404",
    async (path) => {
      expect((await server.ops(path)).status).toBe(404);
    },
  );

  it.each([
    ["POST", "/healthz", "GET"],
    ["DELETE", "/readyz", "GET"],
    ["POST", "/metrics", "GET"],
    ["PUT", "/status", "GET"],
    ["GET", "/notify", "POST"],
  ])("operations - %s %s is 405 and names %s", async (method, path, allowed) => {
    const response = await fetch(url(path), { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allowed);
  });
});

describe("/metrics", () => {
  /** Every metric of the contract that a server without an exchange has: name, type, labels. */
  const METRICS = [
    ["connections", "gauge", ["shard", "encoding"]],
    ["connections_accepted_total", "counter", []],
    ["connections_rejected_total", "counter", ["reason"]],
    ["connections_closed_total", "counter", ["code"]],
    ["messages_sent_total", "counter", ["shard", "encoding"]],
    ["bytes_sent_total", "counter", ["shard"]],
    ["messages_received_total", "counter", ["shard"]],
    ["subscriptions", "gauge", ["channel"]],
    ["ring_records_total", "counter", []],
    ["ring_lag_records", "gauge", ["shard"]],
    ["ring_lapped_total", "counter", ["shard"]],
    ["trades_lost_total", "counter", ["shard"]],
    ["conflated_total", "counter", ["shard"]],
    ["slow_consumers_closed_total", "counter", []],
    ["delivery_latency_seconds", "histogram", ["le"]],
    ["event_loop_lag_seconds", "gauge", ["thread"]],
    ["trades_total", "counter", []],
  ] as const;

  it.each(METRICS)("operations - marketcast_%s is a %s with the labels %j", async (...metric) => {
    const [name, type, labels] = metric;
    const response = await server.ops("/metrics");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const text = await response.text();
    expect(text).toMatch(new RegExp(`^# HELP marketcast_${name} \\S`, "m"));
    expect(text).toMatch(new RegExp(`^# TYPE marketcast_${name} ${type}$`, "m"));
    const series = type === "histogram" ? `${name}_bucket` : name;
    const pairs = labels.map((label) => `${label}="[^"]+"`).join(",");
    const braces = pairs === "" ? "" : `\\{${pairs}\\}`;
    expect(text).toMatch(new RegExp(`^marketcast_${series}${braces} [0-9.e+-]+$`, "m"));
  });

  it("operations - the figures follow what happens", async () => {
    const sums = async () => {
      const text = await (await server.ops("/metrics")).text();
      const sum = (series: string): number =>
        text
          .split("\n")
          .filter((line) => line.startsWith(`marketcast_${series}`))
          .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
      return {
        text,
        accepted: sum("connections_accepted_total "),
        closed: sum('connections_closed_total{code="1000"}'),
        sent: sum("messages_sent_total{"),
        bytes: sum("bytes_sent_total{"),
        received: sum("messages_received_total{"),
        records: sum("ring_records_total "),
        observed: sum("delivery_latency_seconds_count"),
        slowest: sum('delivery_latency_seconds_bucket{le="+Inf"}'),
      };
    };
    const before = await sums();
    const client = await TestClient.connect(server.port, { encoding: "msgpack" });
    const bytes: number[] = [];
    client.ws.on("message", (data: Buffer) => bytes.push(data.length));
    await client.subscribe(
      { type: "PriceFeed", params: { market_ids: [1001, 1002] } },
      { type: "Trades" },
    );
    while (bytes.length < 50) await client.next();
    const during = await sums();
    expect(during.text).toContain('marketcast_subscriptions{channel="PriceFeed"} 2\n');
    expect(during.text).toContain('marketcast_subscriptions{channel="Trades"} 1\n');
    await client.close();
    await expect.poll(async () => (await sums()).closed).toBe(before.closed + 1);
    const after = await sums();
    expect(after.accepted - before.accepted).toBe(1);
    expect(after.received - before.received).toBe(1);
    expect(after.sent - before.sent).toBeGreaterThanOrEqual(bytes.length);
    const payload = bytes.reduce((total, one) => total + one, 0);
    expect(after.bytes - before.bytes).toBeGreaterThan(payload);
    expect(after.records).toBeGreaterThan(before.records);
    expect(after.observed).toBeGreaterThan(before.observed);
    expect(after.slowest).toBe(after.observed);
    expect(after.text).toContain('marketcast_subscriptions{channel="PriceFeed"} 0\n');
    for (let shard = 0; shard < SHARDS; shard++) {
      expect(after.text).toContain(
        `marketcast_connections{shard="${shard}",encoding="msgpack"} 0\n`,
      );
    }
  });
});
