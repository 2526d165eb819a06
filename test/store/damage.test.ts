import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { verifyDataFile } from "../../src/store/data-file.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { engineRun, take } from "./engine-run.js";

const TRIAL = fileURLToPath(new URL("damage-trial.mjs", import.meta.url));
const TRIALS = 60;

/** The directory of a closed store with a history, part of which is pruned, so that pages are free. */
async function usedStore(): Promise<string> {
  const dir = temporaryDirectory();
  const store = await openStore(dir, {
    orderRetentionMs: 1,
    maxStoredOrders: 300,
    clientOrderIdRetentionMs: 1,
    tradeRetentionMs: 1,
    maxStoredTrades: 200,
  });
  for (const changes of take(engineRun(4, 150, { wallets: 40 }), 10)) {
    await store.commit(changes);
    await store.prune(changes.orders.at(-1)?.updatedTs ?? 0);
  }
  await store.close();
  return dir;
}

interface TrialsOutcome {
  /** Of the trial that ended the process, if one did. */
  readonly crashed: unknown;
  readonly outcomes: readonly string[];
}

function runTrials(original: string, first: number, trials: number): Promise<TrialsOutcome> {
  const task = JSON.stringify({ original, dir: temporaryDirectory(), first, trials });
  return new Promise((resolve) => {
    execFile(process.execPath, [TRIAL, task], (error, stdout) => {
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const outcomes = lines.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]));
      resolve({ crashed: error === null ? undefined : [lines.at(-1), error.signal], outcomes });
    });
  });
}

describe("damage", () => {
  it("damage - a sound file is taken for one, however often it was written to", async () => {
    const dir = temporaryDirectory();
    const retention = {
      orderRetentionMs: 1,
      maxStoredOrders: 100,
      clientOrderIdRetentionMs: 1,
      tradeRetentionMs: 1,
      maxStoredTrades: 30,
    };
    const changes = engineRun(8, 200, { wallets: 60 });
    for (let opening = 0; opening < 5; opening++) {
      const store = await openStore(dir, retention);
      for (const one of take(changes, 6)) {
        await store.commit(one);
        if (opening % 2 === 1) await store.prune(one.orders.at(-1)?.updatedTs ?? 0);
        // Nobody writes between two commits.
        await verifyDataFile(join(dir, "data.mdb"));
      }
      await store.close();
    }
  });

  it.each([
    ["empty", () => Buffer.alloc(0), "it is cut off"],
    ["zeros", (all: Buffer) => Buffer.alloc(all.length), "it does not begin like an LMDB file"],
    ["text", () => Buffer.from("hello\n".repeat(5000)), "it does not begin like an LMDB file"],
    ["half", (all: Buffer) => all.subarray(0, all.length / 2), "cut off"],
    ["its first page alone", (all: Buffer) => all.subarray(0, 4096), "it is cut off"],
    [
      "without its second page",
      (all: Buffer) => Buffer.from(all).fill(0, 4096, 8192),
      "its second page is not what it must be",
    ],
    [
      "of pages of no size",
      (all: Buffer) => Buffer.from(all).fill(0, 48, 52),
      "its page size is 0",
    ],
    [
      "said to be of pages without end",
      (all: Buffer) => Buffer.from(all).fill(0xff, 4096 + 148, 4096 + 149),
      "its last page is \\d+",
    ],
    [
      "of databases of another kind",
      (all: Buffer) => Buffer.from(all).fill(0xff, 52, 53),
      "its databases have flags 0 and 255",
    ],
  ])("damage - a file that is %s is refused, and left as it is", async (_, make, reason) => {
    const dir = await usedStore();
    const path = join(dir, "data.mdb");
    const content = make(readFileSync(path));
    writeFileSync(path, content);
    await expect(openStore(dir)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringMatching(new RegExp(`^${path} is damaged: .*${reason}`)),
    });
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it("damage - a store whose file is gone is not begun anew", async () => {
    const dir = await usedStore();
    rmSync(join(dir, "data.mdb"));
    await expect(openStore(dir)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringContaining("lock.mdb shows that there was a store"),
    });
    expect(existsSync(join(dir, "data.mdb"))).toBe(false);
  });

  it("damage - wherever it is, the process lives, and says so or is not touched by it", async () => {
    const dir = await usedStore();
    const { crashed, outcomes } = await runTrials(join(dir, "data.mdb"), 1, TRIALS);
    expect(crashed).toBeUndefined();
    expect(outcomes).toHaveLength(TRIALS);
    const other = outcomes.filter((one) => !/^\w+: (harmless|STORE_\w+)$/.test(one));
    expect(other).toEqual([]);
    const found = outcomes.filter((one) => one.endsWith("STORE_DAMAGED"));
    expect(found.length).toBeGreaterThan(TRIALS / 4);
  });
});
