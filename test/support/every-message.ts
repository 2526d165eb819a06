import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { parseServerMessage, serverData } from "./server-messages-schema.js";
import { type ServerProcess, startServerProcess } from "./server-process.js";

/** Debian's own, which its packages of Python are for. */
export const PYTHON = "/usr/bin/python3";
/** As wide as ids may be, in the forms that a file has for them. */
export const MARKET_IDS = [1001, Number.MAX_SAFE_INTEGER, `${2n ** 53n}`, `${2n ** 128n - 1n}`];
/** Every type of a server's messages. */
export const SERVER_TYPES: readonly string[] = Object.keys(serverData).sort();

/** What a client in Python says when nothing but `ServerShutdown` has not come. */
const LAST = "all but the shutdown";

/** What a client in Python has received. */
interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly examples: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}

/** Starts a server that will send every type of message, once it is {@link provoke}d. */
export async function startServerOfEveryMessage(folder: string): Promise<ServerProcess> {
  const file = join(folder, "markets.json");
  const rest = { title: "Märket", status: "Active", tick_size: 0.001, lot_size: 1, max_price: 1 };
  await writeFile(file, JSON.stringify(MARKET_IDS.map((market_id) => ({ market_id, ...rest }))));
  return await startServerProcess(
    { shards: 1, "market-interval": 50, feed: "exchange", "markets-file": file },
    { threadEnds: true },
  );
}

/** Has a server send what only comes when it is made to, but for `ServerShutdown`, which is its last. */
export async function provoke(server: ServerProcess): Promise<void> {
  const body = JSON.stringify({ level: "info", message: "ünïcode" });
  const headers = { "Content-Type": "application/json" };
  await fetch(`http://127.0.0.1:${server.opsPort}/notify`, { method: "POST", body, headers });
  server.command({ restartProducer: true });
}

/**
 * Runs a client in Python until it has received every type of message, each as the contract has it.
 * @param args the client's file and what it is called with, before the list of types
 */
export async function expectPythonReadsEveryMessage(
  server: ServerProcess,
  args: readonly string[],
): Promise<void> {
  const client = spawn(PYTHON, [...args, SERVER_TYPES.join(",")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const exited = once(client, "exit");
    const lines: string[] = [];
    for await (const line of createInterface({ input: client.stdout })) {
      lines.push(line);
      if (line === "subscribed") await provoke(server);
      if (line === LAST) server.child.kill("SIGTERM");
    }
    await exited;
    const report = JSON.parse(lines.at(-1) as string) as Report;
    expect(report.faults).toEqual([]);
    expect(Object.keys(report.counts).sort()).toEqual(SERVER_TYPES);
    for (const example of Object.values(report.examples)) parseServerMessage(example);
  } finally {
    if (client.exitCode === null) client.kill("SIGKILL");
  }
}
