import { crc32c } from "@node-rs/crc32";

/*
 * An entry of the journal's stream: one record, exactly as it is in the journal. Everything is little-endian.
 *
 *   0         1         5                   13                  21        29
 *   ├─────────┼─────────┼───────────────────┼───────────────────┼─────────┼─────────────────┐
 *   │ version │ CRC-32C │ timeline of the       │ timeline of the       │ number  │ payload         │
 *   │         │ of what │ record            │ record before     │         │                 │
 *   │         │ follows │                   │                   │         │                 │
 *   └─────────┴─────────┴───────────────────┴───────────────────┴─────────┴─────────────────┘
 */
const VERSION = 1;
const TIMELINE_BYTES = 8;
const CHECKED_FROM = 5;
const HEAD_BYTES = CHECKED_FROM + 2 * TIMELINE_BYTES + 8;

export interface JournalEntry {
  readonly number: number;
  /** Timelines as hex. */
  readonly timeline: string;
  readonly timelineBefore: string;
  readonly payload: Buffer;
}

export function packJournalEntry({
  number,
  timeline,
  timelineBefore,
  payload,
}: JournalEntry): Buffer {
  const entry = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  entry.writeUInt8(VERSION, 0);
  entry.write(timeline, CHECKED_FROM, TIMELINE_BYTES, "hex");
  entry.write(timelineBefore, CHECKED_FROM + TIMELINE_BYTES, TIMELINE_BYTES, "hex");
  entry.writeBigUInt64LE(BigInt(number), CHECKED_FROM + 2 * TIMELINE_BYTES);
  payload.copy(entry, HEAD_BYTES);
  entry.writeUInt32LE(crc32c(entry.subarray(CHECKED_FROM)), 1);
  return entry;
}

/** The record of an entry, in its memory; undefined where it is not what was written, or of another version. */
export function unpackJournalEntry(entry: Buffer): JournalEntry | undefined {
  if (entry.length < HEAD_BYTES || entry.readUInt8(0) !== VERSION) return undefined;
  if (crc32c(entry.subarray(CHECKED_FROM)) !== entry.readUInt32LE(1)) return undefined;
  const timeline = (at: number): string => entry.toString("hex", at, at + TIMELINE_BYTES);
  return {
    number: Number(entry.readBigUInt64LE(CHECKED_FROM + 2 * TIMELINE_BYTES)),
    timeline: timeline(CHECKED_FROM),
    timelineBefore: timeline(CHECKED_FROM + TIMELINE_BYTES),
    payload: entry.subarray(HEAD_BYTES),
  };
}
