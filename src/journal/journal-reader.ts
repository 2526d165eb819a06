import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, damaged, JournalError, unreadable } from "./journal-error.js";
import { type JournalFile, type JournalFiles, realFiles } from "./journal-files.js";
import { lookAt, type Seen } from "./record-look.js";
import {
  ForeignVersion,
  isZero,
  readSegmentHeader,
  SECTOR_BYTES,
  type SegmentHeader,
} from "./segment-format.js";
import { segmentIndexes, segmentPath } from "./segment-names.js";

/** Looks at what seems broken while somebody may be writing it, and the time between two, in ms. */
const LOOKS_MAX = 20;
const LOOK_INTERVAL_MS = 5;

export interface JournalRecord {
  /** Counts from 1. */
  readonly number: number;
  /** Of memory that is used again: it holds until the next record is asked for. */
  readonly payload: Buffer;
}

/** Where a journal was found to end. */
export interface JournalEnd {
  /** Number of the record that comes next. */
  readonly next: number;
  /** Those whose records the caller contains: they were not read, and may be removed. */
  readonly contained: readonly SegmentHeader[];
  /** The segments that have been used, from the first one that was read. */
  readonly segments: readonly SegmentHeader[];
  /** Where in the last of them the next record has its place; undefined where that is another segment. */
  readonly offset: number | undefined;
  /** What is left there of a write that was cut short. */
  readonly torn: { readonly path: string; readonly offset: number } | undefined;
}

interface ReadOptions {
  readonly files?: JournalFiles;
  /** Nobody writes: what is broken is so for good. */
  readonly alone?: boolean;
}

/**
 * Reads the records of a journal behind number `after`, in their order: without gaps, none twice, up to
 * wherever it ends at that moment. A writer may go on meanwhile, and remove what nobody needs; what it is
 * about to tell, but has not yet, may be among the records.
 *
 * Throws JournalError: JOURNAL_GAP where records behind `after` are not there, because they were removed or
 * because `after` is of another journal; beside a writer, ask again with a later `after`.
 */
export async function* readJournal(
  dir: string,
  after: number,
  options: ReadOptions = {},
): AsyncGenerator<JournalRecord, JournalEnd> {
  return yield* new JournalReader(dir, after, options).records();
}

/**
 * One walk through the segments of a journal.
 *
 * Invariants: `next` is the number behind the last record that was read. All records before it have been
 * looked at, and their checksums fit. `segments` are those that were read, one after the other.
 */
class JournalReader {
  readonly #dir: string;
  readonly #after: number;
  readonly #files: JournalFiles;
  readonly #looksMax: number;
  readonly #segments: SegmentHeader[] = [];
  #next = 1;
  #bytes = Buffer.alloc(0);
  #payload = Buffer.alloc(0);

  constructor(dir: string, after: number, { files, alone }: ReadOptions) {
    this.#dir = dir;
    this.#after = after;
    this.#files = files ?? realFiles;
    this.#looksMax = alone === true ? 1 : LOOKS_MAX;
  }

  async *records(): AsyncGenerator<JournalRecord, JournalEnd> {
    const used = await this.#used();
    const start = used.findLastIndex(({ first }) => first <= this.#after + 1);
    const begin = used[start];
    if (begin === undefined) return this.#nothingUsed(used[0]);
    this.#next = begin.first;
    let segment: SegmentHeader | undefined = begin;
    let end: SegmentPassed | undefined;
    for (let at = start + 1; segment !== undefined; at++) {
      await this.#requireNeighbour(segment);
      this.#segments.push(segment);
      end = yield* this.#segment(segment, used[at]);
      segment = end.successor;
    }
    if (this.#next <= this.#after) {
      throw new JournalError(
        "JOURNAL_GAP",
        `${this.#dir} ends with record ${this.#next - 1}, but the store contains records up to ${this.#after}; restore the data directory from a backup`,
      );
    }
    return {
      next: this.#next,
      contained: used.slice(0, start),
      segments: this.#segments,
      offset: end?.offset,
      torn: end?.torn,
    };
  }

  /** The records of a segment, up to its end or to where the next one takes over. */
  async *#segment(
    segment: SegmentHeader,
    known: SegmentHeader | undefined,
  ): AsyncGenerator<JournalRecord, SegmentPassed> {
    const path = segmentPath(this.#dir, segment.index);
    let successor = known;
    let offset = SECTOR_BYTES;
    let looks = 0;
    await this.#read(path, segment, offset);
    for (;;) {
      // Whatever follows here was never told: the writer gave it up, and went on in the next segment.
      if (this.#next === successor?.first) return { offset: undefined, torn: undefined, successor };
      const seen = lookAt(this.#bytes, offset, this.#next, this.#payload);
      if (seen.what === "record") {
        const number = this.#next++;
        offset += seen.bytes;
        looks = 0;
        if (number > this.#after) yield { number, payload: seen.payload };
        continue;
      }
      const later = successor ?? (await this.#laterSuccessor(segment));
      const isNew = later !== successor;
      if (isNew || (isBroken(seen, later) && ++looks < this.#looksMax)) {
        successor = later;
        if (!isNew) await sleep(LOOK_INTERVAL_MS);
        await this.#read(path, segment, offset);
        continue;
      }
      if (seen.what === "damage") throw damaged(path, seen.offset, seen.text);
      if (successor !== undefined) {
        const missing = `record ${this.#next} is missing, and the next segment begins with ${successor.first}`;
        throw damaged(path, offset, missing);
      }
      if (seen.what === "end") await this.#requireSuccessor(segment);
      return {
        offset: seen.what === "nothing" ? offset : undefined,
        torn: seen.what === "torn" ? { path, offset } : undefined,
        successor,
      };
    }
  }

  /** Reads a segment from `offset` on. What is before that stays as it is. */
  async #read(path: string, { bytes }: SegmentHeader, offset: number): Promise<void> {
    if (this.#bytes.length !== bytes) {
      this.#bytes = Buffer.alloc(bytes);
      this.#payload = Buffer.alloc(bytes);
    }
    await this.#open(path, async (file) => {
      const size = await file.size();
      if (size !== bytes) throw damaged(path, size, `it has ${size} bytes, and had ${bytes}`);
      await file.read(this.#bytes.subarray(offset), offset);
    });
  }

  /** The headers of all segments that have been used; the last may have a prepared one behind it. */
  async #used(): Promise<SegmentHeader[]> {
    const used: SegmentHeader[] = [];
    let unused: string | undefined;
    for (const index of await this.#indexes()) {
      const path = segmentPath(this.#dir, index);
      const header = await this.#header(index);
      if (header === "removed") continue;
      if (header === undefined) unused ??= path;
      else if (unused !== undefined)
        throw damaged(unused, 0, "it begins with zeros, and a later segment has been used");
      else used.push(header);
    }
    return used;
  }

  async #indexes(): Promise<number[]> {
    try {
      return segmentIndexes(await this.#files.list(this.#dir));
    } catch (error) {
      throw unreadable(this.#dir, error);
    }
  }

  /** The header of a segment; undefined where that is prepared, and has not been used. */
  async #header(index: number): Promise<SegmentHeader | "removed" | undefined> {
    const path = segmentPath(this.#dir, index);
    const sector = Buffer.alloc(SECTOR_BYTES);
    let length = 0;
    try {
      length = await this.#open(path, (file) => file.read(sector, 0));
    } catch (error) {
      if (error instanceof JournalError && error.code === "JOURNAL_GAP") return "removed";
      throw error;
    }
    if (length < SECTOR_BYTES) throw damaged(path, length, "it is cut off");
    if (isZero(sector, 0, SECTOR_BYTES)) return undefined;
    try {
      const header = readSegmentHeader(sector);
      if (header?.index === index) return header;
    } catch (error) {
      if (!(error instanceof ForeignVersion)) throw error;
      throw new JournalError(
        "JOURNAL_VERSION",
        `${path} has format version ${error.version}, which this version of Marketcast does not know; run the version that wrote it, or choose another --data-dir`,
      );
    }
    throw damaged(path, 0, "its header is not what was written");
  }

  /** The segment behind one, if it has been used since the headers were read. */
  async #laterSuccessor({ index }: SegmentHeader): Promise<SegmentHeader | undefined> {
    if (this.#looksMax === 1) return undefined;
    const header = await this.#header(index + 1);
    return header === "removed" ? undefined : header;
  }

  /** Behind an end that was written there is a segment, if only a prepared one. */
  async #requireSuccessor({ index }: SegmentHeader): Promise<void> {
    if ((await this.#header(index + 1)) === "removed")
      await this.#missing(
        index + 1,
        "it is missing, and the segment before it says that there is one",
      );
  }

  async #requireNeighbour({ index, id }: SegmentHeader): Promise<void> {
    const before = this.#segments.at(-1);
    if (before === undefined) return;
    if (index !== before.index + 1) await this.#missing(before.index + 1, "it is missing");
    if (id !== before.id)
      throw damaged(segmentPath(this.#dir, index), 0, "it is of another journal");
  }

  /** Throws: of a segment that is not there, where the one before it was. A writer removes that first. */
  async #missing(index: number, text: string): Promise<never> {
    await this.#open(segmentPath(this.#dir, index - 1), (before) => before.size());
    throw damaged(segmentPath(this.#dir, index), 0, text);
  }

  /** What a journal is that has no segment to begin with; `first` is the first one that it has. */
  #nothingUsed(first: SegmentHeader | undefined): JournalEnd {
    if (first === undefined && this.#after === 0)
      return { next: 1, contained: [], segments: [], offset: undefined, torn: undefined };
    const behind = first === undefined ? "none at all" : `those from ${first.first} on`;
    throw new JournalError(
      "JOURNAL_GAP",
      `${this.#dir} lacks records: those from ${this.#after + 1} on are needed, and it has ${behind}; restore the data directory from a backup`,
    );
  }

  /** A file that is not there is a gap. */
  async #open<T>(path: string, use: (file: JournalFile) => Promise<T>): Promise<T> {
    try {
      const file = await this.#files.open(path, "read");
      try {
        return await use(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw unreadable(path, error);
      throw new JournalError(
        "JOURNAL_GAP",
        `${path} is not there any more; read again what the store contains`,
        { cause: error },
      );
    }
  }
}

interface SegmentPassed extends Pick<JournalEnd, "offset" | "torn"> {
  readonly successor: SegmentHeader | undefined;
}

/** Whether a writer that goes on may make something else of what was seen. */
function isBroken({ what }: Seen, successor: SegmentHeader | undefined): boolean {
  return what === "damage" || what === "torn" || successor !== undefined;
}
