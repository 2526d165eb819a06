import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";
import { KEEP_ALL, openStore, temporaryDirectory } from "./directories.js";

const WRITER = fileURLToPath(new URL("store-writer.mjs", import.meta.url));
const KILLS = 5;
const ENDS = 15;

/** That the store holds all of a number of the writer's commits, and nothing of another. */
async function expectCommits(dir: string, acknowledged: number): Promise<void> {
  const store = await openStore(dir);
  const { nextOrderId, nextTradeId, openOrders, clientOrderIds, totals } = await store.load();
  const commits = nextTradeId - 1;
  // The last one may have been stored without the news of it having come.
  expect(commits - acknowledged).toBeOneOf([0, 1]);
  expect(nextOrderId).toBe(2 * commits + 1);
  const numbers = Array.from({ length: commits }, (_, index) => index + 1);
  expect([...openOrders].map(({ orderId }) => orderId)).toEqual(numbers.map((n) => 2 * n - 1));
  expect([...clientOrderIds].map(({ orderId }) => orderId)).toEqual(numbers.map((n) => 2 * n));
  expect([...totals]).toEqual([{ marketId: 1, lastPrice: 500, volume: commits }]);
  for (const n of numbers) expect(store.order(2 * n)?.clientOrderId).toBe(`c${n}`);
  await store.close();
}

/** Runs the writer as a process and kills it some time after its first commit. */
async function writeUntilKilled(dir: string, lifeMs: number): Promise<number> {
  const task = JSON.stringify({ dir, retention: KEEP_ALL });
  const writer = spawn(process.execPath, [WRITER, task], { stdio: ["ignore", "pipe", "inherit"] });
  let commits = 0;
  const lines = createInterface(writer.stdout).on("line", (line) => {
    commits = Number(line);
  });
  await once(lines, "line");
  await once(lines, "line");
  // It is to end at any moment, in the middle of whatever it does.
  await sleep(lifeMs);
  writer.kill("SIGKILL");
  await Promise.all([once(writer, "exit"), once(lines, "close")]);
  return commits;
}

/** Runs the writer as a thread and has it end some time after its first commit. */
async function writeUntilEnded(dir: string, lifeMs: number): Promise<number> {
  const writer = new Worker(WRITER, { workerData: { dir, retention: KEEP_ALL } });
  let commits = 0;
  writer.on("message", (message: number) => {
    commits = message;
  });
  await once(writer, "message");
  await once(writer, "message");
  // At any moment as well.
  await sleep(lifeMs);
  const exited = once(writer, "exit");
  writer.postMessage("end");
  await exited;
  return commits;
}

describe("store endings", () => {
  it("store endings - a killed process leaves every acknowledged commit, and none in part", async () => {
    const dir = temporaryDirectory();
    const random = new Random(1);
    for (let kill = 0; kill < KILLS; kill++) {
      const acknowledged = await writeUntilKilled(dir, random.below(60));
      await expectCommits(dir, acknowledged);
    }
  });

  it("store endings - a thread that ends in the middle does too, and another thread goes on at once", async () => {
    const dir = temporaryDirectory();
    const random = new Random(2);
    let acknowledged = 0;
    for (let end = 0; end < ENDS; end++) {
      const commits = await writeUntilEnded(dir, random.below(30));
      expect(commits).toBeGreaterThan(acknowledged);
      acknowledged = commits;
    }
    await expectCommits(dir, acknowledged);
  });
});
