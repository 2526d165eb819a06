import { crc32c } from "@node-rs/crc32";
import type { PublicationRecord } from "../ring/publication-record.js";
import type { MarketState } from "../ring/records.js";
import { CodedError } from "../shared/coded-error.js";
import type { MarketDefinition } from "../shared/market.js";
import { ByteReader, ByteWriter, PackedBytesError } from "./packed-bytes.js";
import {
  type BookPlaced,
  RecordReader,
  type RecordSink,
  RecordWriter,
  type TradeNumbered,
} from "./packed-records.js";

/*
 * An entry of the relay's stream, and a field of its snapshot: a header and records.
 *
 *   byte 0   version    1
 *   byte 1   checksum   u32, CRC-32C of all that follows
 *   byte 5   flags      bit 0: records are missing before this entry; bit 1: an epoch begins with it;
 *                       bit 2: one has ended with it
 *   byte 6   fence      count: number of the origin; an entry of a lower one than has been seen is void
 *            batch      count: goes up by one with each entry of the stream
 *            ts         count: microseconds since the Unix epoch, when it was packed
 *            epoch      count of bytes, UTF-8
 *            records    count
 *            …          records, see packed-records.ts
 *
 * Numbers are those of packed-bytes.ts. An entry is read by itself: what it has as differences is to itself.
 */

const ENTRY_VERSION = 1;
const FLAG_GAP = 1;
const FLAG_BEGINS = 2;
const FLAG_ENDS = 4;
const CHECKSUM_AT = 1;
const CHECKED_FROM = 5;
const FENCE_AT = 6;

export interface EntryHead {
  readonly epoch: string;
  readonly fence: number;
  readonly batch: number;
  readonly ts: number;
  /** Records are missing before it, whatever the batch numbers say. */
  readonly gap: boolean;
  /** All of the epoch is in this entry and those after it. */
  readonly begins: boolean;
  /** All that was told in the epoch is in this entry and those before it. */
  readonly ends: boolean;
}

export interface Entry extends EntryHead {
  readonly records: number;
  /** Calls the sink for each record, with objects that the next record changes. Throws EntryError. */
  read(sink: RecordSink): void;
}

type EntryErrorCode = "ENTRY_DAMAGED" | "ENTRY_VERSION";

/** Bytes that are no entry, or one of a version that is not known. */
export class EntryError extends CodedError<EntryErrorCode> {}

/** Packs an entry: records first, in any order, then {@link finish}. */
export class EntryWriter {
  readonly #body = new ByteWriter(4096);
  readonly #head = new ByteWriter(128);
  readonly #records = new RecordWriter(this.#body);
  #count = 0;
  #ts = 0;

  /** Begins another entry, packed at a `ts`. */
  begin(ts: number): void {
    this.#body.clear();
    this.#records.begin(ts);
    this.#count = 0;
    this.#ts = ts;
  }

  get records(): number {
    return this.#count;
  }

  /** Bytes of the records so far. */
  get bytes(): number {
    return this.#body.length;
  }

  /** @param tradeSeq of the market's newest trade that the entries before have; 0 for none */
  listing(definition: MarketDefinition, state: MarketState, tradeSeq: number): void {
    this.#count++;
    this.#records.listing(definition, state, tradeSeq);
  }

  state(state: MarketState): void {
    this.#count++;
    this.#records.state(state);
  }

  book(slot: number, book: BookPlaced): void {
    this.#count++;
    this.#records.book(slot, book);
  }

  trade(trade: TradeNumbered): void {
    this.#count++;
    this.#records.trade(trade);
  }

  /** From which `ts` on all that is told lies at the origin. */
  completeFrom(ts: number): void {
    this.#count++;
    this.#records.completeFrom(ts);
  }

  publication(publication: PublicationRecord): void {
    this.#count++;
    this.#records.publication(publication);
  }

  /** All that was published earlier is in this entry or in those before. */
  publishedTo(ts: number): void {
    this.#count++;
    this.#records.publishedTo(ts);
  }

  /** The entry, in memory of its own. */
  finish(head: Omit<EntryHead, "ts" | "ends"> & { readonly ends?: boolean }): Buffer {
    const out = this.#head;
    const epoch = Buffer.from(head.epoch);
    out.clear();
    out.byte(ENTRY_VERSION);
    out.u32(0);
    out.byte(
      (head.gap ? FLAG_GAP : 0) |
        (head.begins ? FLAG_BEGINS : 0) |
        (head.ends === true ? FLAG_ENDS : 0),
    );
    out.count(head.fence);
    out.count(head.batch);
    out.count(this.#ts);
    out.count(epoch.length);
    out.raw(epoch);
    out.count(this.#count);
    const entry = Buffer.concat([out.written, this.#body.written]);
    entry.writeUInt32LE(crc32c(entry.subarray(CHECKED_FROM)), CHECKSUM_AT);
    return entry;
  }
}

/** Reads an entry's header, with its checksum proved. Throws EntryError. */
export function openEntry(bytes: Buffer): Entry {
  const version = bytes[0];
  if (version === undefined || bytes.length < FENCE_AT)
    throw new EntryError("ENTRY_DAMAGED", `entry: ${bytes.length} bytes are too few`);
  if (version !== ENTRY_VERSION)
    throw new EntryError(
      "ENTRY_VERSION",
      `entry: version ${version} is not known, only ${ENTRY_VERSION}; nodes of one relay run the same version`,
    );
  if (crc32c(bytes.subarray(CHECKED_FROM)) !== bytes.readUInt32LE(CHECKSUM_AT))
    throw new EntryError("ENTRY_DAMAGED", "entry: its checksum does not fit");
  return damaged(() => {
    const flags = bytes[CHECKED_FROM] as number;
    const from = new ByteReader(bytes, FENCE_AT);
    const fence = from.count();
    const batch = from.count();
    const ts = from.count();
    const epoch = from.raw(from.count()).toString();
    const records = from.count();
    const body = from.at;
    return {
      epoch,
      fence,
      batch,
      ts,
      gap: (flags & FLAG_GAP) !== 0,
      begins: (flags & FLAG_BEGINS) !== 0,
      ends: (flags & FLAG_ENDS) !== 0,
      records,
      read: (sink) =>
        damaged(() => {
          const reader = new RecordReader(new ByteReader(bytes, body), ts);
          for (let record = 0; record < records; record++) reader.next(sink);
          reader.end();
        }),
    };
  });
}

/** What does not fit together, though the checksum does, is told by the same error. */
function damaged<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PackedBytesError)) throw error;
    throw new EntryError(error.code, error.message);
  }
}
