import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { type Outcome, runMarketcast, startMarketcast } from "./run-marketcast.js";

const cwd = mkdtempSync(join(tmpdir(), "marketcast-doctor-"));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const NAMES = [
  ...["tcp", "upgrade", "json", "msgpack", "protobuf", "unknown subprotocol", "anonymous", "token"],
  ...["bad token", "ping", "subscription", "delivery", "sequence", "INVALID_MESSAGE"],
  ...["UNKNOWN_TYPE", "MARKET_NOT_FOUND", "trading"],
];

/** Its exit code, and the mark and the detail of each check by its name. */
interface Verdict {
  readonly code: number | null;
  readonly marks: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, string>>;
  readonly summary: string;
}

function verdictOf({ code, stdout, stderr }: Outcome): Verdict {
  expect(stderr).toBe("");
  const lines = stdout.trimEnd().split("\n");
  const rows = lines.slice(1, -1).map((line) => {
    const { mark, name, time, detail } =
      /^(?<mark>[✓✗–]) (?<name>.{19}) {2}(?<time>.{10}) {2}(?<detail>.+)$/u.exec(line)?.groups ??
      {};
    expect(time, line).toMatch(mark === "–" ? /^ +$/ : /^ *\d+\.\d ms$/);
    return [(name ?? line).trim(), mark ?? "", detail ?? ""] as const;
  });
  return {
    code,
    marks: Object.fromEntries(rows.map(([name, mark]) => [name, mark])),
    details: Object.fromEntries(rows.map(([name, , detail]) => [name, detail])),
    summary: lines.at(-1) ?? "",
  };
}

// Long enough for a machine whose disk is busy with other tests.
const FAST = ["--duration", "1500", "--timeout", "20000"];

async function examine(
  port: number,
  args: readonly string[] = FAST,
  env: Record<string, string> = {},
): Promise<Verdict> {
  const url = `ws://127.0.0.1:${port}`;
  return verdictOf(await runMarketcast(["doctor", url, ...args], { cwd, env }));
}

/** The failed checks with what was wrong. */
const failuresOf = (verdict: Verdict): string[] =>
  named("✗", verdict).map((name) => `${name}: ${verdict.details[name]}`);

const named = (mark: string, { marks }: Verdict): string[] =>
  NAMES.filter((name) => marks[name] === mark);

describe("doctor, on a server", () => {
  let server: ServerProcess;
  let proxy: FrameProxy;
  beforeAll(async () => {
    const flags = { feed: "exchange", shards: 1, "feed-rate": 2000 };
    server = await startServerProcess(flags);
    proxy = await FrameProxy.start(server.port);
  });
  afterEach(() => {
    proxy.rules = {};
  });
  afterAll(() => Promise.all([proxy.close(), server.dispose()]));

  it("doctor - passes a sound server, and skips the token where there is none", async () => {
    const verdict = await examine(server.port);
    expect(Object.keys(verdict.marks)).toEqual(NAMES);
    expect([failuresOf(verdict), named("–", verdict), verdict.code]).toEqual([[], ["token"], 0]);
    expect(verdict.details["delivery"]).toMatch(
      /^\d+ messages\/s; latency p50 \d+\.\d+ ms, p99 \d+\.\d+ ms$/,
    );
    expect(verdict.details["trading"]).toContain("AUTH_REQUIRED");
    expect(verdict.summary).toMatch(/^16 passed, 0 failed, 1 skipped in \d+\.\d s$/);
  });

  it("doctor - takes a token from the environment and writes a report", async () => {
    const env = { MARKETCAST_TOKEN: testToken({ sub: "alice", wallet: "w-1" }) };
    const verdict = await examine(server.port, [...FAST, "--json", "report.json"], env);
    expect([failuresOf(verdict), named("✓", verdict), verdict.code]).toEqual([[], NAMES, 0]);
    expect(verdict.details["token"]).toBe("user alice, wallet w-1");
    expect(verdict.details["trading"]).toBe("orders are taken (ORDER_NOT_FOUND)");
    const report = JSON.parse(readFileSync(join(cwd, "report.json"), "utf8"));
    expect(report).toMatchObject({ url: `ws://127.0.0.1:${server.port}/ws/v3`, passed: true });
    const delivery = report.checks[NAMES.indexOf("delivery")];
    expect(delivery).toMatchObject({ name: "delivery", status: "passed" });
    const { messages, messages_per_second, latency_p50_ms, latency_p99_ms } = delivery.figures;
    expect(messages).toBeGreaterThan(0);
    expect(messages_per_second).toBeGreaterThan(0);
    expect(latency_p50_ms).toBeGreaterThan(0);
    expect(latency_p99_ms).toBeGreaterThanOrEqual(latency_p50_ms);
    expect(report.checks[NAMES.indexOf("ping")].figures.server_clock_ahead_ms).toBe(0);
  });

  it("doctor - says that the clocks differ, and takes that off the latency", async () => {
    const shift = "const now = Date.now; Date.now = () => now() + 60_000;";
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(shift)}`;
    const verdict = await examine(server.port, FAST, { NODE_OPTIONS });
    expect([failuresOf(verdict), verdict.code]).toEqual([[], 0]);
    expect(verdict.details["ping"]).toMatch(/the server's clock is (59|60)\d{3}\.\d ms behind$/);
    const [, p50 = ""] =
      /p50 (\d+\.\d+) ms.*, the clocks' difference taken off$/.exec(
        verdict.details["delivery"] ?? "",
      ) ?? [];
    expect(Number(p50)).toBeGreaterThan(0);
    expect(Number(p50)).toBeLessThan(2000);
  });

  it("doctor - goes on to its verdict where nobody reads any more", async () => {
    const command = startMarketcast(["doctor", "--port", String(server.port), ...FAST], { cwd });
    await command.printed(/json/);
    command.process.stdout?.destroy();
    const { code, stderr } = await command.outcome;
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("doctor - fails a token that the server refuses", async () => {
    const verdict = await examine(server.port, FAST, { MARKETCAST_TOKEN: testToken({}, -10) });
    expect([named("✗", verdict), named("–", verdict), verdict.code]).toEqual([["token"], [], 1]);
    expect(verdict.details["token"]).toContain("401");
  });

  it("doctor - fails a server that loses trades", async () => {
    let trades = 0;
    proxy.rules.dropFromServer = ({ type }) => type === "TradeExecution" && ++trades % 2 === 0;
    const verdict = await examine(proxy.port, ["--duration", "3000"]);
    expect([named("✗", verdict), verdict.code]).toEqual([["sequence"], 1]);
    expect(verdict.details["sequence"]).toMatch(
      /the first in trade of market \d+: #\d+ after #\d+/,
    );
  });

  it("doctor - fails a server that delivers nothing, within its time", async () => {
    const silent = ["PriceUpdate", "TradeExecution"];
    proxy.rules.dropFromServer = ({ type }) => silent.includes(type);
    const verdict = await examine(proxy.port);
    expect([named("✗", verdict), named("–", verdict), verdict.code]).toEqual([
      ["delivery"],
      ["token", "sequence"],
      1,
    ]);
  });

  it("doctor - fails a server that answers no error, and goes on", async () => {
    proxy.rules.dropFromServer = (message) =>
      message.type === "Error" && message.data.code === "UNKNOWN_TYPE";
    const verdict = await examine(proxy.port, ["--duration", "300", "--timeout", "1000"]);
    expect([named("✗", verdict), verdict.code]).toEqual([["UNKNOWN_TYPE"], 1]);
    expect(verdict.details["UNKNOWN_TYPE"]).toBe("no message within 1000 ms");
  });
});

describe("doctor, on what is no server", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const one of servers.splice(0)) one.close();
  });

  async function listening(server: Server): Promise<number> {
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  it("doctor - fails a closed port, and skips the rest", async () => {
    const server = createServer();
    const port = await listening(server);
    server.close();
    const verdict = await examine(port);
    expect([named("✗", verdict), verdict.code]).toEqual([["tcp"], 1]);
    expect(named("–", verdict)).toEqual(NAMES.slice(1));
    expect(verdict.details["tcp"]).toContain("ECONNREFUSED");
  });

  it("doctor - fails a plain HTTP server", async () => {
    const server = createHttpServer((_request, response) => response.writeHead(404).end("no page"));
    const verdict = await examine(await listening(server));
    expect([named("✓", verdict), named("✗", verdict), verdict.code]).toEqual([
      ["tcp"],
      ["upgrade"],
      1,
    ]);
    expect(verdict.details["upgrade"]).toBe("the server answered 404: no page");
  });

  it("doctor - fails a server that accepts and stays silent, within its time", async () => {
    const server = createServer((socket) => socket.on("error", () => {}));
    const startedMs = performance.now();
    const verdict = await examine(await listening(server), ["--timeout", "500"]);
    expect([named("✓", verdict), named("✗", verdict), verdict.code]).toEqual([
      ["tcp"],
      ["upgrade"],
      1,
    ]);
    // Besides the timeout: the start of a process, on a busy machine.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it("doctor - fails a WebSocket server that says nothing, or something else", async () => {
    for (const greeting of [undefined, '{"type":"Hello"}', "no JSON"]) {
      const server = createHttpServer();
      new WebSocketServer({ server }).on("connection", (ws) => {
        if (greeting !== undefined) ws.send(greeting);
      });
      const verdict = await examine(await listening(server), ["--timeout", "500"]);
      expect([named("✗", verdict), verdict.code]).toEqual([["upgrade"], 1]);
      server.closeAllConnections();
    }
  });
});

describe("doctor, wrong usage", () => {
  it.each([
    [["nowhere"], 'url: "nowhere" is not a URL'],
    [["ws://localhost", "--json", "no/such/folder.json"], "json: the file cannot be written"],
  ])("doctor - %j says what is wrong and exits with 2", async (args, message) => {
    const { code, stdout, stderr } = await runMarketcast(["doctor", ...args], { cwd });
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
