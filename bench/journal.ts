import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Journal } from "../src/journal/journal.js";
import { MergedBatches } from "../src/store/merged-batches.js";
import { Store } from "../src/store/store.js";
import { decodeBatch, encodeBatch, type StoredBatch } from "../src/store/stored-batch.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { BATCH_COMMANDS, changesIn, DEPTH, engineBatches } from "./support/engine-batches.js";
import { LONG_RETENTION } from "./support/long-retention.js";
import { progress } from "./support/progress.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";
import { firstThreadTimeMs } from "./support/thread-time.js";

/** Payloads: of one order's changes, of 64 orders', and of several hundred. */
const PAYLOAD_BYTES = [300, 4_096, 16_384, 65_536];
/** The payload that the target is about, and what its append may take. */
const TARGET_BYTES = 16_384;
const P50_MS_MAX = 1;
const ROUNDS = 3;
const CHANGES_PER_SECOND_MIN = 500_000;
/** Batches of a transaction of the trees. */
const MERGED = [1, 10, 100];

interface AppendRow {
  readonly payloadBytes: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly segments: number;
}

interface TreesRow {
  /** Batches of a transaction. */
  readonly merged: number;
  /** What is written of the changes when batches are merged. */
  readonly records: number;
  readonly changesPerSecond: number;
  /** Of the thread that writes, for a change. */
  readonly cpuMicros: number;
}

/** Measures the journal: appends, each with its flush, one after the other. */
export async function runJournal({ short }: BenchOptions): Promise<BenchReport> {
  const seconds = short ? 0.2 : 3;
  const rounds = short ? 1 : ROUNDS;
  const rows: AppendRow[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const payloadBytes of PAYLOAD_BYTES) {
      progress(`journal: appends of ${payloadBytes} bytes, round ${round} of ${rounds}`);
      rows.push(await inDirectory((dir) => appends(dir, payloadBytes, seconds)));
    }
  }
  const best = PAYLOAD_BYTES.map((payloadBytes) => medianRow(rows, payloadBytes));
  console.log(
    formatTable(
      ["bytes a batch", "batches/s", "MB/s", "p50 ms", "p99 ms", "max ms", "segments"],
      best.map(({ payloadBytes, perSecond, p50, p99, max, segments }) => [
        payloadBytes,
        Math.round(perSecond),
        ((perSecond * payloadBytes) / 1e6).toFixed(1),
        p50.toFixed(2),
        p99.toFixed(2),
        max.toFixed(1),
        segments,
      ]),
    ),
  );
  const recovered = await recovery(rounds, short ? 20_000 : 500_000);
  console.log(
    `\n${formatTable(
      [
        "batches",
        "changes",
        "bytes a change",
        "encoded, changes/s",
        "recovered, changes/s",
        "by CPU time",
      ],
      [
        [
          recovered.batches,
          recovered.changes,
          Math.round(recovered.bytesPerChange),
          Math.round(recovered.encodedPerSecond),
          Math.round(recovered.recoveredPerSecond),
          Math.round(recovered.recoveredPerCpuSecond),
        ],
      ],
    )}`,
  );
  const trees = await bringUp(short ? 3_000 : 60_000);
  printTrees(trees);
  const target = best.find(({ payloadBytes }) => payloadBytes === TARGET_BYTES);
  const targets = [
    atMost(`p50 of an append of ${TARGET_BYTES} bytes, flushed`, target?.p50, P50_MS_MAX, " ms"),
    atLeast("changes/s that recovery reads", recovered.recoveredPerSecond, CHANGES_PER_SECOND_MIN),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: {
      seconds,
      rounds,
      payloadBytes: PAYLOAD_BYTES,
      batchCommands: BATCH_COMMANDS,
      depth: DEPTH,
    },
    results: { rows, recovered, trees },
    targets,
  };
}

function printTrees(trees: readonly TreesRow[]): void {
  console.log(
    `\n${formatTable(
      ["batches a transaction", "records", "changes/s", "thread's CPU, µs/change"],
      trees.map(({ merged, records, changesPerSecond, cpuMicros }) => [
        merged,
        records,
        Math.round(changesPerSecond),
        cpuMicros.toFixed(1),
      ]),
    )}`,
  );
}

async function inDirectory<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "marketcast-bench-journal-"));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Appends as fast as they are on disk; the segments ahead are made meanwhile. */
async function appends(dir: string, payloadBytes: number, seconds: number): Promise<AppendRow> {
  const payload = Buffer.from(Array.from({ length: payloadBytes }, (_, at) => (at * 7) % 251));
  const journal = await Journal.open(dir, { after: 0 }, () => {});
  await journal.probe();
  const times: number[] = [];
  let bytes = 0;
  const start = performance.now();
  for (let now = start; now - start < seconds * 1000; ) {
    await journal.append(payload);
    const then = performance.now();
    times.push(then - now);
    now = then;
    bytes += payloadBytes;
    // What is on disk long since is released, as the trees contain it.
    if (times.length % 1000 === 0) await journal.release(journal.last - 1);
  }
  const elapsed = (performance.now() - start) / 1000;
  await nextTurn();
  await journal.close();
  times.sort((a, b) => a - b);
  const at = (part: number): number => times[Math.floor((times.length - 1) * part)] as number;
  return {
    payloadBytes,
    perSecond: times.length / elapsed,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    segments: Math.ceil(bytes / (32 * 1024 * 1024)),
  };
}

/** What a journal has, brought into the trees of a store, several batches a transaction. */
async function bringUp(commands: number): Promise<TreesRow[]> {
  const batches = engineBatches(commands);
  const changes = batches.reduce((sum, { changes: of }) => sum + changesIn(of), 0);
  const rows: TreesRow[] = [];
  for (const merged of MERGED) {
    progress(`journal: ${changes} changes into trees, ${merged} batches a transaction`);
    rows.push(
      await inDirectory(async (dir) => {
        const store = await Store.open(dir, LONG_RETENTION);
        const before = firstThreadTimeMs(process.pid);
        const start = performance.now();
        let records = 0;
        for (let at = 0; at < batches.length; at += merged) {
          const one = mergedOf(batches.slice(at, at + merged));
          records += changesIn(one.changes);
          await store.commit(one.changes, one.stretches, one.latestTs, one.sessions);
        }
        const elapsedMs = performance.now() - start;
        const cpuMs = firstThreadTimeMs(process.pid) - before;
        await store.close();
        return {
          merged,
          records,
          changesPerSecond: (changes * 1000) / elapsedMs,
          cpuMicros: (cpuMs * 1000) / changes,
        };
      }),
    );
  }
  return rows;
}

/** What an engine changes, batch by batch, into a journal and out of it: read, checked and decoded. */
async function recovery(rounds: number, commands: number) {
  progress(`journal: ${commands} commands of an engine`);
  const batches = engineBatches(commands);
  const changes = batches.reduce((sum, { changes: of }) => sum + changesIn(of), 0);
  const encoded: number[] = [];
  const recovered: number[] = [];
  const byCpu: number[] = [];
  let bytes = 0;
  for (let round = 0; round <= rounds; round++) {
    progress(`journal: recovery, round ${round} of ${rounds} (0 warms up)`);
    const start = performance.now();
    const payloads = batches.map((batch) => Buffer.from(encodeBatch(batch)));
    const encodedMs = performance.now() - start;
    bytes = payloads.reduce((sum, { length }) => sum + length, 0);
    const { elapsedMs, cpuMs } = await inDirectory((dir) => timeRecovery(dir, payloads, changes));
    if (round === 0) continue;
    encoded.push((changes * 1000) / encodedMs);
    recovered.push((changes * 1000) / elapsedMs);
    byCpu.push((changes * 1000) / cpuMs);
  }
  return {
    batches: batches.length,
    changes,
    bytesPerChange: bytes / changes,
    encodedPerSecond: median(encoded),
    recoveredPerSecond: median(recovered),
    recoveredPerCpuSecond: median(byCpu),
  };
}

/** Time, of the clock and of the processor, that it takes to open a journal and decode what is in it. */
async function timeRecovery(
  dir: string,
  payloads: readonly Buffer[],
  changes: number,
): Promise<{ readonly elapsedMs: number; readonly cpuMs: number }> {
  const journal = await Journal.open(dir, { after: 0 }, () => {});
  for (const payload of payloads) await journal.append(payload);
  await journal.close();
  let seen = 0;
  const start = performance.now();
  const usedBefore = process.cpuUsage();
  const again = await Journal.open(dir, { after: 0 }, ({ payload }) => {
    seen += changesIn(decodeBatch(payload).changes);
  });
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(usedBefore);
  await again.close();
  if (seen !== changes) throw new RangeError(`${seen} changes of ${changes} were recovered`);
  return { elapsedMs, cpuMs: (user + system) / 1000 };
}

function mergedOf(batches: readonly StoredBatch[]): StoredBatch {
  const merged = new MergedBatches();
  for (const batch of batches) merged.add(batch);
  return merged.batch;
}

/** Of several rounds the one in the middle, by rate. */
function medianRow(rows: readonly AppendRow[], payloadBytes: number): AppendRow {
  const of = rows.filter((row) => row.payloadBytes === payloadBytes);
  of.sort((a, b) => a.perSecond - b.perSecond);
  return of[of.length >> 1] as AppendRow;
}
