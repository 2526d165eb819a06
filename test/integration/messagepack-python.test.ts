import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseServerMessage, serverData } from "../support/server-messages-schema.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { temporaryDirectory } from "../support/trading.js";

/** Debian's own, which its python3-websockets and python3-msgpack are for. */
const PYTHON = "/usr/bin/python3";
const CLIENT = fileURLToPath(new URL("../support/messagepack-client.py", import.meta.url));
/** As wide as ids may be, in the forms that a file has for them. */
const MARKET_IDS = [1001, Number.MAX_SAFE_INTEGER, `${2n ** 53n}`, `${2n ** 128n - 1n}`];
const MISSING = `${PYTHON} has no websockets and msgpack (Debian: python3-websockets python3-msgpack)`;

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly examples: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}

describe("a MessagePack client in Python", () => {
  const available = spawnSync(PYTHON, ["-c", "import msgpack, websockets"]).status === 0;
  let server: ServerProcess | undefined;
  let client: ChildProcess | undefined;
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    folder = await temporaryDirectory();
    if (!available) return;
    const file = join(folder.path, "markets.json");
    const rest = { title: "Märket", status: "Active", tick_size: 0.001, lot_size: 1, max_price: 1 };
    await writeFile(file, JSON.stringify(MARKET_IDS.map((market_id) => ({ market_id, ...rest }))));
    server = await startServerProcess(
      { shards: 1, "market-interval": 50, feed: "exchange", "markets-file": file },
      { threadEnds: true },
    );
  });
  afterAll(async () => {
    if (client?.exitCode === null) client.kill("SIGKILL");
    await server?.dispose();
    await folder.remove();
  });

  it("messagepack - every message type decodes, with integers where they belong", async (test) => {
    if (server === undefined) return test.skip(MISSING);
    const types = Object.keys(serverData);
    const uri = `ws://127.0.0.1:${server.port}/ws/v3?token=${testToken()}`;
    client = spawn(PYTHON, [CLIENT, uri, types.join(",")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(client, "exit");
    const lines: string[] = [];
    for await (const line of createInterface({ input: client.stdout as NodeJS.ReadableStream })) {
      lines.push(line);
      if (line !== "subscribed") continue;
      const body = JSON.stringify({ level: "info", message: "ünïcode" });
      const headers = { "Content-Type": "application/json" };
      const notify = `http://127.0.0.1:${server.opsPort}/notify`;
      await fetch(notify, { method: "POST", body, headers });
      server.command({ restartProducer: true });
    }
    await exited;
    const report = JSON.parse(lines.at(-1) as string) as Report;
    expect(report.faults).toEqual([]);
    expect(Object.keys(report.counts).sort()).toEqual([...types].sort());
    for (const example of Object.values(report.examples)) parseServerMessage(example);
  });
});
