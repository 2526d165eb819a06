import { crc32c } from "@node-rs/crc32";

/*
 * A segment is a file of fixed size, a whole number of sectors. It is made of zeros before it is used, and
 * what has been written to it is not written again. Everything is little-endian.
 *
 * A SECTOR has 512 bytes, the least that a disk writes as a whole: 510 of content, and a stamp. A sector that
 * was never written is all zeros; in one that was written neither byte of the stamp is zero.
 *
 *   0                                                                      510    512
 *   ├───────────────────────────────────────────────────────────────────────┼──────┤
 *   │ content                                                               │ stamp│
 *   └───────────────────────────────────────────────────────────────────────┴──────┘
 *
 * The stamp follows from the number of the record that its write is about, so that neighbours have different
 * ones. What is below is content: it goes on in the next sector as if there were no stamps.
 *
 * The first sector is the segment's HEADER, zeros until the first write:
 *
 *   0         8         12        16        24        32                48 ... 506        510
 *   ├─────────┼─────────┼─────────┼─────────┼─────────┼─────────────────┼──────┼──────────┤
 *   │ magic   │ version │ bytes   │ index   │ first   │ id of the       │ zeros│ CRC-32C  │
 *   │         │         │         │         │ number  │ journal         │      │ of 0–505 │
 *   └─────────┴─────────┴─────────┴─────────┴─────────┴─────────────────┴──────┴──────────┘
 *
 * After it come RECORDS, each from the beginning of a sector on, the rest of its last one zeros:
 *
 *   0         4         8         16        20        24
 *   ├─────────┼─────────┼─────────┼─────────┼─────────┼───────────────────┬───────┐
 *   │ length  │ CRC-32C │ number  │ kind    │ CRC-32C │ payload           │ zeros │
 *   │         │ of the  │         │         │ of 0–19 │ (length bytes)    │       │
 *   │         │ payload │         │         │         │                   │       │
 *   └─────────┴─────────┴─────────┴─────────┴─────────┴───────────────────┴───────┘
 *
 * A record of kind END has no payload and the number of the next record: that one is in the next segment.
 */
export const SECTOR_BYTES = 512;
const CONTENT_BYTES = 510;
const RECORD_HEADER_BYTES = 24;
const HEADER_CHECKED_BYTES = 506;
const MAGIC = Buffer.from("MCASTJNL", "latin1");
const FORMAT_VERSION = 1;
export const JOURNAL_ID_BYTES = 16;

export const RECORD = 1;
export const END = 2;
type RecordKind = typeof RECORD | typeof END;

/** What the first sector of a segment says. */
export interface SegmentHeader {
  /** Of the whole file. */
  readonly bytes: number;
  /** Counts from 1, in the order in which segments are used. */
  readonly index: number;
  /** Number of the first record in it, or that would be. */
  readonly first: number;
  /** The same in all segments of a journal, and in no other's; as hex. */
  readonly id: string;
}

/** A record's head. */
interface RecordHeader {
  readonly length: number;
  readonly checksum: number;
  readonly number: number;
  readonly kind: RecordKind;
}

/** The largest payload that a segment of that many bytes holds, beside its header and an end. */
export function payloadBytesMax(segmentBytes: number): number {
  return (segmentBytes / SECTOR_BYTES - 2) * CONTENT_BYTES - RECORD_HEADER_BYTES;
}

/** Bytes of a segment that holds one record of so many bytes, and an end. */
export function segmentBytesFor(recordLength: number): number {
  return SECTOR_BYTES + recordLength + recordBytes(0);
}

/** Bytes that a record takes in its segment. */
export function recordBytes(payloadLength: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + payloadLength) / CONTENT_BYTES) * SECTOR_BYTES;
}

/** The stamp of every sector that is written with a record: two bytes of 1 to 255. */
export function stampOf(number: number): number {
  return 1 + (number % 255) + ((1 + (Math.floor(number / 255) % 255)) << 8);
}

/** Whether a sector carries a stamp. */
export function hasStamp(bytes: Buffer, at: number, stamp: number): boolean {
  return bytes.readUInt16LE(at + CONTENT_BYTES) === stamp;
}

// --- Writing --------------------------------------------------------------------------------------

/** Writes a segment's header at the beginning of `into`. */
export function writeSegmentHeader(into: Buffer, { bytes, index, first, id }: SegmentHeader): void {
  into.fill(0, 0, SECTOR_BYTES);
  MAGIC.copy(into);
  into.writeUInt32LE(FORMAT_VERSION, 8);
  into.writeUInt32LE(bytes, 12);
  into.writeBigUInt64LE(BigInt(index), 16);
  into.writeBigUInt64LE(BigInt(first), 24);
  into.write(id, 32, JOURNAL_ID_BYTES, "hex");
  into.writeUInt32LE(crc32c(into.subarray(0, HEADER_CHECKED_BYTES)), HEADER_CHECKED_BYTES);
  into.writeUInt16LE(stampOf(first), CONTENT_BYTES);
}

/** Writes a record to `into` at `at`, where {@link recordBytes} of room are. */
export function writeRecord(
  into: Buffer,
  at: number,
  kind: RecordKind,
  number: number,
  payload: Buffer,
): void {
  const stamp = stampOf(number);
  const end = at + recordBytes(payload.length);
  into.writeUInt32LE(payload.length, at);
  into.writeUInt32LE(crc32c(payload), at + 4);
  into.writeBigUInt64LE(BigInt(number), at + 8);
  into.writeUInt32LE(kind, at + 16);
  into.writeUInt32LE(crc32c(into.subarray(at, at + 20)), at + 20);
  let from = 0;
  for (let sector = at; sector < end; sector += SECTOR_BYTES) {
    const begin = sector === at ? sector + RECORD_HEADER_BYTES : sector;
    const copied = payload.copy(into, begin, from, from + sector + CONTENT_BYTES - begin);
    from += copied;
    into.fill(0, begin + copied, sector + CONTENT_BYTES);
    into.writeUInt16LE(stamp, sector + CONTENT_BYTES);
  }
}

// --- Reading --------------------------------------------------------------------------------------

/** Thrown by {@link readSegmentHeader} for a segment of another version. */
export class ForeignVersion extends Error {
  readonly version: number;

  constructor(version: number) {
    super(`format version ${version}`);
    this.version = version;
  }
}

/** The header of a segment that begins with `sector`; undefined where it is none. Throws {@link ForeignVersion}. */
export function readSegmentHeader(sector: Buffer): SegmentHeader | undefined {
  const checksum = crc32c(sector.subarray(0, HEADER_CHECKED_BYTES));
  if (sector.readUInt32LE(HEADER_CHECKED_BYTES) !== checksum) return undefined;
  if (!sector.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const version = sector.readUInt32LE(8);
  if (version !== FORMAT_VERSION) throw new ForeignVersion(version);
  const first = Number(sector.readBigUInt64LE(24));
  if (!hasStamp(sector, 0, stampOf(first))) return undefined;
  return {
    bytes: sector.readUInt32LE(12),
    index: Number(sector.readBigUInt64LE(16)),
    first,
    id: sector.toString("hex", 32, 32 + JOURNAL_ID_BYTES),
  };
}

/** The head of a record at `at`; undefined where there is none. */
export function readRecordHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  const checksum = crc32c(bytes.subarray(at, at + 20));
  if (bytes.readUInt32LE(at + 20) !== checksum) return undefined;
  const kind = bytes.readUInt32LE(at + 16);
  if (kind !== RECORD && kind !== END) return undefined;
  return {
    length: bytes.readUInt32LE(at),
    checksum: bytes.readUInt32LE(at + 4),
    number: Number(bytes.readBigUInt64LE(at + 8)),
    kind,
  };
}

/**
 * Copies the payload of a record at `at`, all of whose sectors are in `bytes`, into `into`, and returns it
 * there; undefined where a sector, the checksum or the rest of the last sector is not what was written.
 */
export function readPayload(
  bytes: Buffer,
  at: number,
  { length, checksum, number }: RecordHeader,
  into: Buffer,
): Buffer | undefined {
  const stamp = stampOf(number);
  const end = at + recordBytes(length);
  let to = 0;
  for (let sector = at; sector < end; sector += SECTOR_BYTES) {
    if (!hasStamp(bytes, sector, stamp)) return undefined;
    const begin = sector === at ? sector + RECORD_HEADER_BYTES : sector;
    const taken = Math.min(length - to, sector + CONTENT_BYTES - begin);
    bytes.copy(into, to, begin, begin + taken);
    to += taken;
    if (!isZero(bytes, begin + taken, sector + CONTENT_BYTES)) return undefined;
  }
  const payload = into.subarray(0, length);
  return crc32c(payload) === checksum ? payload : undefined;
}

const ZEROS = Buffer.alloc(1 << 16);

/** Whether there are only zeros from `from` to `end`. */
export function isZero(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at += ZEROS.length) {
    const some = Math.min(ZEROS.length, end - at);
    if (bytes.compare(ZEROS, 0, some, at, at + some) !== 0) return false;
  }
  return true;
}
