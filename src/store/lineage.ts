import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { syncDirectory } from "../shared/sync-directory.js";
import { damaged, reasonOf } from "./store-error.js";

/** The file's name in the store's directory. */
const LINEAGE_FILE = "lineage.json";
/** Older timelines are forgotten: who has come no further than them begins with a copy. */
const TIMELINES_MAX = 200;
const TIMELINE_BYTES = 8;

const timeline = z.strictObject({
  /** No other timeline of any store has it. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Number of the first record that was, or would be, written in it. */
  first: z.int().positive(),
});
const file = z.strictObject({ timelines: z.array(timeline).max(TIMELINES_MAX) });

export type Timeline = z.infer<typeof timeline>;

/** Of records that were written before anybody followed: two stores that have such may have others. */
export const NO_TIMELINE = "0000000000000000";

/**
 * Who wrote which records of a store: a timeline is what one exchange wrote, from its start on, and begins behind the
 * last record of the one before. Two stores whose record of a number is of the same timeline have the same records up
 * to it, as one writer gives a number once and never goes back. So number and timeline of its last record tell whether a
 * store is the beginning of another one.
 *
 * Invariants: `first` of the timelines never goes back; a timeline is on disk before a record of it is.
 */
export class Lineage {
  readonly #dir: string;
  #timelines: readonly Timeline[];

  private constructor(dir: string, timelines: readonly Timeline[]) {
    this.#dir = dir;
    this.#timelines = timelines;
  }

  /** Reads that of a store; one of nobody's where there is none. Rejects with StoreError. */
  static async read(dir: string): Promise<Lineage> {
    const path = join(dir, LINEAGE_FILE);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return new Lineage(dir, []);
    try {
      return new Lineage(dir, file.parse(JSON.parse(text)).timelines);
    } catch (error) {
      throw damaged(path, reasonOf(error));
    }
  }

  get timelines(): readonly Timeline[] {
    return this.#timelines;
  }

  /** The timeline that a record is of, or would be; NO_TIMELINE where nobody knows. */
  timelineOf(number: number): string {
    return timelineOf(this.#timelines, number);
  }

  /** Begins a timeline of this store's own, behind its last record; resolves with its id when it is on disk. */
  async begin(last: number): Promise<string> {
    const id = randomBytes(TIMELINE_BYTES).toString("hex");
    await this.take({ id, first: last + 1 });
    return id;
  }

  /** Takes over a timeline of another store, whose first record follows here. Resolves when it is on disk. */
  async take(next: Timeline): Promise<void> {
    const before = this.#timelines.at(-1);
    if (before?.id === next.id) return;
    if (before !== undefined && before.first > next.first)
      throw new Error(`lineage: timeline ${next.id} begins before ${before.id}`);
    // One that wrote nothing is no timeline of any record.
    const kept = before?.first === next.first ? this.#timelines.slice(0, -1) : this.#timelines;
    await writeLineage(this.#dir, [...kept, next]);
    this.#timelines = [...kept, next].slice(-TIMELINES_MAX);
  }
}

/** The timeline of a record by a list of timelines; NO_TIMELINE where they do not reach back to it. */
function timelineOf(timelines: readonly Timeline[], number: number): string {
  return timelines.findLast(({ first }) => first <= number)?.id ?? NO_TIMELINE;
}

/** Whether a store whose last record is `last` is the beginning of another one, by the timelines of both. */
export function isBeginning(
  own: readonly Timeline[],
  last: number,
  theirs: readonly Timeline[],
): boolean {
  const timeline = timelineOf(own, last);
  return timeline !== NO_TIMELINE && timelineOf(theirs, last) === timeline;
}

/** Writes the lineage of a store; resolves when it is on disk. Rejects with Node's error. */
export async function writeLineage(dir: string, timelines: readonly Timeline[]): Promise<void> {
  const path = join(dir, LINEAGE_FILE);
  const draft = `${path}.new`;
  try {
    const text = JSON.stringify({ timelines: timelines.slice(-TIMELINES_MAX) });
    await writeFile(draft, `${text}\n`, { mode: 0o600, flush: true });
    await rename(draft, path);
    await syncDirectory(dir);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}
