import { codeOf, damaged, JournalError, unreadable } from "./journal-error.js";
import { type JournalFile, type JournalFiles, realFiles } from "./journal-files.js";
import {
  END,
  isZero,
  readPayload,
  readRecordHeader,
  readSegmentHeader,
  recordBytes,
  SECTOR_BYTES,
  type SegmentHeader,
} from "./segment-format.js";
import { segmentIndexes, segmentPath } from "./segment-names.js";

/** What is read of a segment at once, unless a record is larger. */
const WINDOW_BYTES = 256 * 1024;

/** A record, in memory of its own. */
interface FollowedRecord {
  readonly number: number;
  readonly payload: Buffer;
}

/** The segment that is read from; its file may have been removed since, and can be read all the same. */
interface FollowedSegment {
  readonly path: string;
  readonly file: JournalFile;
  readonly header: SegmentHeader;
  /** Of the record that comes next. */
  offset: number;
}

/**
 * Follows a journal that another thread writes to: reads each record once, in order, as soon as its writer has said
 * that it is on disk. The disk is the queue, so whoever reads slowly costs the writer no memory.
 *
 * Invariants: `#next` is the number of the record that is read next; `#segment` has it, or ends before it.
 */
export class JournalFollower {
  readonly #dir: string;
  readonly #files: JournalFiles;
  #segment: FollowedSegment;
  #next: number;

  private constructor(dir: string, files: JournalFiles, segment: FollowedSegment, next: number) {
    this.#dir = dir;
    this.#files = files;
    this.#segment = segment;
    this.#next = next;
  }

  /**
   * Begins with the record `next`, which may be the one that is written next. Rejects with JournalError: JOURNAL_GAP
   * where the journal does not reach back to it.
   */
  static async open(
    dir: string,
    next: number,
    files: JournalFiles = realFiles,
  ): Promise<JournalFollower> {
    let found: FollowedSegment | undefined;
    for (const index of segmentIndexes(await files.list(dir)).reverse()) {
      const segment = await openSegment(files, dir, index);
      if (segment === undefined) continue;
      if (segment.header.first <= next) {
        found = segment;
        break;
      }
      await segment.file.close();
    }
    if (found === undefined) throw gap(dir, next);
    const follower = new JournalFollower(dir, files, found, found.header.first);
    try {
      while (follower.#next < next) {
        const { length } = await follower.read(next - 1, WINDOW_BYTES);
        if (length === 0) throw gap(dir, next);
      }
      return follower;
    } catch (error) {
      await follower.close();
      throw error;
    }
  }

  /** Number of the record that is read next. */
  get next(): number {
    return this.#next;
  }

  /**
   * The next records up to number `last`, which must be on disk: one at least, where there is one, and more while
   * they have no more than so many bytes. Rejects with JournalError: JOURNAL_GAP where they have been removed.
   */
  async read(last: number, bytesMax: number): Promise<readonly FollowedRecord[]> {
    const records: FollowedRecord[] = [];
    let bytes = 0;
    while (this.#next <= last && (records.length === 0 || bytes < bytesMax)) {
      // From there on, what this segment has was given up by its writer, and never said to be on disk.
      const successor = await openSegment(this.#files, this.#dir, this.#segment.header.index + 1);
      const end = Math.min(last, (successor?.header.first ?? Number.POSITIVE_INFINITY) - 1);
      if (this.#next > end && successor !== undefined) {
        await this.#segment.file.close();
        this.#segment = successor;
        continue;
      }
      await successor?.file.close();
      const some = await this.#window(end, bytesMax - bytes);
      for (const { payload } of some) bytes += payload.length;
      records.push(...some);
    }
    return records;
  }

  async close(): Promise<void> {
    await this.#segment.file.close();
  }

  /** Records of the present segment, of one window; they are there. */
  async #window(last: number, bytesMax: number): Promise<readonly FollowedRecord[]> {
    const { file, header, path } = this.#segment;
    const records: FollowedRecord[] = [];
    let window = await this.#read(WINDOW_BYTES);
    let at = 0;
    for (let bytes = 0; this.#next <= last && (records.length === 0 || bytes < bytesMax); ) {
      if (at + SECTOR_BYTES > window.length) break;
      const head = readRecordHeader(window, at);
      // The segment behind it has been removed, and what was in there with it.
      if (head?.kind === END) throw gap(this.#dir, this.#next);
      if (head?.number !== this.#next)
        throw damaged(path, this.#segment.offset, `record ${this.#next} is not there`);
      const length = recordBytes(head.length);
      if (this.#segment.offset + length > header.bytes)
        throw damaged(path, this.#segment.offset, "a record reaches beyond the end");
      if (at + length > window.length) {
        if (records.length > 0) break;
        window = Buffer.alloc(length);
        await file.read(window, this.#segment.offset);
        at = 0;
      }
      const payload = readPayload(window, at, head, Buffer.allocUnsafe(length));
      if (payload === undefined)
        throw damaged(path, this.#segment.offset, `record ${this.#next} is not whole`);
      records.push({ number: this.#next++, payload });
      bytes += payload.length;
      at += length;
      this.#segment.offset += length;
    }
    return records;
  }

  async #read(bytesMax: number): Promise<Buffer> {
    const { file, header, offset } = this.#segment;
    const window = Buffer.alloc(Math.min(bytesMax, header.bytes - offset));
    return window.subarray(0, await file.read(window, offset));
  }
}

/** A segment that has been used; undefined where there is none, or it is only prepared. */
async function openSegment(
  files: JournalFiles,
  dir: string,
  index: number,
): Promise<FollowedSegment | undefined> {
  const path = segmentPath(dir, index);
  let file: JournalFile;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
  const sector = Buffer.alloc(SECTOR_BYTES);
  const length = await file.read(sector, 0);
  const header = length < SECTOR_BYTES ? undefined : readSegmentHeader(sector);
  if (header?.index === index) return { path, file, header, offset: SECTOR_BYTES };
  await file.close();
  // Its header is on its way to the disk, or it has none yet.
  if (header === undefined || isZero(sector, 0, length)) return undefined;
  throw damaged(path, 0, "its header is not what was written");
}

function gap(dir: string, next: number): JournalError {
  return new JournalError(
    "JOURNAL_GAP",
    `${dir} does not reach back to record ${next}; begin with a copy of the store`,
  );
}
