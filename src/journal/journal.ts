import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { JournalError, segmentMissing, unreadable, writeFailed } from "./journal-error.js";
import { type JournalFile, type JournalFiles, realFiles } from "./journal-files.js";
import { type JournalEnd, type JournalRecord, readJournal } from "./journal-reader.js";
import {
  END,
  JOURNAL_ID_BYTES,
  payloadBytesMax,
  RECORD,
  recordBytes,
  SECTOR_BYTES,
  segmentBytesFor,
  writeRecord,
  writeSegmentHeader,
} from "./segment-format.js";
import { DRAFT, segmentPath } from "./segment-names.js";
import { SegmentPreparer } from "./segment-preparer.js";

/** Of new segments: large, so that they are seldom changed, and small beside the memory that reads them. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
/** Room that every segment keeps for its end. */
const NOTHING = Buffer.alloc(0);
const END_BYTES = recordBytes(NOTHING.length);

interface JournalOptions {
  /** Number of the last record that the caller has no need of, as the store contains it. */
  readonly after: number;
  /** A multiple of 512. */
  readonly segmentBytes?: number;
  /** Of the largest segment, which is made for one record; none is larger than others if left out. */
  readonly largestBytes?: number;
  /** So much of what the caller has no need of stays, for whoever follows the journal; in bytes. */
  readonly keptBytes?: number;
  readonly files?: JournalFiles;
}

/** A segment that has been used, and is still there. */
interface UsedSegment {
  readonly index: number;
  readonly first: number;
  /** Of the whole file. */
  readonly bytes: number;
}

/** The segment that is written to, and where. */
interface OpenSegment {
  readonly path: string;
  readonly file: JournalFile;
  /** Of the whole file. */
  readonly bytes: number;
  offset: number;
}

/**
 * A journal of numbered records on disk, in a directory of its own that nobody else writes to: the caller
 * holds a lock. A record is there as a whole or not at all, and when {@link append} resolves it is on disk.
 *
 * Invariants:
 * 1. One thing is written at a time, `#busy`; nothing of a record is written before the one before it is
 *    on disk. So only the last one can be torn.
 * 2. What lies before `#current.offset` is on disk and is never written again; what lies behind it, to the
 *    end of the segment, are zeros, of which the disk knows. A write that failed breaks that, so nothing is
 *    written to its segment any more: the next one takes over, and its header says with which number. What
 *    the failed write may have left is void from then on, whatever it is.
 * 3. `#next` is the number behind the last record that is on disk.
 * 4. A segment has an end only when the one behind it is there; so a missing one shows.
 * 5. `#used` has every segment whose records may be needed, ascending, the last one always.
 */
export class Journal {
  /** What was left of a write that was cut short, and is cut off; undefined where there was nothing. */
  readonly torn: JournalEnd["torn"];
  readonly #dir: string;
  readonly #files: JournalFiles;
  readonly #segmentBytes: number;
  readonly #largestBytes: number;
  readonly #keptBytes: number;
  readonly #id: string;
  readonly #preparer: SegmentPreparer;
  readonly #used: UsedSegment[];
  #current: OpenSegment | undefined;
  #next: number;
  /** The caller needs no record up to this number. */
  #contained: number;
  #buffer = Buffer.alloc(0);
  #busy: Promise<unknown> | undefined;
  #releasing: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(dir: string, options: JournalOptions, end: JournalEnd) {
    const { after, segmentBytes = SEGMENT_BYTES, keptBytes = 0, files = realFiles } = options;
    this.#largestBytes = options.largestBytes ?? segmentBytes;
    this.#dir = dir;
    this.#keptBytes = keptBytes;
    this.#files = files;
    this.#segmentBytes = segmentBytes;
    this.#contained = after;
    this.#next = end.next;
    // A writer that was killed may have left some that nobody needs.
    this.#used = [...end.contained, ...end.segments].map(({ index, first, bytes }) => {
      return { index, first, bytes };
    });
    this.#id = end.segments.at(-1)?.id ?? randomBytes(JOURNAL_ID_BYTES).toString("hex");
    this.#preparer = new SegmentPreparer(files, dir, segmentBytes);
    this.torn = end.torn;
  }

  /**
   * Opens the journal of a directory, or makes one where there is none, and has `take` hear of every record
   * behind `after`. Where a write was cut short, what is left of it is cut off.
   *
   * Rejects with what `take` throws, and with JournalError: JOURNAL_DAMAGED, JOURNAL_GAP, JOURNAL_VERSION or
   * JOURNAL_UNREADABLE. That nothing can be written is found by the first {@link append}.
   */
  static async open(
    dir: string,
    options: JournalOptions,
    take: (record: JournalRecord) => void | Promise<void>,
  ): Promise<Journal> {
    const { after, segmentBytes = SEGMENT_BYTES, files = realFiles } = options;
    if (segmentBytes % SECTOR_BYTES !== 0 || payloadBytesMax(segmentBytes) < 1)
      throw new RangeError(`a segment cannot have ${segmentBytes} bytes`);
    await files.makeDirectory(dir).catch((error: unknown) => {
      throw unreadable(dir, error);
    });
    const records = readJournal(dir, after, { files, alone: true });
    let step = await records.next();
    for (; step.done !== true; step = await records.next()) await take(step.value);
    const journal = new Journal(dir, options, step.value);
    await journal.#goOn(step.value);
    return journal;
  }

  /** Number of the last record that is on disk; 0 where there is none. */
  get last(): number {
    return this.#next - 1;
  }

  /** Most bytes of a payload. */
  get payloadBytesMax(): number {
    return payloadBytesMax(this.#largestBytes);
  }

  /**
   * Writes a record; resolves with its number when it is on disk. One at a time. The payload is copied at
   * once.
   *
   * Rejects with JournalError, and then there is no such record: JOURNAL_WRITE_FAILED or
   * JOURNAL_SEGMENT_MISSING, after which it can be tried again, or JOURNAL_RECORD_TOO_LARGE. Where its
   * `maybeStored` is true, that holds only once a later append or a {@link probe} has succeeded.
   */
  append(payload: Buffer): Promise<number> {
    return this.#alone(() => this.#append(payload));
  }

  /**
   * Resolves when the journal can be written, and has a segment ahead. Rejects with JOURNAL_WRITE_FAILED, or
   * with JOURNAL_SEGMENT_MISSING, while it cannot. Not beside an append.
   */
  probe(): Promise<void> {
    return this.#alone(async () => {
      await this.#open();
      await this.#ready();
    });
  }

  /**
   * The caller needs no record up to `number` any more: segments that hold no others are removed. Rejects
   * with JOURNAL_WRITE_FAILED where one cannot be; the next call tries it again.
   */
  release(number: number): Promise<void> {
    if (number > this.last) throw new Error(`journal: there is no record ${number} to release`);
    this.#contained = Math.max(this.#contained, number);
    const done = this.#releasing.catch(() => {}).then(() => this.#removeContained());
    this.#releasing = done;
    return done;
  }

  /** Resolves when all that was asked for has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#busy?.catch(() => {});
    await this.#releasing.catch(() => {});
    await this.#preparer.stop();
    const current = this.#current;
    this.#current = undefined;
    await current?.file.close();
  }

  /** Goes on where the last segment ends, if it is one that can be written to. */
  async #goOn({ segments, offset }: JournalEnd): Promise<void> {
    await this.#files.remove(join(this.#dir, DRAFT)).catch(() => {});
    const last = segments.at(-1);
    if (last !== undefined && offset !== undefined) {
      const path = segmentPath(this.#dir, last.index);
      // What cannot be written is gone on behind: the first append begins another segment, or says why not.
      const file = await this.#files.open(path, "write").catch(() => undefined);
      if (file !== undefined) this.#current = { path, file, bytes: last.bytes, offset };
    }
    this.#preparer.prepare(this.#nextIndex);
  }

  get #nextIndex(): number {
    return (this.#used.at(-1)?.index ?? 0) + 1;
  }

  async #alone<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error("the journal is closed");
    if (this.#busy !== undefined) throw new Error("journal: something else is being written");
    const done = task();
    this.#busy = done;
    try {
      return await done;
    } finally {
      this.#busy = undefined;
    }
  }

  async #append(payload: Buffer): Promise<number> {
    if (payload.length > this.payloadBytesMax) {
      throw new JournalError(
        "JOURNAL_RECORD_TOO_LARGE",
        `${this.#dir} takes at most ${this.payloadBytesMax} bytes at once, and was given ${payload.length}; ask for less at once`,
      );
    }
    const number = this.#next;
    const bytes = this.#encoded(number, payload);
    let current = await this.#open();
    if (current.offset + bytes.length > current.bytes - END_BYTES) {
      const own = Math.max(this.#segmentBytes, segmentBytesFor(bytes.length));
      await this.#end(current, own);
      current = await this.#begin(own);
    }
    await this.#write(current, bytes);
    if (this.#next !== number) throw new Error(`journal: ${number} is not the next number`);
    this.#next = number + 1;
    // Where there was no room for it, there may be by now.
    this.#preparer.prepare(this.#nextIndex);
    return number;
  }

  /** A record as it is written, in memory that is used again. */
  #encoded(number: number, payload: Buffer): Buffer {
    const length = recordBytes(payload.length);
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafe(length * 2);
    writeRecord(this.#buffer, 0, RECORD, number, payload);
    return this.#buffer.subarray(0, length);
  }

  /** Writes behind what a segment has, and moves its offset when that is on disk. */
  async #write(segment: OpenSegment, bytes: Buffer): Promise<void> {
    if (segment !== this.#current) throw new Error("journal: another segment is written to");
    try {
      await segment.file.write(bytes, segment.offset);
      await segment.file.datasync();
      requireWhole(segment);
    } catch (error) {
      throw await this.#giveUp(segment, error);
    }
    segment.offset += bytes.length;
  }

  /** Has the next segment take over from one that could not be written; returns the error to tell. */
  async #giveUp({ path, file }: OpenSegment, cause: unknown): Promise<JournalError> {
    this.#current = undefined;
    await file.close().catch(() => {});
    const { code, message } = writeFailed(path, cause);
    try {
      await this.#begin();
      return new JournalError(code, message, { cause });
    } catch {
      return new JournalError(code, message, { cause, maybeStored: true });
    }
  }

  /** The segment to write to. */
  async #open(): Promise<OpenSegment> {
    return this.#current ?? (await this.#begin());
  }

  /** Resolves when the segment behind the current one is there. */
  async #ready(bytes = this.#segmentBytes): Promise<void> {
    const index = this.#nextIndex;
    const path = segmentPath(this.#dir, index);
    try {
      await this.#preparer.ready(index, bytes);
      if (await this.#isWhole(path, bytes)) return;
      // Somebody has removed it since, or cut it.
      this.#preparer.forget();
      await this.#preparer.ready(index, bytes);
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  async #isWhole(path: string, bytes: number): Promise<boolean> {
    try {
      return (await this.#files.sizeOf(path)) === bytes;
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  /** Ends a segment whose successor is there. */
  async #end(segment: OpenSegment, nextBytes: number): Promise<void> {
    await this.#ready(nextBytes);
    const end = Buffer.alloc(END_BYTES);
    writeRecord(end, 0, END, this.#next, NOTHING);
    await this.#write(segment, end);
    this.#current = undefined;
    await segment.file.close().catch(() => {});
  }

  /** Begins the segment behind the last one: from then on the next record is nowhere else. */
  async #begin(bytes = this.#segmentBytes): Promise<OpenSegment> {
    if (this.#current !== undefined) throw new Error("journal: there is a segment to write to");
    await this.#requireSegments();
    const [index, first] = [this.#nextIndex, this.#next];
    await this.#ready(bytes);
    const path = segmentPath(this.#dir, index);
    let file: JournalFile | undefined;
    try {
      const header = Buffer.alloc(SECTOR_BYTES);
      writeSegmentHeader(header, { bytes, index, first, id: this.#id });
      file = await this.#files.open(path, "write");
      await file.write(header, 0);
      await file.datasync();
      requireWhole({ path, file, bytes });
    } catch (error) {
      // The next attempt makes another file, and that takes the place of this one.
      this.#preparer.forget();
      await file?.close().catch(() => {});
      throw writeFailed(path, error);
    }
    this.#used.push({ index, first, bytes });
    this.#current = { path, file, bytes, offset: SECTOR_BYTES };
    this.#preparer.prepare(index + 1);
    // The one before may be needed no more: whatever became of it, the next start is not to find it.
    void this.release(this.#contained).catch(() => {});
    return this.#current;
  }

  /** Rejects with JOURNAL_SEGMENT_MISSING where a segment is gone or cut whose records the caller needs. */
  async #requireSegments(): Promise<void> {
    for (const [at, { index, first, bytes }] of this.#used.entries()) {
      const last = (this.#used[at + 1]?.first ?? this.#next) - 1;
      if (last <= this.#contained || last < first) continue;
      const path = segmentPath(this.#dir, index);
      if (await this.#isWhole(path, bytes)) continue;
      throw segmentMissing(
        path,
        `it had the records ${first} to ${last}; nothing can be written until the store contains them`,
      );
    }
  }

  async #removeContained(): Promise<void> {
    for (;;) {
      const [oldest, second] = this.#used;
      if (oldest === undefined || second === undefined || second.first - 1 > this.#contained)
        return;
      const behind = this.#used.reduce((sum, { bytes }) => sum + bytes, -oldest.bytes);
      if (behind < this.#keptBytes) return;
      const path = segmentPath(this.#dir, oldest.index);
      try {
        await this.#files.remove(path);
      } catch (error) {
        throw writeFailed(path, error);
      }
      this.#used.shift();
    }
  }
}

/** Throws where its path does not lead to a segment any more: what is written to it is found by nobody. */
function requireWhole({ path, file, bytes }: Pick<OpenSegment, "path" | "file" | "bytes">): void {
  if (!file.isWhole(bytes))
    throw segmentMissing(path, "it was removed, moved or cut while it was written to");
}
