import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { Journal } from "../../src/journal/journal.js";
import type { JournalFiles } from "../../src/journal/journal-files.js";
import { readJournal } from "../../src/journal/journal-reader.js";

/** Small, so that a test passes through several. */
export const SMALL_SEGMENT = 16 * 512;

const journals: Journal[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(journals.splice(0).map((journal) => journal.close()));
  for (const dir of directories.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A directory that goes with the test. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), "marketcast-journal-"));
  directories.push(dir);
  return dir;
}

export interface Opened {
  readonly journal: Journal;
  /** The payloads behind `after`, as text. */
  readonly records: readonly string[];
}

/** A journal that is closed with the test, if it is not before. */
export async function openJournal(
  dir: string,
  options: {
    readonly after?: number;
    readonly segmentBytes?: number;
    readonly largestBytes?: number;
    readonly keptBytes?: number;
    readonly files?: JournalFiles;
  } = {},
): Promise<Opened> {
  const records: string[] = [];
  const { after = 0, segmentBytes = SMALL_SEGMENT } = options;
  const journal = await Journal.open(
    dir,
    { ...options, after, segmentBytes },
    ({ number, payload }) => {
      if (number !== after + records.length + 1) throw new Error(`${number} is out of order`);
      records.push(payload.toString("latin1"));
    },
  );
  journals.push(journal);
  return { journal, records };
}

export function append(journal: Journal, payload: string): Promise<number> {
  return journal.append(Buffer.from(payload, "latin1"));
}

/** What a reader finds in a directory, beside whoever writes to it. */
export async function readAll(dir: string, after = 0): Promise<string[]> {
  const payloads: string[] = [];
  for await (const { payload } of readJournal(dir, after))
    payloads.push(payload.toString("latin1"));
  return payloads;
}
