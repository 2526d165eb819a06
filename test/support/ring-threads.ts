import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createRingBuffer } from "../../src/ring/broadcast-transmitter.js";
import { createMarketTable } from "../../src/ring/market-table.js";
import { until } from "./until.js";

const THREAD = new URL("./ring-thread.mjs", import.meta.url);
const STOP_WORD = 0;
/** How far the first reader has come: the number of its next record, its laps, and slots that it saw move. */
const PROGRESS = { records: 1, laps: 3, moves: 4 } as const;
type Progress = Readonly<Partial<Record<keyof typeof PROGRESS, number>>>;
const PROGRESS_MS_MAX = 20_000;
/** The writer has to stop; it has stopped, and what is published is all there will be. */
const STOP = { writer: 1, readers: 2 } as const;

export interface RingReading {
  readonly received: number;
  /** Records whose bytes do not follow from their number, or out of order. */
  readonly torn: number;
  /** Times that receive() said `lapped`, and what the receiver itself counted. */
  readonly lapped: number;
  readonly laps: number;
  readonly lost: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
}

export interface RingTrial {
  readonly capacity: number;
  /** Records between two publications. */
  readonly batch: number;
  readonly durationMs: number;
  /** It goes on for longer where the first reader has not come so far: a busy machine may not let it. */
  readonly atLeast?: Progress;
  /** Records by which the writer may be ahead of the first reader; without it, it never waits. */
  readonly ahead?: number;
  /** The writer pauses for a millisecond after each burst of up to so many batches. */
  readonly burst?: number;
  /** For each reader, how long it dawdles after each batch, in turns of an empty loop. */
  readonly readers: readonly { readonly idleTurns: number }[];
}

class RingThread<Result> {
  readonly #worker: Worker;
  readonly #result: Promise<Result>;

  constructor(workerData: object) {
    this.#worker = new Worker(THREAD, { workerData });
    this.#result = new Promise((resolve, reject) => {
      this.#worker.on("message", (message: "started" | { result: Result }) => {
        if (message !== "started") resolve(message.result);
      });
      this.#worker.once("error", reject);
    });
  }

  async started(): Promise<void> {
    await once(this.#worker, "message");
  }

  async result(): Promise<Result> {
    const result = await this.#result;
    await this.#worker.terminate();
    return result;
  }
}

/** Lets the threads race: there is no event for having met every order of things, but one for too few. */
async function race(
  control: Int32Array,
  durationMs: number,
  atLeast: Progress = {},
): Promise<void> {
  await sleep(durationMs);
  for (const [name, least] of Object.entries(atLeast)) {
    const word = PROGRESS[name as keyof typeof PROGRESS];
    await until(`${least} ${name}`, () => Atomics.load(control, word) >= least, PROGRESS_MS_MAX);
  }
}

/** Lets one thread write a ring and others read it, and returns how many it wrote and what they got. */
export async function runRingTrial(
  trial: RingTrial,
): Promise<{ readonly published: number; readonly readings: readonly RingReading[] }> {
  const { capacity, batch, durationMs, atLeast, ahead, burst, readers } = trial;
  const ring = createRingBuffer(capacity);
  const control = new Int32Array(new SharedArrayBuffer(64));
  const shared = { ring, control: control.buffer };
  const threads = readers.map(
    ({ idleTurns }, index) =>
      new RingThread<RingReading>({ ...shared, role: "read", idleTurns, paced: index === 0 }),
  );
  await Promise.all(threads.map((thread) => thread.started()));
  const writer = new RingThread<number>({ ...shared, role: "write", batch, ahead, burst });
  await race(control, durationMs, atLeast);
  Atomics.store(control, STOP_WORD, STOP.writer);
  const published = await writer.result();
  Atomics.store(control, STOP_WORD, STOP.readers);
  return { published, readings: await Promise.all(threads.map((thread) => thread.result())) };
}

export interface TableReading {
  readonly reads: number;
  readonly torn: number;
  /** Reads that found a slot newer than the time before. */
  readonly moves: number;
}

/** Lets one thread rewrite a table's slots while others read them. */
export async function runTableTrial(trial: {
  readonly slots: number;
  readonly readers: number;
  readonly durationMs: number;
  readonly atLeast?: Progress;
}): Promise<{ readonly writes: number; readonly readings: readonly TableReading[] }> {
  const { slots, readers, durationMs, atLeast } = trial;
  const table = createMarketTable(slots, { titleBytesMax: 16, bookDepth: 20 });
  const control = new Int32Array(new SharedArrayBuffer(64));
  const shared = { table, slots, control: control.buffer };
  const threads = Array.from(
    { length: readers },
    (_, index) =>
      new RingThread<TableReading>({ ...shared, role: "readTable", paced: index === 0 }),
  );
  await Promise.all(threads.map((thread) => thread.started()));
  const writer = new RingThread<number>({ ...shared, role: "writeTable" });
  await race(control, durationMs, atLeast);
  Atomics.store(control, STOP_WORD, STOP.writer);
  const writes = await writer.result();
  return { writes, readings: await Promise.all(threads.map((thread) => thread.result())) };
}
