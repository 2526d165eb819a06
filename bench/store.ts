import { type ChildProcess, fork } from "node:child_process";
import { cp, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Journal } from "../src/journal/journal.js";
import { backUpStore } from "../src/store/backup.js";
import { restoreStore } from "../src/store/restore.js";
import { Store } from "../src/store/store.js";
import { storeDirectory } from "../src/store/store-file.js";
import { journalDirectory } from "../src/store/store-journal.js";
import { encodeBatch, type StoredBatch } from "../src/store/stored-batch.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { waitForExit } from "./support/child.js";
import { changesIn, engineBatches } from "./support/engine-batches.js";
import { LONG_RETENTION } from "./support/long-retention.js";
import { cpuSeconds, residentBytes } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";

const MARKETCAST = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
const WRITER = fileURLToPath(new URL("./support/open-orders-writer.js", import.meta.url));
const ROUNDS = 3;
/** Of the store's journal. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const CHANGES_PER_SECOND_MIN = 500_000;
const START_SECONDS_MAX = 10;
const SECRET = "a secret of the bench, of more than 32 bytes";

interface Start {
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly cpu: number;
  readonly memoryMb: number;
}

/** Measures what a start takes after a kill, and a backup beside the server that has started. */
export async function runStore({ short }: BenchOptions): Promise<BenchReport> {
  const rounds = short ? 1 : ROUNDS;
  const orders = short ? 20_000 : 1_000_000;
  const recovered = await recovery(rounds, short ? 10_000 : 300_000);
  console.log(
    formatTable(
      ["batches", "changes", "recovered, changes/s", "by CPU time"],
      [
        [
          recovered.batches,
          recovered.changes,
          Math.round(recovered.perSecond),
          Math.round(recovered.perCpuSecond),
        ],
      ],
    ),
  );
  const { starts, backup } = await startsAfterKills(rounds, orders);
  console.log(
    `\n${formatTable(
      ["open orders", "start, s", "CPU, s", "memory, MB"],
      starts.map(({ seconds, cpu, memoryMb }) => [
        orders,
        seconds.toFixed(1),
        cpu.toFixed(1),
        Math.round(memoryMb),
      ]),
    )}\n\n${formatTable(
      ["backup of", "MB", "taken, s", "restored, s"],
      [
        [
          `${orders} open orders`,
          Math.round(backup.megabytes),
          backup.takenSeconds.toFixed(1),
          backup.restoredSeconds.toFixed(1),
        ],
      ],
    )}`,
  );
  const start = median(starts.map(({ seconds }) => seconds));
  const targets = [
    atLeast("changes/s that a store recovers", recovered.perSecond, CHANGES_PER_SECOND_MIN),
    atMost(`start after SIGKILL with ${orders} open orders`, start, START_SECONDS_MAX, " s"),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return { parameters: { rounds, orders }, results: { recovered, starts, backup }, targets };
}

async function inDirectory<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "marketcast-bench-store-"));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A store, all of whose changes are in its journal alone, is opened and all that an engine needs is loaded. */
async function recovery(rounds: number, commands: number) {
  progress(`store: ${commands} commands of an engine`);
  const batches = engineBatches(commands);
  const changes = batches.reduce((sum, { changes: of }) => sum + changesIn(of), 0);
  return inDirectory(async (root) => {
    const made = join(root, "made");
    await (await Store.open(made, LONG_RETENTION)).close();
    await journalAll(made, batches);
    const perSecond: number[] = [];
    const perCpuSecond: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      progress(`store: recovery, round ${round} of ${rounds} (0 warms up)`);
      const dir = join(root, `round-${round}`);
      await cp(made, dir, { recursive: true });
      const start = performance.now();
      const usedBefore = process.cpuUsage();
      const store = await Store.open(dir, LONG_RETENTION);
      const { nextOrderId } = await store.load();
      const elapsedMs = performance.now() - start;
      const { user, system } = process.cpuUsage(usedBefore);
      await store.close();
      if (nextOrderId !== batches.at(-1)?.changes.nextOrderId)
        throw new RangeError(`the next order is ${nextOrderId}`);
      if (round === 0) continue;
      perSecond.push((changes * 1000) / elapsedMs);
      perCpuSecond.push((changes * 1e6) / (user + system));
    }
    return {
      batches: batches.length,
      changes,
      perSecond: median(perSecond),
      perCpuSecond: median(perCpuSecond),
    };
  });
}

async function journalAll(dir: string, batches: readonly StoredBatch[]): Promise<void> {
  const options = { after: 0, segmentBytes: SEGMENT_BYTES };
  const journal = await Journal.open(journalDirectory(dir), options, () => {});
  for (const batch of batches) await journal.append(encodeBatch(batch));
  await journal.close();
}

/** A server is started on many open orders and killed, again and again; beside the last one a backup is made. */
async function startsAfterKills(rounds: number, orders: number) {
  return inDirectory(async (dataDir) => {
    progress(`store: ${orders} open orders`);
    await waitForExit(fork(WRITER, [dataDir, String(orders)]));
    const starts: Start[] = [];
    for (let round = 1; round < rounds; round++) {
      progress(`store: start after a kill, round ${round} of ${rounds}`);
      starts.push(await startAndKill(dataDir, async () => undefined));
    }
    progress(`store: start after a kill, round ${rounds} of ${rounds}, and a backup`);
    let backup = { megabytes: 0, takenSeconds: 0, restoredSeconds: 0 };
    const last = await startAndKill(dataDir, async () => {
      backup = await backUpAndRestore(dataDir);
    });
    return { starts: [...starts, last], backup };
  });
}

async function startAndKill(dataDir: string, use: () => Promise<void>): Promise<Start> {
  const flags = { feed: "exchange", "sim-traders": 0, "max-open-orders": 1000 };
  const common = { port: 0, "ops-port": 0, "log-format": "json", "jwt-secret": SECRET };
  const args = Object.entries({ ...flags, ...common, "data-dir": dataDir });
  const begin = performance.now();
  const child = fork(MARKETCAST, ["serve", ...args.map(([name, value]) => `--${name}=${value}`)], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  try {
    await isReady(child);
    const seconds = (performance.now() - begin) / 1000;
    const pid = child.pid as number;
    const start = { seconds, cpu: cpuSeconds(pid), memoryMb: residentBytes(pid) / 1e6 };
    await use();
    return start;
  } finally {
    child.kill("SIGKILL");
    await waitForExit(child);
  }
}

async function isReady(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new TypeError("the server has no output");
  for await (const line of createInterface({ input: child.stdout }))
    if ((JSON.parse(line) as { readonly msg?: string }).msg === "ready") return;
  throw new Error("the server ended before it was ready");
}

async function backUpAndRestore(dataDir: string) {
  const path = join(dataDir, "backup");
  const begin = performance.now();
  await backUpStore(storeDirectory(dataDir), path);
  const taken = performance.now();
  await restoreStore(path, storeDirectory(join(dataDir, "restored")));
  const restored = performance.now();
  return {
    megabytes: (await stat(join(path, "data.mdb"))).size / 1e6,
    takenSeconds: (taken - begin) / 1000,
    restoredSeconds: (restored - taken) / 1000,
  };
}
