import { request } from "node:http";
import { connect } from "node:net";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OpsServer } from "../../src/main/ops-server.js";
import { opsOptions } from "../support/ops-server.js";

let server: OpsServer;
let port: number;
let ready: boolean;
let reasons: string[];
let failure: Error | undefined;
let notices: [string, string][];

beforeEach(async () => {
  ready = true;
  reasons = [];
  failure = undefined;
  notices = [];
  const metrics = new Registry();
  metrics.setDefaultLabels({ a: "b" });
  server = new OpsServer(
    {
      readiness: () => ({ ready, state: reasons.length === 0 ? "ok" : "degraded", reasons }),
      status: () => {
        if (failure !== undefined) throw failure;
        return { status: { shards: 1 } };
      },
      notify: (level, message) => notices.push([level, message]),
      rebalance: ({ close, per_second }) => ({ closing: close, per_second, until_ts: 1 }),
      administer: () => Promise.reject(new Error("there is no exchange")),
      publish: () => Promise.reject(new Error("there is no hub")),
      metrics,
    },
    opsOptions(),
  );
  port = await server.listen("127.0.0.1", 0);
});
afterEach(() => server.close());

const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
const get = (path: string, init?: RequestInit) => fetch(url(path), init);
const JSON_BODY = { "Content-Type": "application/json" };
const notify = (body: string) => get("/notify", { method: "POST", body, headers: JSON_BODY });
const codeOf = async (response: Response): Promise<string> => {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect(error).toEqual({ code: expect.any(String), message: expect.stringMatching(/./) });
  return error.code;
};

describe("ops-server", () => {
  it("ops-server - /healthz and /status answer in JSON, whatever the query", async () => {
    const health = await get("/healthz?x=1");
    expect([health.status, health.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await (await get("/status")).json()).toEqual({ status: { shards: 1 } });
  });

  it("ops-server - /readyz is 200 when ready, degraded as well, and else 503, with the reasons", async () => {
    expect((await get("/readyz")).status).toBe(200);
    reasons = ["the feed has ended"];
    const degraded = await get("/readyz");
    expect(degraded.status).toBe(200);
    expect(await degraded.json()).toEqual({ state: "degraded", reasons });
    ready = false;
    const response = await get("/readyz");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ state: "degraded", reasons });
  });

  it("ops-server - /rebalance takes how many and how fast, in whole connections, and nothing else", async () => {
    const rebalance = (body: unknown) =>
      get("/rebalance", { method: "POST", body: JSON.stringify(body), headers: JSON_BODY });
    const taken = await rebalance({ close: 10, per_second: 0.5 });
    expect([taken.status, await taken.json()]).toEqual([
      200,
      { closing: 10, per_second: 0.5, until_ts: 1 },
    ]);
    for (const body of [
      {},
      { close: 10 },
      { close: -1, per_second: 1 },
      { close: 1.5, per_second: 1 },
      { close: "1", per_second: 1 },
      { close: 1, per_second: 0 },
      { close: 1, per_second: 1e-308 },
      { close: 10_000, per_second: 0.1 },
      { close: 1, per_second: 100_001 },
      { close: 10_000_001, per_second: 1 },
      { close: 1, per_second: 1, more: 1 },
      [1, 1],
    ]) {
      const refused = await rebalance(body);
      expect([body, refused.status, await codeOf(refused)]).toEqual([body, 400, "INVALID_MESSAGE"]);
    }
  });

  it("ops-server - /metrics is Prometheus text", async () => {
    const response = await get("/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/plain");
  });

  it("ops-server - what is not there is 404, another method 405 with the right one", async () => {
    for (const path of ["/", "/nothing", "/healthz/", "//healthz", "/constructor", "/__proto__"]) {
      const missing = await get(path);
      expect([missing.status, await codeOf(missing)]).toEqual([404, "NOT_FOUND"]);
    }
    const post = await get("/healthz", { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET"]);
    const notice = await get("/notify");
    expect([notice.status, notice.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await codeOf(notice)).toBe("METHOD_NOT_ALLOWED");
    expect((await get("/notify", { method: "HEAD" })).status).toBe(405);
  });

  it("ops-server - HEAD is GET without the body", async () => {
    for (const path of ["/healthz", "/readyz", "/status", "/metrics"]) {
      const response = await get(path, { method: "HEAD" });
      expect([response.status, await response.text()]).toEqual([200, ""]);
    }
  });

  it("ops-server - /notify passes a level and a message on, to the bound of its length", async () => {
    expect((await notify('{"level":"info","message":"hello €"}')).status).toBe(202);
    const longest = "x".repeat(4096);
    expect((await notify(JSON.stringify({ level: "error", message: longest }))).status).toBe(202);
    expect(notices).toEqual([
      ["info", "hello €"],
      ["error", longest],
    ]);
  });

  it("ops-server - a notice that breaks its schema is 400 and goes nowhere", async () => {
    const broken = [
      "",
      "{",
      "null",
      "[]",
      '"text"',
      "{}",
      '{"level":"info"}',
      '{"level":"fatal","message":"m"}',
      '{"level":"info","message":""}',
      '{"level":"info","message":1}',
      '{"level":"info","message":"m","more":1}',
      JSON.stringify({ level: "info", message: "x".repeat(4097) }),
      '{"level":"info","message":"half a \\ud83d"}',
      '{"level":"info","message":"\\u0000"}',
    ];
    for (const body of broken) {
      const response = await notify(body);
      expect({ body, status: response.status }).toEqual({ body, status: 400 });
      expect(await codeOf(response)).toBe("INVALID_MESSAGE");
    }
    expect(notices).toEqual([]);
  });

  it("ops-server - a body that is too long is 413, also where its length is not announced", async () => {
    const response = await notify("x".repeat(100_000));
    expect([response.status, await codeOf(response)]).toEqual([413, "BODY_TOO_LARGE"]);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const chunked = request(url("/notify"), { method: "POST", headers: JSON_BODY }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      chunked.on("error", reject);
      chunked.write("x".repeat(20_000));
    });
    expect(status).toBe(413);
    expect(notices).toEqual([]);
    expect((await get("/healthz")).status).toBe(200);
  });

  it("ops-server - an endpoint that fails is 500, and the server goes on", async () => {
    failure = new Error("broken");
    const response = await get("/status");
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: { code: "INTERNAL", message: "broken" } });
    failure = undefined;
    expect((await get("/status")).status).toBe(200);
  });

  it("ops-server - a client that goes in the middle of its body leaves the server well", async () => {
    const socket = connect(port, "127.0.0.1");
    const head =
      "POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    await new Promise((resolve) => socket.write(head, resolve));
    socket.resetAndDestroy();
    expect((await get("/healthz")).status).toBe(200);
    expect(notices).toEqual([]);
  });

  it("ops-server - a port that is taken is Node's error; closed, it lets its connections go", async () => {
    const other = new OpsServer(
      {
        readiness: () => ({ ready, state: "", reasons }),
        status: () => ({}),
        notify: () => {},
        rebalance: () => ({ closing: 0, per_second: 1, until_ts: 0 }),
        administer: () => Promise.reject(new Error("there is no exchange")),
        publish: () => Promise.reject(new Error("there is no hub")),
        metrics: new Registry(),
      },
      opsOptions(),
    );
    await expect(other.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    const socket = connect(port, "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    server.close();
    await closed;
    await expect(get("/healthz")).rejects.toThrow();
  });
});
