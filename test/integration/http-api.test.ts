import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Market, OrderBook } from "../../src/contract/messages.js";
import { book, feedListings, listing, quote, trade } from "../support/feed-lines.js";
import { HAS_PROC, openDescriptors, residentBytes } from "../support/process-figures.js";
import { RawConnection, requestText } from "../support/raw-connection.js";
import { systemStatusSchema } from "../support/server-messages-schema.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const COUNT = 3000;
const HANDSHAKE_TIMEOUT_MS = 1500;
const ALLOWED = "https://allowed.example";
const WIDE_ID = `${2n ** 128n - 1n}`;
const IDS = Array.from({ length: COUNT }, (_, index) => index + 1);

let server: ServerProcess;
/** What else was started for one test. */
let other: ServerProcess | undefined;
let sockets: Socket[] = [];

/** A server on standard input, with many markets; the first two have something to tell. */
async function start(flags: Readonly<Record<string, string | number>>): Promise<ServerProcess> {
  const started = await startServerProcess(
    { feed: "stdin", shards: 1, "allowed-origins": ALLOWED, ...flags },
    { stdin: "pipe" },
  );
  await feedListings(
    started,
    [...IDS, WIDE_ID],
    ...IDS.map((id) => listing(id, `Märket ${id} "quoted"`, id % 3 === 0 ? "Halted" : "Active")),
    listing(WIDE_ID, "wide"),
    quote(1, 0.07, 0.29),
    trade(1, 0.29, 3),
    book(1, [[0.07, 5], [0.06, 1]], [[0.29, 2]]), // biome-ignore format: levels
    quote(WIDE_ID, 58.53, 58.57),
  );
  return started;
}

beforeAll(async () => {
  server = await start({ "handshake-timeout": HANDSHAKE_TIMEOUT_MS });
});
afterAll(() => server.dispose());
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await other?.dispose();
  other = undefined;
});

const urlOf = ({ port }: ServerProcess, path: string): string => `http://127.0.0.1:${port}${path}`;
const ask = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(urlOf(server, path), init);

async function json<T>(path: string): Promise<T> {
  const response = await ask(path);
  expect(response.status, path).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  return (await response.json()) as T;
}

async function errorOf(path: string, init?: RequestInit): Promise<unknown> {
  const response = await ask(path, init);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect(error.message).not.toBe("");
  return [response.status, error.code];
}

describe("data over HTTP", () => {
  it("http-api - markets and books are those of the socket, with the epoch", async () => {
    const client = await TestClient.connect(server.port);
    const { epoch } = (await client.take("Connected")).data;
    await client.subscribe({ type: "Markets" });
    const snapshot = await client.takeSnapshot();
    const listed = await json<{ epoch: string; ts: number; markets: Market[] }>("/v3/markets");
    expect(listed.epoch).toBe(epoch);
    expect(listed.markets).toEqual(snapshot);
    expect(listed).not.toHaveProperty("next");
    expect(listed.ts).toBeGreaterThanOrEqual(Math.max(...snapshot.map(({ ts }) => ts)));
    for (const market_id of [1, 2, WIDE_ID]) {
      await client.subscribe({ type: "Market", params: { market_id } });
      const [market] = await client.takeSnapshot();
      const { data: levels } = await client.take("OrderBook");
      expect(await json(`/v3/markets/${market_id}`)).toEqual({ ...market, epoch });
      expect(await json(`/v3/markets/${market_id}/book`)).toEqual({ ...levels, epoch });
    }
    const best = await json<OrderBook>("/v3/markets/1/book?depth=1");
    expect([best.bids, best.asks]).toEqual([[[0.07, 5]], [[0.29, 2]]]);
    await client.close();
  });

  it("http-api - the list is filtered, and paged by next", async () => {
    const ids: unknown[] = [];
    let query = "?status=Halted,Closed&search=M%C3%84RKET&limit=400";
    for (let pages = 1; query !== ""; pages++) {
      const page = await json<{ markets: Market[]; next?: string }>(`/v3/markets${query}`);
      ids.push(...page.markets.map(({ market_id }) => market_id));
      expect(pages).toBeLessThan(5);
      query = page.next === undefined ? "" : `${query.replace(/&after=.*/, "")}&after=${page.next}`;
    }
    expect(ids).toEqual(IDS.filter((id) => id % 3 === 0));
    const traded = await json<{ markets: Market[] }>("/v3/markets?min_volume=3&max_volume=3");
    expect(traded.markets.map(({ market_id }) => market_id)).toEqual([1]);
  });

  it("http-api - status is that of SystemStatus, time is now in both units", async () => {
    const status = await json("/v3/status");
    expect(systemStatusSchema.parse(status)).toMatchObject({ state: "ok", markets: COUNT + 1 });
    const before = Date.now();
    const time = await json<{ server_time: number; ts: number }>("/v3/time");
    expect(Object.keys(time)).toEqual(["server_time", "ts"]);
    expect(time.server_time).toBeGreaterThanOrEqual(before);
    expect(time.server_time).toBeLessThanOrEqual(Date.now());
    expect(Math.abs(time.ts / 1000 - time.server_time)).toBeLessThan(10);
  });

  it("http-api - what is not there, or not understood, is an error in JSON", async () => {
    expect(await errorOf("/v3/markets/77777")).toEqual([404, "MARKET_NOT_FOUND"]);
    expect(await errorOf("/v3/markets/77777/book")).toEqual([404, "MARKET_NOT_FOUND"]);
    expect(await errorOf("/v3/markets?after=77777")).toEqual([404, "MARKET_NOT_FOUND"]);
    expect(await errorOf("/v3/markets/one")).toEqual([400, "INVALID_MESSAGE"]);
    expect(await errorOf("/v3/markets/1/book?depth=3")).toEqual([400, "INVALID_MESSAGE"]);
    for (const path of ["/v3/", "/v3/markets/", "/v3/markets/1/", "/v3/markets/1/x", "/v3/time/1"])
      expect(await errorOf(path), path).toEqual([404, "NOT_FOUND"]);
    expect(await errorOf("/v3/time", { method: "DELETE" })).toEqual([405, "METHOD_NOT_ALLOWED"]);
    const posted = await ask("/v3/markets", { method: "POST", body: "x" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    const faulty = requestText("GET /v3/time HTTP/1.1", "Host: a", "Host: b");
    const client = await RawConnection.connect(server.port);
    const { status, body } = await client.send(faulty).answer();
    expect([status, JSON.parse(body).error.code]).toEqual([400, "INVALID_MESSAGE"]);
    client.destroy();
  });

  it("http-api - HEAD has the status and the headers of GET, and no body", async () => {
    for (const path of ["/v3/markets", "/v3/markets/1", "/v3/openapi.json", "/v3/none"]) {
      const [head, get] = [await ask(path, { method: "HEAD" }), await ask(path)];
      expect(head.status, path).toBe(get.status);
      const length = get.headers.get("content-length");
      if (path !== "/v3/markets") expect(head.headers.get("content-length")).toBe(length);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(get.headers.get("etag")).toBeNull();
      expect(await head.text()).toBe("");
      await get.text();
    }
  });

  it("http-api - answers come in order on one connection, in parts and whole, and then a WebSocket", async () => {
    const client = await RawConnection.connect(server.port);
    client.send(
      ["/v3/time", "/v3/markets/1", "/v3/none", "/v3/status"]
        .map((path) => requestText(`GET ${path} HTTP/1.1`, "Host: a"))
        .join(""),
    );
    const bodies = [];
    for (let answer = 0; answer < 4; answer++)
      bodies.push(JSON.parse((await client.answer()).body));
    expect(bodies.map((body) => Object.keys(body)[0])).toEqual([
      "server_time",
      "market_id",
      "error",
      "state",
    ]);
    client.send(requestText("GET /v3/markets HTTP/1.1", "Host: a"));
    client.send(requestText("GET /v3/time HTTP/1.1", "Host: a"));
    const end = "\r\n0\r\n\r\n";
    await until("the list and the time", () => /\r\n0\r\n\r\nHTTP.*"ts"/s.test(client.received));
    expect(client.received.indexOf(end)).toBe(client.received.lastIndexOf(end));
    client.destroy();
    const old = await RawConnection.connect(server.port);
    old.send("GET /v3/markets HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    await old.closed;
    const [, body = ""] = old.received.split("\r\n\r\n");
    expect(JSON.parse(Buffer.from(body, "latin1").toString()).markets).toHaveLength(COUNT + 1);
  });
});

describe("pages of other origins", () => {
  const withOrigin = (origin: string, more: RequestInit = {}) =>
    ask("/v3/markets/1", { ...more, headers: { Origin: origin, ...more.headers } });
  const allowedOf = ({ headers }: Response) => headers.get("access-control-allow-origin");

  it("http-api - an allowed one and the server's own may read, another is told nothing", async () => {
    for (const origin of [ALLOWED, `http://127.0.0.1:${server.port}`]) {
      const response = await withOrigin(origin);
      expect(allowedOf(response)).toBe(origin);
      expect(response.headers.get("vary")).toBe("Origin");
    }
    const refused = await withOrigin("https://other.example");
    expect([refused.status, allowedOf(refused)]).toEqual([200, null]);
    expect(refused.headers.get("vary")).toBe("Origin");
    expect(allowedOf(await ask("/v3/markets/1"))).toBeNull();
    const error = await ask("/v3/markets/77777", { headers: { Origin: ALLOWED } });
    expect([error.status, allowedOf(error)]).toEqual([404, ALLOWED]);
  });

  it("http-api - a preflight is answered, for those that may and those that may not", async () => {
    const headers = { "Access-Control-Request-Method": "GET" };
    const preflight = await withOrigin(ALLOWED, { method: "OPTIONS", headers });
    expect([preflight.status, allowedOf(preflight)]).toEqual([204, ALLOWED]);
    expect(preflight.headers.get("access-control-allow-methods")).toContain("GET");
    const refused = await withOrigin("https://other.example", { method: "OPTIONS", headers });
    expect([refused.status, allowedOf(refused)]).toEqual([204, null]);
    expect(refused.headers.get("access-control-allow-methods")).toBeNull();
    const plain = await ask("/v3/time", { method: "OPTIONS" });
    expect([plain.status, plain.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    expect((await ask("/v3/none", { method: "OPTIONS" })).status).toBe(404);
  });
});

describe("hostile clients beside well-behaved ones", () => {
  it("http-api - long lists, asked for again and again and not read, hold up nobody and take no memory", async () => {
    const request = requestText("GET /v3/markets HTTP/1.1", "Host: a");
    const before = HAS_PROC ? residentBytes(server.pid) : 0;
    // With one for the client, and those of connections that fetch keeps.
    const descriptors = HAS_PROC ? openDescriptors(server.pid) + 10 : 0;
    sockets = Array.from({ length: 100 }, () =>
      connect(server.port, "127.0.0.1")
        .on("error", () => {})
        .pause(),
    );
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    for (const socket of sockets) socket.write(request.repeat(200));
    const client = await TestClient.connect(server.port);
    let answered = 0;
    for (
      const endsAt = performance.now() + HANDSHAKE_TIMEOUT_MS / 2;
      performance.now() < endsAt;
    ) {
      const askedAt = performance.now();
      expect(await json<Market>("/v3/markets/1")).toMatchObject({ market_id: 1 });
      expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
      expect(performance.now() - askedAt).toBeLessThan(500);
      answered++;
    }
    expect(answered).toBeGreaterThan(5);
    // A part for each, and what the collector has not taken yet.
    if (HAS_PROC) expect(residentBytes(server.pid) - before).toBeLessThan(100 * 2 ** 20);
    // Who takes nothing for that long is cut off.
    await until("they are cut off", () => !HAS_PROC || openDescriptors(server.pid) <= descriptors);
    await client.close();
  });

  it("http-api - one who reads slowly gets all of a long list", async () => {
    const socket = connect(server.port, "127.0.0.1");
    sockets = [socket];
    await once(socket, "connect");
    socket.write(requestText("GET /v3/markets HTTP/1.1", "Host: a", "Connection: close"));
    let received = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      received += chunk;
      socket.pause();
      // How slow it is, nothing that is waited for.
      setTimeout(() => socket.resume(), 30);
    });
    await once(socket, "close");
    const body = received.slice(received.indexOf("\r\n\r\n") + 4);
    const text = body.replace(/(?:^|\r\n)[\da-f]+\r\n/g, "").replace(/\r\n$/, "");
    expect(JSON.parse(text).markets).toHaveLength(COUNT + 1);
  });

  it("http-api - an address in debt waits for what is large, not for what is small", async () => {
    const perSecond = 300 * 1024;
    other = await start({ "max-bytes-per-second-per-address": perSecond });
    const begun = performance.now();
    const bytes = (await (await fetch(urlOf(other, "/v3/markets"))).text()).length;
    expect(bytes).toBeGreaterThan(1.5 * perSecond);
    // The first second's worth is there at once, and the last part is paid for behind it.
    const dueMs = ((bytes - perSecond) / perSecond) * 1000 - 200;
    expect(performance.now() - begun).toBeGreaterThan(dueMs);
    const waiting = fetch(urlOf(other, "/v3/markets")).then((response) => response.text());
    const askedAt = performance.now();
    expect((await fetch(urlOf(other, "/v3/markets/1"))).status).toBe(200);
    expect(performance.now() - askedAt).toBeLessThan(1000);
    await waiting;
    expect(performance.now() - askedAt).toBeGreaterThan(dueMs);
  });
});
