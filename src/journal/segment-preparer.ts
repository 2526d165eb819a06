import { join } from "node:path";
import type { JournalFiles } from "./journal-files.js";
import { DRAFT, segmentPath } from "./segment-names.js";

/** Zeros between two flushes: one of an append never waits for more than that. */
const CHUNK_BYTES = 1 << 20;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
/** Shortest time from a failure to the next attempt that nobody waits for, in ms. */
const RETRY_MS = 1000;

interface Preparation {
  readonly index: number;
  readonly bytes: number;
  readonly done: Promise<void>;
  failedAt: number | undefined;
}

/**
 * Makes segments of zeros ahead of need, one at a time, with system calls in other threads. A write to one
 * then changes neither the file's size nor where it lies, so that its flush is of the data alone.
 *
 * A segment gets its name when all of it is on disk, and takes the place of one that has the name.
 */
export class SegmentPreparer {
  readonly #files: JournalFiles;
  readonly #dir: string;
  readonly #bytes: number;
  #last: Preparation | undefined;
  #stopped = false;

  /** @param bytes of a segment */
  constructor(files: JournalFiles, dir: string, bytes: number) {
    this.#files = files;
    this.#dir = dir;
    this.#bytes = bytes;
  }

  /** Has a segment made in the background, unless it is, or has just failed to be. */
  prepare(index: number): void {
    const { index: made, failedAt } = this.#last ?? {};
    const isDue = failedAt !== undefined && performance.now() - failedAt >= RETRY_MS;
    if (made !== index || isDue) void this.#begin(index, this.#bytes);
  }

  /**
   * Resolves when a segment is there; one that failed to be made is tried again, and so is one that was begun
   * before and fails: what it was in want of may be there by now. One of other bytes is made anew. Rejects with Node's
   * error.
   */
  ready(index: number, bytes: number): Promise<void> {
    const last = this.#last;
    if (last?.index === index && last.bytes === bytes && last.failedAt === undefined)
      return last.done.catch(() => this.#begin(index, bytes));
    return this.#begin(index, bytes);
  }

  /** A segment that was made is of no use: it is made anew when it is asked for. */
  forget(): void {
    this.#last = undefined;
  }

  /** Resolves when nothing is made any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last?.done.catch(() => {});
  }

  #begin(index: number, bytes: number): Promise<void> {
    const before = this.#last?.done.catch(() => {}) ?? Promise.resolve();
    const done = before.then(() => this.#make(index, bytes));
    const preparation: Preparation = { index, bytes, done, failedAt: undefined };
    this.#last = preparation;
    done.catch(() => {
      preparation.failedAt = performance.now();
    });
    return done;
  }

  async #make(index: number, bytes: number): Promise<void> {
    const draft = join(this.#dir, DRAFT);
    try {
      // Somebody may have removed it with all that was in it.
      await this.#files.makeDirectory(this.#dir);
      const file = await this.#files.open(draft, "create");
      try {
        for (let at = 0; at < bytes; at += CHUNK_BYTES) {
          if (this.#stopped) throw new Error("the journal is closed");
          await file.write(ZEROS.subarray(0, Math.min(CHUNK_BYTES, bytes - at)), at);
          await file.datasync();
        }
      } finally {
        await file.close();
      }
      await this.#files.rename(draft, segmentPath(this.#dir, index));
      await this.#files.syncDirectory(this.#dir);
    } catch (error) {
      // On a full disk others can use the room.
      await this.#files.remove(draft).catch(() => {});
      throw error;
    }
  }
}
