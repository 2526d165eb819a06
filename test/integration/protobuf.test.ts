import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseServerMessage, serverData } from "../support/server-messages-schema.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { temporaryDirectory } from "../support/trading.js";

/** Debian's own, which its python3-websockets and python3-protobuf are for. */
const PYTHON = "/usr/bin/python3";
const CLIENT = fileURLToPath(new URL("../support/protobuf-client.py", import.meta.url));
const PROTO = fileURLToPath(new URL("../../proto/marketcast.proto", import.meta.url));
const MISSING = `no protoc, or ${PYTHON} has no websockets and protobuf (Debian: protobuf-compiler python3-protobuf python3-websockets)`;
/** As wide as ids may be, in the forms that a file has for them. */
const MARKET_IDS = [1001, Number.MAX_SAFE_INTEGER, `${2n ** 53n}`, `${2n ** 128n - 1n}`];
const TYPES = Object.keys(serverData).sort();

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly examples: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;
let python: ChildProcess | undefined;

beforeEach(async () => {
  folder = await temporaryDirectory();
  const file = join(folder.path, "markets.json");
  const rest = { title: "Märket", status: "Active", tick_size: 0.001, lot_size: 1, max_price: 1 };
  await writeFile(file, JSON.stringify(MARKET_IDS.map((market_id) => ({ market_id, ...rest }))));
  server = await startServerProcess(
    { shards: 1, "market-interval": 50, feed: "exchange", "markets-file": file },
    { threadEnds: true },
  );
});
afterEach(async () => {
  if (python?.exitCode === null) python.kill("SIGKILL");
  await server.dispose();
  await folder.remove();
});

/** What only comes when it is made to. */
async function provoke(): Promise<void> {
  const body = JSON.stringify({ level: "info", message: "ünïcode" });
  const headers = { "Content-Type": "application/json" };
  await fetch(`http://127.0.0.1:${server.opsPort}/notify`, { method: "POST", body, headers });
  server.command({ restartProducer: true });
}

describe("protobuf", () => {
  it("protobuf - another library reads every message type of the server, to the contract's JSON", async () => {
    const query = `?token=${testToken()}`;
    const client = await TestClient.connect(server.port, { encoding: "protobuf", query });
    const wallet = "wallet-1";
    const subscribed = await client.subscribe(
      { type: "Markets", params: { filter: { search: "MÄRKET" } } },
      { type: "Market", params: { market_id: 1001 } },
      { type: "Market", params: { market_id: `${2n ** 53n}` } },
      { type: "PriceFeed", params: { market_ids: MARKET_IDS } },
      { type: "Trades" },
      { type: "SystemStatus" },
      { type: "Orders", params: { wallet } },
      { type: "Positions", params: { wallet } },
    );
    const seen = new Set(["Connected", "Authenticated", subscribed.type]);
    const order = { market_id: 1001, side: "Buy", order_type: "Market", quantity: 1 };
    client.send({ type: "Ping", id: "ü", data: { timestamp: 1.5 } });
    client.send({ type: "CancelOrder", id: -1, data: { order_id: "none" } });
    client.send({ type: "Unsubscribe", id: 2 ** 40, data: { channels: [{ type: "Trades" }] } });
    client.send({ type: "Subscribe", id: 1, data: { channels: [{ type: "Trades" }] } });
    client.send({ type: "PlaceOrder", id: 2, data: { order } });
    await provoke();
    while (seen.size < TYPES.length) seen.add((await client.next()).type);
    expect([...seen].sort()).toEqual(TYPES);
    await client.close();
  });

  it("protobuf - what is no message is an Error, as in the other encodings, and the connection goes on", async () => {
    const client = await TestClient.connect(server.port, { encoding: "protobuf" });
    await client.take("Connected");
    for (const payload of ["", "ff", "0b0c", "32003200", "120180", "0802"])
      expect(await client.requestRaw(Buffer.from(payload, "hex"))).toMatchObject({
        type: "Error",
        data: { code: "INVALID_MESSAGE" },
      });
    expect(await client.requestRaw(Buffer.from("0802a20600", "hex"))).toMatchObject({
      type: "Error",
      id: 1,
      data: { code: "UNKNOWN_TYPE" },
    });
    const pong = await client.request({ type: "Ping", data: { timestamp: 1 } });
    expect(pong).toMatchObject({ type: "Pong", data: { timestamp: 1 } });
    await client.close();
  });

  it("protobuf - a client in Python reads every message type with what protoc makes of the file", async (test) => {
    const made = spawnSync("protoc", [`--python_out=${folder.path}`, "-I", dirname(PROTO), PROTO]);
    const imports = "import google.protobuf, websockets";
    if (made.status !== 0 || spawnSync(PYTHON, ["-c", imports]).status !== 0)
      return test.skip(MISSING);
    const uri = `ws://127.0.0.1:${server.port}/ws/v3?token=${testToken()}`;
    python = spawn(PYTHON, [CLIENT, folder.path, uri, TYPES.join(",")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(python, "exit");
    const lines: string[] = [];
    for await (const line of createInterface({ input: python.stdout as NodeJS.ReadableStream })) {
      lines.push(line);
      if (line === "subscribed") await provoke();
    }
    await exited;
    const report = JSON.parse(lines.at(-1) as string) as Report;
    expect(report.faults).toEqual([]);
    expect(Object.keys(report.counts).sort()).toEqual(TYPES);
    for (const example of Object.values(report.examples)) parseServerMessage(example);
  });
});
