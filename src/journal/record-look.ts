import {
  END,
  hasStamp,
  isZero,
  readPayload,
  readRecordHeader,
  recordBytes,
  SECTOR_BYTES,
  stampOf,
} from "./segment-format.js";

/** What is found where a record is expected. */
export type Seen =
  | { readonly what: "record"; readonly payload: Buffer; readonly bytes: number }
  /** The next record is in the next segment. */
  | { readonly what: "end" }
  /** Zeros, to the end of the segment. */
  | { readonly what: "nothing" }
  /** What a write leaves that was cut short. */
  | { readonly what: "torn" }
  | { readonly what: "damage"; readonly offset: number; readonly text: string };

/**
 * Looks at what a segment, `segment`, has at `at`, where the record with `number` is expected. A payload is
 * copied into `into`.
 *
 * How a torn record is told from a damaged one: a disk writes whole sectors, in any order, so a write that
 * was cut short has left sectors as they were before, zeros, and others with the stamp of this record; at
 * least one sector that belongs to it is missing; and no write came after it, so that there are zeros behind
 * it. Whatever else is there was whole once: a sector that is neither, a header that has been written and
 * does not fit, a payload that does not fit though all of its sectors are there, or anything behind it.
 *
 * What cannot be told from a write that was cut short: whole sectors of the very last record that have
 * become zeros.
 */
export function lookAt(segment: Buffer, at: number, number: number, into: Buffer): Seen {
  if (at + SECTOR_BYTES > segment.length) return { what: "nothing" };
  const header = readRecordHeader(segment, at);
  if (header === undefined) {
    if (!isZero(segment, at, at + SECTOR_BYTES)) return damage(at, "there is no record");
    if (isZero(segment, at, segment.length)) return { what: "nothing" };
    return torn(segment, at, segment.length, number);
  }
  if (header.number !== number)
    return damage(at, `there is record ${header.number} in place of ${number}`);
  const bytes = recordBytes(header.length);
  if (at + bytes > segment.length) return damage(at, "a record reaches beyond the end");
  const payload = readPayload(segment, at, header, into);
  if (payload === undefined) return torn(segment, at, at + bytes, number);
  return header.kind === END ? { what: "end" } : { what: "record", payload, bytes };
}

/** Whether a record from `at` to `end`, which is not whole, was cut short; if not, what is wrong. */
function torn(segment: Buffer, at: number, end: number, number: number): Seen {
  const stamp = stampOf(number);
  let missing = false;
  for (let sector = at; sector < end; sector += SECTOR_BYTES) {
    if (hasStamp(segment, sector, stamp)) continue;
    if (!isZero(segment, sector, sector + SECTOR_BYTES))
      return damage(sector, `a part of record ${number} is not what was written`);
    missing = true;
  }
  if (!missing) return damage(at, `the checksum of record ${number} does not fit`);
  if (!isZero(segment, end, segment.length))
    return damage(at, `record ${number} is not whole, and there is more behind it`);
  return { what: "torn" };
}

function damage(offset: number, text: string): Seen {
  return { what: "damage", offset, text };
}
