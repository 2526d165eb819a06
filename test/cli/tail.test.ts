import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { feedListings, listing, quote, trade } from "../support/feed-lines.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  hasTerminal,
  type RunningCommand,
  runMarketcast,
  runOnTerminal,
  startMarketcast,
} from "./run-marketcast.js";

const cwd = mkdtempSync(join(tmpdir(), "marketcast-tail-"));
const TITLE = "Rain in Spain";

let server: ServerProcess;
let proxy: FrameProxy;
const running: RunningCommand[] = [];

beforeAll(async () => {
  server = await startServerProcess(
    { feed: "stdin", shards: 1 },
    { threadEnds: true, stdin: "pipe" },
  );
  proxy = await FrameProxy.start(server.port);
  await feedListings(
    server,
    [7, 8],
    listing(7, TITLE),
    listing(8, "Snow", "Halted"),
    quote(7, 1, 2),
  );
});
afterEach(async () => {
  proxy.rules = {};
  for (const command of running.splice(0)) {
    command.process.kill("SIGKILL");
    await command.outcome;
  }
});
afterAll(async () => {
  await proxy.close();
  await server.dispose();
  rmSync(cwd, { recursive: true, force: true });
});

function start(args: readonly string[], env: Record<string, string> = {}): RunningCommand {
  const command = startMarketcast(["tail", "--url", proxy.url, ...args], { cwd, env });
  running.push(command);
  return command;
}

const run = (args: readonly string[], env?: Record<string, string>) => start(args, env).outcome;

const PRICES = ["--channel", "PriceFeed", "--market", "7"];

let cents = 200;
/** Feeds so many changes of the price of market 7, in one chunk. */
function feedPrices(count: number): void {
  const lines = Array.from({ length: count }, () => {
    cents++;
    return quote(7, cents / 100, (cents + 1) / 100);
  });
  server.feed(...lines);
}

/** Starts it and resolves when it has printed the first data. */
async function startAndSee(
  args: readonly string[],
  first = /PriceUpdate/,
): Promise<RunningCommand> {
  const command = start(args);
  await command.printed(first);
  return command;
}

describe("tail, what it prints", () => {
  it("tail - prints each message of the channel as it came, one to a line", async () => {
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws/v3`, "marketcast.json");
    const frames: string[] = [];
    const ended = new Promise<void>((resolve) => {
      ws.on("message", (data: Buffer) => {
        const text = data.toString("utf8");
        if (text.includes('"PriceUpdate"')) frames.push(text);
        if (frames.length === 4) resolve();
      });
    });
    await once(ws, "open");
    const channels = [{ type: "PriceFeed", params: { market_ids: [7] } }];
    ws.send(JSON.stringify({ type: "Subscribe", data: { channels } }));
    const commands: RunningCommand[] = [];
    for (const encoding of ENCODINGS)
      commands.push(await startAndSee([...PRICES, "--count", "4", "--encoding", encoding]));
    feedPrices(3);
    await ended;
    ws.terminate();
    for (const command of commands) {
      const { code, stdout, stderr } = await command.outcome;
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toBe(`${frames.join("\n")}\n`);
    }
  });

  it("tail - takes several channels, and narrows markets by flags", async () => {
    const args = ["--channel", "Markets", "--status", "Active", "--search", "RAIN"];
    const more = ["--min-volume", "0", "--max-volume", "5", "--channel", "SystemStatus"];
    const { stdout } = await run([...args, ...more, "--count", "2"]);
    const messages = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(messages[0]).toMatchObject({
      type: "MarketSnapshot",
      data: { markets: [{ title: TITLE }] },
    });
    expect(messages[0].data.markets).toHaveLength(1);
    expect(messages[1].type).toBe("SystemStatus");
  });

  it("tail - of Presence it prints who is there, of markets and of private channels", async () => {
    const client = await TestClient.connect(server.port);
    await client.subscribe({ type: "Book", params: { market_id: 8 } });
    const env = { MARKETCAST_TOKEN: testToken({ channels: ["desk-1"] }) };
    const args = ["--channel", "Presence", "--market", "8", "--name", "desk-1", "--count", "2"];
    const { code, stdout } = await run(args, env);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).data);
    expect([code, ...lines.sort((a, b) => b.connections - a.connections)]).toEqual([
      0,
      { market_id: 8, connections: 1, users: 0 },
      { channel: "desk-1", connections: 0, users: 0, joined: [], left: [], members: [] },
    ]);
    await client.close();
  });

  it("tail - prints greetings and replies too where all is asked for", async () => {
    const { code, stdout } = await run([...PRICES, "--all", "--count", "3"]);
    const types = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).type);
    expect([code, types]).toEqual([0, ["Connected", "Subscribed", "PriceUpdate"]]);
  });

  it("tail - private channels are those of the token in the environment", async () => {
    const env = { MARKETCAST_TOKEN: testToken({ wallet: "w-1" }) };
    const { stderr } = await run(["--channel", "Orders", "--count", "1"], env);
    expect(stderr).toContain("TRADING_DISABLED");
    const all = ["--channel", "SystemStatus", "--all", "--count", "2"];
    const { stdout } = await run(all, env);
    expect(JSON.parse(stdout.split("\n")[1] as string)).toMatchObject({
      type: "Authenticated",
      data: { wallet: "w-1" },
    });
  });

  it.runIf(hasTerminal)("tail - prints lines with colours on a terminal", async () => {
    const args = ["tail", "--url", proxy.url, "--channel", "Markets", "--count", "1"];
    const coloured = await runOnTerminal(args, { cwd, env: { TERM: "xterm" } });
    expect(coloured.code).toBe(0);
    expect(coloured.stdout).toMatch(/\d\d:\d\d:\d\d\.\d{3}.*MarketSnapshot.*\bbid\b.*Rain/);
    expect(coloured.stdout).toContain("\u001b[36mMarketSnapshot");
    expect(coloured.stdout.trim().split("\n")).toHaveLength(2);
    const plain = await runOnTerminal(args, { cwd, env: { TERM: "xterm", NO_COLOR: "1" } });
    expect(plain.stdout).toContain("MarketSnapshot");
    expect(plain.stdout).not.toContain("\u001b");
  });
});

describe("tail, its end", () => {
  it.each([
    [[], 0],
    [["--count", "1000"], 1],
  ])("tail - with %j a timeout ends it with %d", async (args, code) => {
    expect((await run([...PRICES, ...args, "--timeout", "1500"])).code).toBe(code);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("tail - %s ends it with %d and whole lines", async (signal, code) => {
    const command = await startAndSee(PRICES);
    feedPrices(500);
    command.process.kill(signal);
    const outcome = await command.outcome;
    expect(outcome.code).toBe(code);
    for (const line of outcome.stdout.trim().split("\n")) JSON.parse(line);
    expect(outcome.stdout.endsWith("\n")).toBe(true);
  });

  it("tail - ends with 0 when nobody reads any more", async () => {
    const command = await startAndSee(PRICES);
    command.process.stdout?.destroy();
    const timer = setInterval(() => feedPrices(1), 50);
    const { code, stderr } = await command.outcome.finally(() => clearInterval(timer));
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("tail - ends with 1 where there is no server, at once", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    const args = ["tail", "--port", String(port), "--channel", "SystemStatus"];
    const { code, stdout, stderr } = await runMarketcast(args, { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(new RegExp(`^marketcast: .*ECONNREFUSED 127.0.0.1:${port}\n$`));
  });

  it.each([
    [["--channel", "Market", "--market", "404"], {}, "MARKET_NOT_FOUND"],
    [["--channel", "Trades"], { MARKETCAST_TOKEN: "e30.e30.AAAA" }, "HANDSHAKE_REFUSED"],
  ])("tail - %j is refused with 1 and the server's code", async (args, env, code) => {
    const outcome = await run(args, env);
    expect([outcome.code, outcome.stdout]).toEqual([1, ""]);
    expect(outcome.stderr).toMatch(new RegExp(`^marketcast: .*${code}: .+\n$`));
  });

  it("tail - ends with 1 when its token expires", async () => {
    const env = { MARKETCAST_TOKEN: testToken({}, 5) };
    const { code, stdout, stderr } = await run(PRICES, env);
    expect(code).toBe(1);
    expect(stdout).toContain("PriceUpdate");
    expect(stderr).toContain("4500");
  });
});

describe("tail, continuity", () => {
  it("tail - tells of a gap", async () => {
    const command = await startAndSee([...PRICES, "--count", "3"]);
    const dropped = (cents + 2) / 100;
    proxy.rules.dropFromServer = (message) =>
      message.type === "PriceUpdate" && message.data.best_bid === dropped;
    feedPrices(3);
    const { code, stdout, stderr } = await command.outcome;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^marketcast: gap: 1 price message of market 7 conflated, between #/);
    expect(stdout).not.toContain(`"best_bid":${dropped},`);
  });

  it("tail - goes on after its connection broke, and tells", async () => {
    const command = await startAndSee([...PRICES, "--channel", "Trades"]);
    proxy.cut();
    await command.told(/subscribed again after \d+ ms/);
    server.feed(trade(7, 3.21, 1));
    await command.printed(/"price":3.21/);
    command.process.kill("SIGTERM");
    expect((await command.outcome).stderr).toMatch(/not connected: DISCONNECTED: .*trying again/);
  });
});

describe("tail, wrong usage", () => {
  it.each([
    [[], "--channel"],
    [["--channel", "Prices"], "Allowed choices are Markets, Market, PriceFeed"],
    [["--channel", "Market", "--market", "-1"], "argument '-1' is invalid"],
    [["--channel", "Trades", "--search", "x"], "search: is for Markets only"],
    [["--channel", "Trades", "--count", "0"], "It is not an integer from 1"],
    [["--channel", "Markets", "--min-volume", "1,5"], "argument '1,5' is invalid. It is no number"],
    [["--channel", "Markets", "--max-volume", "0x10"], "'0x10' is invalid. It is no number"],
  ])("tail - %j says what is wrong and exits with 2", async (args, message) => {
    const { code, stdout, stderr } = await runMarketcast(["tail", ...args], { cwd });
    expect(stderr).toMatch(/^(marketcast: .+\n)+$/);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  it("tail - a wallet's channel without a wallet exits with 2", async () => {
    const { code, stderr } = await run(["--channel", "Positions"]);
    expect(stderr).toBe("marketcast: token: is needed; set MARKETCAST_TOKEN\n");
    expect(code).toBe(2);
  });

  it("tail - a token in a URL is refused, and not repeated", async () => {
    const args = ["tail", "--channel", "Trades", "--url", `${proxy.url}/ws/v3?token=hunter2`];
    const { code, stderr } = await runMarketcast(args, { cwd });
    expect(stderr).toContain("must not hold a token");
    expect(stderr).not.toContain("hunter2");
    expect(code).toBe(2);
  });
});
