import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  MAIN,
} from "../../src/counters/counters.js";
import { type OpsPort, openOpsPort, rawRequest, writing } from "../support/ops-server.js";
import { until } from "../support/until.js";

const MAX = 8;
const TIMEOUT_MS = 300;
const HEAD = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
const POST =
  "POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

let ops: OpsPort;
let counters: CounterSection;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  ops.close();
});

async function open(requestTimeoutMs = TIMEOUT_MS): Promise<void> {
  counters = counterBlockOf(createCounterBuffer(0)).main;
  ops = await openOpsPort({
    opsMaxConnections: MAX,
    opsRequestTimeoutMs: requestTimeoutMs,
    counters,
  });
}

/** A connection that has written these bytes; `closed` resolves with when it ended, and what came. */
async function write(bytes: string) {
  const begun = performance.now();
  const socket = await writing(ops.port, bytes);
  sockets.push(socket);
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  // Not `once`, which rejects where what was on its way when it was cut has it end with a reset.
  const closed = new Promise<{ text: string; ms: number }>((resolve) => {
    socket.on("close", () => resolve({ text, ms: performance.now() - begun }));
  });
  return { socket, closed, text: () => text };
}

/** How many answers have come whole. */
const answers = (text: string): number => text.split('{"status":"alive"}').length - 1;
const answered = () => rawRequest(ops.port, `${HEAD}\r\n`);
const gauge = (word: number): number => counted(counters, word);

describe("ops-connections", () => {
  it("ops-connections - one without a whole request in time is cut, and counted", async () => {
    await open();
    const halves = ["", "GET", HEAD, `${HEAD}Content-Length: 10\r\n`, POST, `${POST}5\r\nabc`];
    const cut = await Promise.all(halves.map(async (bytes) => (await write(bytes)).closed));
    for (const { text, ms } of cut) {
      expect(text).toBe("");
      expect(ms).toBeGreaterThanOrEqual(TIMEOUT_MS - 50);
      expect(ms).toBeLessThan(TIMEOUT_MS + 2000);
    }
    expect(gauge(MAIN.opsDropped + 1)).toBe(halves.length);
    await until("no connection is left", () => gauge(MAIN.opsConnections) === 0);
  });

  it("ops-connections - half a request behind a whole one is cut as well", async () => {
    await open();
    const { socket, closed, text } = await write(`${HEAD}\r\n`);
    await until("an answer", () => answers(text()) === 1);
    const begun = performance.now();
    socket.write(HEAD);
    await closed;
    expect(performance.now() - begun).toBeGreaterThanOrEqual(TIMEOUT_MS - 50);
    expect(gauge(MAIN.opsDropped + 1)).toBe(1);
  });

  it("ops-connections - a head that comes byte by byte is answered, or cut when its time is over", async () => {
    await open(2000);
    const { socket, text } = await write("");
    for (const byte of `${HEAD}\r\n`) {
      await new Promise((resolve) => socket.write(byte, resolve));
    }
    await until("an answer", () => answers(text()) === 1);
    ops.close();
    await open();
    const slow = await write(`${HEAD}X: `);
    const timer = setInterval(() => slow.socket.write("x"), 20);
    const { text: nothing, ms } = await slow.closed.finally(() => clearInterval(timer));
    expect(nothing).toBe("");
    expect(ms).toBeLessThan(TIMEOUT_MS + 2000);
    expect(gauge(MAIN.opsDropped + 1)).toBe(1);
  });

  it("ops-connections - over the bound the one that has asked for nothing the longest goes", async () => {
    await open(60_000);
    const first = await write(HEAD);
    const kept = await write(`${HEAD}\r\n`);
    await until("an answer", () => answers(kept.text()) === 1);
    for (let held = 2; held < MAX; held++) await write(HEAD);
    await until("all are in", () => gauge(MAIN.opsConnections) === MAX);
    kept.socket.write(`${HEAD}\r\n`);
    await until("a second answer", () => answers(kept.text()) === 2);
    expect((await answered()).status).toBe(200);
    await first.closed;
    expect(gauge(MAIN.opsDropped)).toBe(1);
    for (let more = 0; more < MAX - 2; more++) await write(HEAD);
    kept.socket.write(`${HEAD}\r\n`);
    await until("a third answer", () => answers(kept.text()) === 3);
    expect(gauge(MAIN.opsConnections)).toBeLessThanOrEqual(MAX);
  });

  it("ops-connections - bodies begun and never ended keep nobody out either", async () => {
    await open(60_000);
    for (let round = 0; round < 3 * MAX; round++) {
      await write(POST);
      expect((await answered()).status).toBe(200);
    }
    expect(gauge(MAIN.opsConnections)).toBeLessThanOrEqual(MAX);
  });

  it("ops-connections - a request with a body that nobody wants is answered, and its end not awaited", async () => {
    await open(60_000);
    const endless = [
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
      `${HEAD}Content-Length: 100000000\r\n\r\n`,
      POST.replace("POST", "DELETE"),
      POST.replace("localhost", "evil.example"),
      POST.replace("application/json", "text/plain"),
    ];
    for (const head of endless) {
      const { socket, closed, text } = await write(head);
      await until("an answer", () => text().includes("\r\n\r\n"));
      expect(text()).toContain("Connection: close");
      const timer = setInterval(() => socket.write(`4000\r\n${"x".repeat(0x4000)}\r\n`), 1);
      await closed.finally(() => clearInterval(timer));
    }
    expect(gauge(MAIN.opsDropped + 1)).toBe(0);
    expect((await answered()).status).toBe(200);
  });

  it("ops-connections - a body over the bound is 413 though it never ends", async () => {
    await open(60_000);
    const { closed } = await write(`${POST}4000\r\n${"x".repeat(0x4000)}\r\n1\r\nx\r\n`);
    const { text } = await closed;
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain("BODY_TOO_LARGE");
    const announced = await write(
      POST.replace("Transfer-Encoding: chunked", "Content-Length: 16385"),
    );
    expect((await announced.closed).text).toMatch(/^HTTP\/1\.1 413 /);
    expect(ops.notices).toEqual([]);
  });

  it("ops-connections - a few requests at once are answered in their order, a flood is cut", async () => {
    await open(60_000);
    const four = [HEAD, HEAD, HEAD, HEAD.replace("healthz", "status")];
    const { text } = await write(four.map((head) => `${head}\r\n`).join(""));
    await until("four answers", () => text().split("HTTP/1.1 200").length === 5);
    expect(answers(text().slice(0, text().indexOf("shards")))).toBe(3);
    const flood = await write(`${HEAD}\r\n`.repeat(1500));
    expect(answers((await flood.closed).text)).toBeLessThan(100);
    expect((await answered()).status).toBe(200);
  });

  it("ops-connections - what is no HTTP is 400, a head without end 431", async () => {
    await open(60_000);
    const garbage = await (await write("hello\r\n\r\n")).closed;
    expect(garbage.text).toMatch(/^HTTP\/1\.1 400 .*"code":"INVALID_MESSAGE"/s);
    const long = await (await write(`${HEAD}X: ${"x".repeat(20_000)}`)).closed;
    expect(long.text).toMatch(/^HTTP\/1\.1 431 .*"code":"INVALID_MESSAGE"/s);
  });
});
