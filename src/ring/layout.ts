/*
 * Shared memory, word by word.
 *
 * Broadcast ring (after Agrona's broadcast buffer): a header of three cache-line pairs, then the data.
 *
 *   byte 0     tailIntent  i32, in units: bytes before it may be overwritten at any moment
 *   byte 128   tail        i32, in units: records before it are complete
 *   byte 192   marks       two of: mark f64, tail i32, pad; see published-mark.ts
 *   byte 256   data        `capacity` bytes, a power of two
 *   behind it  time index  an entry for each 1,024th part of the ring: ts f64, position u32, number u32
 *
 * A unit is 8 bytes. Positions count units since the ring was made and wrap at 2^32; all arithmetic
 * on them is modulo 2^32. Each record starts on a unit:
 *
 *   0        4         8                              (record length rounded up to a unit)
 *   ├────────┼─────────┼──────────────────────────────┤
 *   │ u32    │ u32     │ payload                      │
 *   │ type:8 │ record  │ u32 / f64 words, then bytes  │
 *   │ len:24 │ number  │                              │
 *   └────────┴─────────┴──────────────────────────────┘
 *
 * `len` counts bytes with the header and without the rounding. Record numbers count records, not
 * padding, modulo 2^32: the stamp by which a reader knows a record for the one it expects. A padding
 * record carries the number of the record that follows it.
 *
 * A record of a stream (states, books and trades of a market are one each) has a link before its payload,
 * and a bit of its type says so:
 *
 *   0          4                                      8
 *   ├──────────┼──────────────────────────────────────┤
 *   │ u32 back │ u32 next: written when there is one  │   distances to the stream's previous and next
 *   └──────────┴──────────────────────────────────────┘   record in units, 0 where there is none
 *
 * `back` stays at its largest value where the previous record is further away, so that a distance that
 * has wrapped is not taken for a small one. An entry of the time index is of one record of its part.
 */

/** Bytes in a unit of ring position. */
export const UNIT = 8;
export const UNIT_SHIFT = 3;

export const TAIL_INTENT_WORD = 0;
export const TAIL_WORD = 32;
export const RING_HEADER_BYTES = 256;
/** Byte offsets of the two marks; a mark is a f64, and 8 bytes behind it an i32. */
export const MARK_OFFSETS = [192, 208] as const;
export const MARK_TAIL_OFFSET = 8;

export const RECORD_HEADER_BYTES = 8;
/** Before the payload of a stream's record. */
export const LINK_BYTES = 8;
/** Bit of a record's type: its payload has a link before it. */
export const LINKED = 0x80;
export const LINK_DISTANCE_MAX = 0xffff_ffff;

/** Parts of a ring with an entry in its time index, and bytes of an entry. */
export const INDEX_ENTRIES = 1024;
const INDEX_ENTRY_BYTES = 16;
export const INDEX_BYTES = INDEX_ENTRIES * INDEX_ENTRY_BYTES;
export const RECORD_LENGTH_MASK = 0xff_ffff;
export const RECORD_TYPE_SHIFT = 24;

/** Smallest and largest ring, in bytes. */
export const RING_CAPACITY_MIN = 1 << 16;
export const RING_CAPACITY_MAX = 1 << 30;

/** A reader copies at most this much at once, and no record is longer. */
export const BATCH_BYTES_MAX = 1 << 16;

/** Types of record. Padding fills the ring's end where the next record does not fit. */
export const RECORD = {
  padding: 0,
  definition: 1,
  state: 2,
  book: 3,
  trade: 4,
  publication: 5,
  /** In the ring of publications: how far it has come, and that some may be missing from there on. */
  publishedTo: 6,
  publicationsLost: 7,
} as const;

/** Bytes of data in the ring of a buffer. */
export function ringCapacity(buffer: SharedArrayBuffer): number {
  return buffer.byteLength - RING_HEADER_BYTES - INDEX_BYTES;
}

/** Whether a position lies before another one; both within half of all there are. */
export function isBefore(position: number, other: number): boolean {
  return ((position - other) | 0) < 0;
}

/** Largest record in a ring of `capacity` bytes, header included. */
export function recordBytesMax(capacity: number): number {
  return Math.min(capacity / 8, BATCH_BYTES_MAX);
}

export function isRingCapacity(capacity: number): boolean {
  return (
    capacity >= RING_CAPACITY_MIN &&
    capacity <= RING_CAPACITY_MAX &&
    (capacity & (capacity - 1)) === 0
  );
}

/** The next multiple of {@link UNIT}. */
export function alignToUnit(bytes: number): number {
  return (bytes + UNIT - 1) & -UNIT;
}

/** The typed views through which one stretch of memory is read and written. */
export interface Words {
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly u64: BigUint64Array;
}

/** Views of `length` bytes of `buffer` from `offset` on; both multiples of {@link UNIT}. */
export function wordsOf(buffer: ArrayBufferLike, offset: number, length: number): Words {
  return {
    bytes: new Uint8Array(buffer, offset, length),
    u32: new Uint32Array(buffer, offset, length >>> 2),
    f64: new Float64Array(buffer, offset, length >>> UNIT_SHIFT),
    u64: new BigUint64Array(buffer, offset, length >>> UNIT_SHIFT),
  };
}
