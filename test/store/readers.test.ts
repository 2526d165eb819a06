import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EngineChanges } from "../../src/engine/commands.js";
import type { Store } from "../../src/store/store.js";
import { storeDirectory } from "../../src/store/store-file.js";
import { openStore, temporaryDirectory } from "./directories.js";

const COMMAND = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
const READER = fileURLToPath(new URL("holding-reader.mjs", import.meta.url));
const WALLETS = 2000;
/** Commits that change all positions; each takes a file's worth of new pages while a reader holds it. */
const COMMITS = 12;

let dataDir: string;
let dir: string;
let store: Store;
let commits: number;
const readers: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = temporaryDirectory();
  dir = storeDirectory(dataDir);
  store = await openStore(dir);
  commits = 0;
  await write(4);
});
afterEach(async () => {
  for (const reader of readers.splice(0)) {
    if (reader.exitCode !== null || reader.signalCode !== null) continue;
    reader.kill("SIGKILL");
    await once(reader, "exit");
  }
});

const size = () => statSync(join(dir, "data.mdb")).size;

/** Commits and prunes, as the server does; returns by how much the file has grown. */
async function write(count = COMMITS): Promise<number> {
  const before = size();
  for (let i = 0; i < count; i++) {
    commits++;
    await store.commit({
      orders: [],
      trades: [],
      positions: Array.from({ length: WALLETS }, (_, at) => ({
        wallet: `wallet-${at}`,
        marketId: 1,
        quantity: commits,
        cost: BigInt(commits),
        realizedPnl: 0n,
        updatedTs: commits,
      })),
      totals: [],
      timers: [],
      markets: [],
      nextOrderId: 1,
      nextTradeId: 1,
    } satisfies EngineChanges);
    await store.prune(commits);
  }
  return size() - before;
}

/** Starts a process that says a line when it is where a test wants it. */
async function start(command: readonly string[], untilOutput = true): Promise<ChildProcess> {
  const reader = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  readers.push(reader);
  if (untilOutput) await once(reader.stdout as NodeJS.ReadableStream, "readable");
  return reader;
}

async function kill(reader: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  expect(await endedBy(reader, signal)).toBe(signal);
}

/** The signal that a process ended by, or null where it had come to its own end just then. */
async function endedBy(
  reader: ChildProcess,
  signal: NodeJS.Signals,
): Promise<NodeJS.Signals | null> {
  const exited = once(reader, "exit");
  reader.kill(signal);
  return (await exited)[1] as NodeJS.Signals | null;
}

describe("store readers", () => {
  it("store readers - the file grows while one holds a state, and no more once it was killed", async () => {
    const alone = await write();
    const reader = await start([READER, dir]);
    const held = await write();
    expect(held).toBeGreaterThan(alone + 1_000_000);
    await kill(reader, "SIGKILL");
    // What was kept for it is used again.
    await write(2);
    expect(await write()).toBeLessThanOrEqual(alone);
  });

  it.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
    "store readers - a check that %s ends at any moment leaves nothing that makes the file grow",
    async (signal) => {
      await write();
      for (let round = 0; round < 4; round++) {
        const reader = await start([COMMAND, "store", "check", "--data-dir", dataDir], false);
        // Another moment in each round, whatever the check is at.
        const ended = Promise.race([once(reader, "exit"), sleep(150 + 60 * round)]);
        await Promise.all([ended, write(1)]);
        if (reader.exitCode === null && reader.signalCode === null) await endedBy(reader, signal);
      }
      await write(2);
      expect(await write()).toBeLessThan(500_000);
    },
  );

  it.each([["check"], ["export"]])(
    "store readers - a store %s whose output nobody reads holds no state",
    async (command) => {
      const many = Array.from({ length: 3000 }, (_, at) => ({
        orderId: at + 1,
        marketId: 1,
        wallet: "w".repeat(100),
        clientOrderId: undefined,
        side: "Buy" as const,
        orderType: "Limit" as const,
        timeInForce: "GTC" as const,
        postOnly: false,
        selfTrade: "CancelTaker" as const,
        expiresTs: undefined,
        price: 1,
        quantity: 1,
        session: undefined,
        priority: at + 1,
        original: undefined,
        filled: 0,
        filledValue: 0n,
        status: "Open" as const,
        reason: undefined,
        reasonCode: undefined,
        createdTs: 1,
        updatedTs: 1,
      }));
      await store.putMarkets([{ marketId: 1, title: "One", tickSize: 0.01, lotSize: 1 }]);
      await store.commit({
        orders: many,
        trades: [],
        positions: [],
        totals: [],
        timers: [],
        markets: [],
        nextOrderId: 3001,
        nextTradeId: 1,
      });
      await write();
      // Its pipe is full after a few lines of an export, and a check has all to say at once.
      const reader = await start([COMMAND, "store", command, "--data-dir", dataDir]);
      if (command === "check") await once(reader, "exit");
      await write(2);
      expect(await write()).toBeLessThan(500_000);
      if (command === "export") expect(reader.exitCode).toBeNull();
    },
  );
});
