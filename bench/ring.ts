import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { createRingBuffer } from "../src/ring/broadcast-transmitter.js";
import type {
  ProducerInput,
  ReaderInput,
  ReaderResult,
  RingThreadMessage,
} from "./ring-messages.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { progress } from "./support/progress.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, formatTargets } from "./support/target-checks.js";

const READERS = 2;
const RING_BYTES = 1 << 23;
/** Of the record's payload; its header of 8 bytes comes in addition. */
const PAYLOAD_BYTES = 64;
const BATCHES = [1, 8, 64, 256];
const TARGET_PER_SECOND = 5e6;

interface Round {
  readonly batch: number;
  readonly recordsPerSecond: number;
  readonly readers: readonly ReaderResult[];
}

/** Measures the broadcast ring over threads: one producer, {@link READERS} readers that miss nothing. */
export async function runRing({ short }: BenchOptions): Promise<BenchReport> {
  const records = short ? 1_000_000 : 20_000_000;
  const rounds = short ? 1 : 5;
  const results: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const batch of BATCHES) {
      progress(`ring: ${records} records, published by ${batch}, round ${round} of ${rounds}`);
      results.push(await runRound(records, batch));
    }
  }
  const rows = BATCHES.map((batch) => {
    const own = results.filter((result) => result.batch === batch);
    const readers = own.flatMap((result) => result.readers);
    return {
      batch,
      recordsPerSecond: median(own.map((result) => result.recordsPerSecond)),
      missed: readers.reduce((sum, reader) => sum + records - reader.received, 0),
      wrong: readers.reduce((sum, reader) => sum + reader.wrong, 0),
      laps: readers.reduce((sum, reader) => sum + reader.laps, 0),
    };
  });
  console.log(
    formatTable(
      ["records a publication", "M records/s", "missed", "wrong", "laps"],
      rows.map((row) => [
        row.batch,
        (row.recordsPerSecond / 1e6).toFixed(2),
        row.missed,
        row.wrong,
        row.laps,
      ]),
    ),
  );
  const sound = rows.filter(({ missed, wrong, laps }) => missed + wrong + laps === 0);
  const best =
    sound.length === 0 ? undefined : Math.max(...sound.map((row) => row.recordsPerSecond));
  const targets = [
    atLeast(
      "M records/s to both readers, none missed, no lap",
      best && best / 1e6,
      TARGET_PER_SECOND / 1e6,
    ),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: {
      records,
      rounds,
      readers: READERS,
      ringBytes: RING_BYTES,
      payloadBytes: PAYLOAD_BYTES,
    },
    results: { rows },
    targets,
  };
}

/** One run of fresh threads over a fresh ring. */
async function runRound(records: number, batch: number): Promise<Round> {
  const ring = createRingBuffer(RING_BYTES);
  const positions = new SharedArrayBuffer(READERS * 64);
  const readers = Array.from({ length: READERS }, (_, index) =>
    startThread("ring-reader.js", { ring, positions, index, records } satisfies ReaderInput),
  );
  await Promise.all(readers.map((reader) => nextFrom(reader, "ready")));
  const done = Promise.all(readers.map((reader) => nextFrom(reader, "read")));
  const producer = startThread("ring-producer.js", {
    ring,
    positions,
    readers: READERS,
    records,
    batch,
    payloadBytes: PAYLOAD_BYTES,
  } satisfies ProducerInput);
  const { startedAt } = await nextFrom(producer, "produced");
  const read = await done;
  const endedAt = Math.max(...read.map((reader) => reader.endedAt));
  await Promise.all([producer, ...readers].map((thread) => thread.terminate()));
  return { batch, recordsPerSecond: records / ((endedAt - startedAt) / 1e6), readers: read };
}

function startThread(file: string, workerData: ProducerInput | ReaderInput): Worker {
  return new Worker(new URL(`./${file}`, import.meta.url), { workerData });
}

/** The next message of a thread, which must be of that kind. Rejects where the thread throws. */
async function nextFrom<K extends RingThreadMessage["kind"]>(
  thread: Worker,
  kind: K,
): Promise<Extract<RingThreadMessage, { kind: K }>> {
  const [message] = (await once(thread, "message")) as [RingThreadMessage];
  if (message.kind !== kind) throw new Error(`expected ${kind} of a thread, got ${message.kind}`);
  return message as Extract<RingThreadMessage, { kind: K }>;
}
