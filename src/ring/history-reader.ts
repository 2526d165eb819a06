import {
  alignToUnit,
  INDEX_BYTES,
  INDEX_ENTRIES,
  isBefore,
  LINK_BYTES,
  LINKED,
  RECORD_LENGTH_MASK,
  RECORD_TYPE_SHIFT,
  RING_HEADER_BYTES,
  recordBytesMax,
  ringCapacity,
  TAIL_INTENT_WORD,
  TAIL_WORD,
  UNIT_SHIFT,
  type Words,
  wordsOf,
} from "./layout.js";
import { readTs } from "./records.js";

/** Copied at once, in units: what follows in a stream or on the ring is often near. */
const CHUNK_UNITS = 512;

/** Where an entry of the time index leads to. */
interface IndexedRecord {
  readonly position: number;
  readonly ts: number;
  /** The record's number. */
  readonly number: number;
}

/**
 * Reads records of a ring again that lie at known positions: forward along the ring or a stream's links,
 * and back along the links. The producer may overwrite any of them at any moment.
 *
 * Invariant: what {@link read} leaves in `words` was whole when it was copied: a copy is used only when `tailIntent`, looked at behind it, shows that none of it
 * may have been overwritten. So does {@link peek} with what it has looked at in place.
 */
export class HistoryReader {
  /** Copies of records; `read()` leaves `offset` at a payload in it, behind its link. */
  readonly words: Words;
  offset = 0;
  /** Type of the record last read. */
  type = 0;
  /** Distance to the stream's next record; 0 where there was none when it was copied. */
  next = 0;
  /** Units of the record last read, and its number. */
  units = 0;
  number = 0;
  /** Of the record last looked at; {@link back} is 0 for a stream's first. */
  slot = 0;
  seq = 0;
  ts = 0;
  back = 0;
  /** Of a state, bits of CHANGE. */
  changes = 0;
  /** Units of the ring. */
  readonly capacity: number;
  readonly #header: Int32Array;
  readonly #ring: Words;
  readonly #index: Words;
  readonly #barrier = new Int32Array(new SharedArrayBuffer(64));
  readonly #chunkMax: number;
  #chunkAt = 0;
  #chunkUnits = 0;

  constructor(ring: SharedArrayBuffer) {
    const bytes = ringCapacity(ring);
    this.capacity = bytes >>> UNIT_SHIFT;
    this.#header = new Int32Array(ring, 0, RING_HEADER_BYTES >>> 2);
    this.#ring = wordsOf(ring, RING_HEADER_BYTES, bytes);
    this.#index = wordsOf(ring, RING_HEADER_BYTES + bytes, INDEX_BYTES);
    const copied = recordBytesMax(bytes);
    this.#chunkMax = copied >>> UNIT_SHIFT;
    this.words = wordsOf(new ArrayBuffer(copied), 0, copied);
  }

  /** Position behind the newest record. */
  get tail(): number {
    return Atomics.load(this.#header, TAIL_WORD) >>> 0;
  }

  /** Whether nothing from a position on has been, or may be being, overwritten. */
  holds(position: number): boolean {
    // See BroadcastReceiver.receive: no earlier read passes a read-modify-write.
    Atomics.exchange(this.#barrier, 0, position);
    const intent = Atomics.load(this.#header, TAIL_INTENT_WORD);
    return (intent - position) >>> 0 <= this.capacity;
  }

  /** Forgets what it has copied: records and links may have been added since. */
  refresh(): void {
    this.#chunkUnits = 0;
  }

  /**
   * Reads the record at a position, where one begins that was complete at the last {@link refresh}.
   * Returns false where it has been overwritten. Padding is read as well, with type 0.
   */
  read(position: number): boolean {
    let at = (position - this.#chunkAt) >>> 0;
    if (at >= this.#chunkUnits) {
      if (!this.#copy(position, CHUNK_UNITS)) return false;
      at = 0;
    }
    let units = this.#unitsAt(at);
    if (at + units > this.#chunkUnits) {
      if (!this.#copy(position, Math.max(CHUNK_UNITS, units))) return false;
      at = 0;
      units = this.#unitsAt(0);
      if (units > this.#chunkUnits) throw new Error(`history: no record at position ${position}`);
    }
    const word = this.words.u32[2 * at] as number;
    const type = word >>> RECORD_TYPE_SHIFT;
    const linked = (type & LINKED) !== 0;
    this.type = type & ~LINKED;
    this.units = units;
    this.number = this.words.u32[2 * at + 1] as number;
    this.next = linked ? (this.words.u32[2 * at + 3] as number) : 0;
    this.offset = ((at + 1) << UNIT_SHIFT) + (linked ? LINK_BYTES : 0);
    return true;
  }

  /**
   * Looks at the record of a stream at a position, where one begins that is complete, in place: its slot,
   * `seq`, `ts` and how far {@link back} its stream's previous one is. Returns false where it has
   * been overwritten; what it says is nothing then.
   */
  peek(position: number): boolean {
    const { tail } = this;
    if (isBefore(position, tail) && (tail - position) >>> 0 > this.capacity) return false;
    const index = position & (this.capacity - 1);
    const { u32, f64 } = this.#ring;
    const type = ((u32[2 * index] as number) >>> RECORD_TYPE_SHIFT) & ~LINKED;
    const at = index + 2;
    this.back = u32[2 * index + 2] as number;
    this.slot = u32[2 * at] as number;
    this.changes = (u32[2 * at + 1] as number) >>> 8;
    this.seq = f64[at + 1] as number;
    this.ts = readTs(type, this.#ring, at << UNIT_SHIFT);
    return this.holds(position);
  }

  /** The oldest record that the index has and that is still there; undefined where it has none. */
  oldest(): IndexedRecord | undefined {
    let oldest: IndexedRecord | undefined;
    for (const entry of this.#entries()) oldest = entry;
    return oldest;
  }

  /** The `ts` of the record last read, which is one of a stream. */
  get recordTs(): number {
    return readTs(this.type, this.words, this.offset);
  }

  /** The newest record of the index that lies before a position. */
  lastBefore(position: number): IndexedRecord | undefined {
    for (const entry of this.#entries()) if (isBefore(entry.position, position)) return entry;
    return undefined;
  }

  /** The newest record of the index with a `ts` less than this one; the oldest of all where none is. */
  before(ts: number): IndexedRecord | undefined {
    let found: IndexedRecord | undefined;
    for (const entry of this.#entries()) {
      found = entry;
      if (entry.ts < ts) break;
    }
    return found;
  }

  /** The entries that are still good, from the newest back. */
  *#entries(): Generator<IndexedRecord> {
    const tail = this.tail;
    const partUnits = this.capacity / INDEX_ENTRIES;
    const newest = Math.floor(tail / partUnits);
    for (let part = 0; part < INDEX_ENTRIES; part++) {
      const at = 2 * ((newest - part) & (INDEX_ENTRIES - 1));
      const position = this.#index.u32[2 * at + 2] as number;
      const entry = {
        position,
        ts: this.#index.f64[at] as number,
        number: this.#index.u32[2 * at + 3] as number,
      };
      // Written for a record that is not there yet, or never.
      if (entry.ts === 0 || !isBefore(position, tail)) continue;
      if (this.holds(position)) yield entry;
    }
  }

  #unitsAt(at: number): number {
    const length = (this.words.u32[2 * at] as number) & RECORD_LENGTH_MASK;
    return alignToUnit(length) >>> UNIT_SHIFT;
  }

  #copy(position: number, wanted: number): boolean {
    const index = position & (this.capacity - 1);
    const units = Math.min(wanted, this.#chunkMax, this.capacity - index);
    const from = index << UNIT_SHIFT;
    this.words.bytes.set(this.#ring.bytes.subarray(from, from + (units << UNIT_SHIFT)));
    this.#chunkAt = position;
    this.#chunkUnits = this.holds(position) ? units : 0;
    return this.#chunkUnits > 0;
  }
}
