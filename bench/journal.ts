import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Journal } from "../src/journal/journal.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { progress } from "./support/progress.js";
import { formatTable } from "./support/table.js";
import { atMost, formatTargets } from "./support/target-checks.js";

/** Payloads: of one order's changes, of 64 orders', and of several hundred. */
const PAYLOAD_BYTES = [300, 4_096, 16_384, 65_536];
/** The payload that the target is about, and what its append may take. */
const TARGET_BYTES = 16_384;
const P50_MS_MAX = 1;
const ROUNDS = 3;

interface AppendRow {
  readonly payloadBytes: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly segments: number;
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
  const target = best.find(({ payloadBytes }) => payloadBytes === TARGET_BYTES);
  const targets = [
    atMost(`p50 of an append of ${TARGET_BYTES} bytes, flushed`, target?.p50, P50_MS_MAX, " ms"),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: { seconds, rounds, payloadBytes: PAYLOAD_BYTES },
    results: { rows },
    targets,
  };
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

/** Of several rounds the one in the middle, by rate. */
function medianRow(rows: readonly AppendRow[], payloadBytes: number): AppendRow {
  const of = rows.filter((row) => row.payloadBytes === payloadBytes);
  of.sort((a, b) => a.perSecond - b.perSecond);
  return of[of.length >> 1] as AppendRow;
}
