import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { ArchiveFile } from "../../archive/archive-file.js";
import { ArchiveDamage } from "../../archive/archive-form.js";
import { EpochNotes, notedTs, TsNote } from "../../archive/archive-notes.js";
import type { ArchiveWriter } from "../../archive/archive-writer.js";
import { openArchive, writeFault } from "../../archive/open-archive.js";
import {
  ARCHIVIST,
  beat,
  count,
  counted,
  counterBlockOf,
  PRODUCER,
  THREAD,
} from "../../counters/counters.js";
import { nowMicros } from "../../shared/clock.js";
import { createLogger } from "../../shared/log.js";
import { makeDirectory } from "../../shared/make-directory.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import { storeDirectory } from "../../store/store-file.js";
import { StoreLock } from "../../store/store-lock.js";
import type { MainToRingReader } from "../messages.js";
import { Archivist } from "./archivist.js";
import type { ArchivistTask, ArchivistToMain } from "./messages.js";
import { storedTradesOf } from "./stored-trades.js";
import { toldTo } from "./told-to.js";

/*
 * The archivist thread. What it cannot write ends it, and main starts another one, which goes on where the
 * archive ends: what was told meanwhile is in the rings, or in the exchange's store.
 */

/** How often what was told is written, in ms. */
const WRITE_INTERVAL_MS = 100;
const PRUNE_INTERVAL_MS = 1000;
/** Between two looks for the next trade of a ring that was lapped, in ms. */
const LOOK_MS = 20;
/** Between two attempts to open an archive, in ms. */
const RETRY_MS = 1000;
/** Readers look twice as often whether the archive that they have is still the one. */
const READERS_CLOSE_MS = 500;

if (parentPort === null) throw new Error("archivist-worker runs as a worker thread");
const port = parentPort;
const task = workerData as ArchivistTask;
const { archivist: counters, producer } = counterBlockOf(task.counters);
const log = createLogger(task.log, { thread: "archivist" }, (lines) =>
  count(counters, THREAD.logDropped, lines),
);
const memories = [...task.memories];
let archivist: Archivist | undefined;
let stopping = false;
/** The next run's producer begins behind what this one's has told; the exchange knows that itself. */
const tsNote = new TsNote(task.dir);
const isFeed = task.storeIn === undefined;
/** How far that had come before this thread began; 0 where nothing was told. */
const noted = notedTs(task.dir);

/** Clients hear of it in a SystemStatus, and of its end when the archive is as far as it can be. */
function lacks(reason: string): void {
  tell({ type: "health", reason });
}

function tell(message: ArchivistToMain): void {
  port.postMessage(message);
}

port.on("message", (message: MainToRingReader) => {
  if (message.type === "end") process.exit(1);
  if (message.type === "stop") stopping = true;
  else if (archivist === undefined) memories.push(message.memory);
  else archivist.add(message.memory);
});

startThreadPulse((loopLagS) => beat(counters, loopLagS));
void run().catch((error: unknown) => {
  counters[ARCHIVIST.generation] = 0;
  const reason =
    error instanceof ArchiveDamage ? `it is damaged: ${error.message}` : writeFault(error);
  log.error({ err: error }, reason);
  tell({ type: "health", reason });
  setImmediate(() => process.exit(1));
});

async function run(): Promise<void> {
  const lock = await locked();
  if (lock === undefined) return process.exit();
  const writer = await opened();
  if (writer === undefined) return process.exit();
  begin(writer, await EpochNotes.load(task.dir));
  const file = new ArchiveFile(task.dir);
  let prunedAt = Number.NEGATIVE_INFINITY;
  while (!stopping) {
    await (archivist as Archivist).catchUp();
    tell({ type: "health", reason: undefined });
    if (performance.now() - prunedAt > PRUNE_INTERVAL_MS) {
      file.requireThere();
      if (isFeed) await tsNote.cover(counted(producer, PRODUCER.latestTs));
      const more = await writer.prune(nowMicros() - task.retentionMs * 1000, task.bytesMax);
      // Where there is more to remove, the next step follows what is to be written then.
      prunedAt = more ? Number.NEGATIVE_INFINITY : performance.now();
      counters[ARCHIVIST.bytes] = writer.usedBytes;
    }
    await sleep(WRITE_INTERVAL_MS);
  }
  await (archivist as Archivist).end();
  if (isFeed) await tsNote.end(counted(producer, PRODUCER.latestTs));
  await writer.close();
  await lock.release();
  process.exit();
}

function begin(writer: ArchiveWriter, epochs: EpochNotes): void {
  const { storeIn } = task;
  const stored = storeIn === undefined ? undefined : storedTradesOf(storeDirectory(storeIn));
  // Those before the latest that the archive knows were read to their ends.
  const latest = memories.findIndex(({ epoch }) => epoch === writer.epoch);
  const unseen = task.memoriesLeftOut && latest < 0;
  const { relayed } = task;
  const given = { writer, counters, tsNote, epochs, stored, relayed, unseen, lacks, log };
  archivist = new Archivist({ ...given, lookMs: LOOK_MS, toldTo: () => toldTo(producer, noted) });
  for (const memory of memories.slice(Math.max(0, latest))) archivist.add(memory);
  count(counters, ARCHIVIST.generations);
  counters[ARCHIVIST.generation] = counted(counters, ARCHIVIST.generations);
}

/** The directory's lock, as soon as it can be had; undefined where the server stops before. */
async function locked(): Promise<StoreLock | undefined> {
  while (!stopping) {
    try {
      await makeDirectory(task.dir, 0o700);
      return await StoreLock.acquire(task.dir);
    } catch (error) {
      await behind(error);
    }
  }
  return undefined;
}

/** The archive, as soon as it can be opened; undefined where the server stops before. */
async function opened(): Promise<ArchiveWriter | undefined> {
  // One that this process had open may be of no use any more: LMDB opens a file once for all threads.
  counters[ARCHIVIST.generation] = 0;
  const wasOpen = counters[ARCHIVIST.generations] !== 0;
  if (wasOpen) await sleep(READERS_CLOSE_MS);
  while (!stopping) {
    try {
      const { writer, damage } = await openArchive(task.dir, task.damage, nowMicros());
      if (damage !== undefined) {
        log.error(damage, "the archive was damaged and has been moved aside; another one is begun");
      }
      const isAnother = damage !== undefined || noted > 0 || wasOpen;
      // With the exchange its store says what is missing.
      if (isFeed && writer.epoch === undefined && isAnother) writer.gap(0, toldTo(producer, noted));
      return writer;
    } catch (error) {
      await behind(error);
    }
  }
  return undefined;
}

async function behind(error: unknown): Promise<void> {
  log.warn({ err: error }, "the archive cannot be opened");
  tell({ type: "health", reason: writeFault(error) });
  await sleep(RETRY_MS);
}
