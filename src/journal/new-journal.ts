import { randomBytes } from "node:crypto";
import { writeFailed } from "./journal-error.js";
import { type JournalFiles, realFiles } from "./journal-files.js";
import {
  JOURNAL_ID_BYTES,
  RECORD,
  recordBytes,
  SECTOR_BYTES,
  writeRecord,
  writeSegmentHeader,
} from "./segment-format.js";
import { segmentPath } from "./segment-names.js";

/** Room that every segment keeps for its end. */
const END_BYTES = recordBytes(0);

/**
 * Makes a journal of records that are known, in a directory that has none: one segment, just large enough, with
 * an id of its own. Whoever opens it goes on in the next one.
 *
 * @param first number of the first record, or of the one that comes next where there are none
 * @returns the segment's path
 *
 * Rejects with JOURNAL_WRITE_FAILED.
 */
export async function writeJournal(
  dir: string,
  first: number,
  payloads: readonly Buffer[],
  files: JournalFiles = realFiles,
): Promise<string> {
  const lengths = payloads.map((payload) => recordBytes(payload.length));
  const bytes = lengths.reduce((sum, length) => sum + length, SECTOR_BYTES + END_BYTES);
  const segment = Buffer.alloc(bytes);
  const id = randomBytes(JOURNAL_ID_BYTES).toString("hex");
  writeSegmentHeader(segment, { bytes, index: 1, first, id });
  let at = SECTOR_BYTES;
  for (const [index, payload] of payloads.entries()) {
    writeRecord(segment, at, RECORD, first + index, payload);
    at += lengths[index] as number;
  }
  const path = segmentPath(dir, 1);
  try {
    await files.makeDirectory(dir);
    const file = await files.open(path, "create");
    try {
      await file.write(segment, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await files.syncDirectory(dir);
    return path;
  } catch (error) {
    throw writeFailed(path, error);
  }
}
