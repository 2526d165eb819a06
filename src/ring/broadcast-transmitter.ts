import {
  alignToUnit,
  INDEX_BYTES,
  INDEX_ENTRIES,
  isRingCapacity,
  LINK_BYTES,
  LINK_DISTANCE_MAX,
  LINKED,
  RECORD,
  RECORD_HEADER_BYTES,
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
import { MarkWriter } from "./published-mark.js";

/** Shared memory for a ring of `capacity` bytes: a power of two, see {@link isRingCapacity}. */
export function createRingBuffer(capacity: number): SharedArrayBuffer {
  if (!isRingCapacity(capacity))
    throw new RangeError(`ring capacity ${capacity} is no power of two in range`);
  return new SharedArrayBuffer(RING_HEADER_BYTES + capacity + INDEX_BYTES);
}

/**
 * The writing end of a broadcast ring: one producer, any number of readers, never blocked by them.
 *
 * Invariants: there is one transmitter to a ring; `tail ≤ next ≤ tailIntent`; the bytes of a record
 * are written only after a `tailIntent` that covers them was stored, and lie before `tail` only when
 * they are complete.
 */
export class BroadcastTransmitter {
  /** The ring's data; a claimed record is written through these at the offset claim() returns. */
  readonly words: Words;
  readonly recordBytesMax: number;
  readonly #header: Int32Array;
  readonly #capacity: number;
  readonly #intentStride: number;
  readonly #marks: MarkWriter;
  readonly #index: Words;
  readonly #indexPartUnits: number;
  #indexedPart = -1;
  #intent = 0;
  #next = 0;
  #recordNumber = 0;
  #published = 0;
  /** Where the record that was claimed last begins and ends, in units that do not wrap. */
  #claimedAt = 0;
  #claimedEnd = 0;

  /** @param buffer made by {@link createRingBuffer} and not written to before */
  constructor(buffer: SharedArrayBuffer) {
    const bytes = ringCapacity(buffer);
    if (!isRingCapacity(bytes))
      throw new RangeError(`ring capacity ${bytes} is no power of two in range`);
    this.#header = new Int32Array(buffer, 0, RING_HEADER_BYTES >>> 2);
    this.#marks = new MarkWriter(buffer);
    this.words = wordsOf(buffer, RING_HEADER_BYTES, bytes);
    this.recordBytesMax = recordBytesMax(bytes);
    this.#capacity = bytes >>> UNIT_SHIFT;
    this.#index = wordsOf(buffer, RING_HEADER_BYTES + bytes, INDEX_BYTES);
    this.#indexPartUnits = this.#capacity / INDEX_ENTRIES;
    this.#intentStride = this.#capacity >>> 4;
  }

  /** Records claimed so far, modulo 2^32. */
  get recordNumber(): number {
    return this.#recordNumber >>> 0;
  }

  /**
   * Claims the next record and returns the byte offset of its payload in {@link words}, a multiple of
   * 8. The caller fills `payloadBytes` there, synchronously; readers see it after {@link publish}.
   */
  claim(type: number, payloadBytes: number): number {
    const length = RECORD_HEADER_BYTES + payloadBytes;
    if (length > this.recordBytesMax) {
      throw new RangeError(
        `a record of ${length} bytes exceeds the ring's limit of ${this.recordBytesMax}`,
      );
    }
    const units = alignToUnit(length) >>> UNIT_SHIFT;
    let index = this.#next & (this.#capacity - 1);
    const room = this.#capacity - index;
    const end = (this.#next + (room < units ? room + units : units)) | 0;
    if (((end - this.#intent) | 0) > 0) this.#announce(end);
    if (room < units) {
      this.#writeHeader(index, RECORD.padding, room << UNIT_SHIFT);
      index = 0;
    }
    this.#writeHeader(index, type, length);
    this.#recordNumber = (this.#recordNumber + 1) | 0;
    this.#claimedAt = this.#claimedEnd + (room < units ? room : 0);
    this.#claimedEnd = this.#claimedAt + units;
    this.#next = end;
    return (index + 1) << UNIT_SHIFT;
  }

  /**
   * Claims the next record of a stream, linked to the one before; the offset returned is behind the link.
   * Where the record begins, by which the next one of its stream is linked to it, says {@link position}.
   * @param previous the {@link position} of the stream's previous record; -1 for its first
   * @param ts its time, for the time index; never less than before
   */
  claimLinked(type: number, payloadBytes: number, previous: number, ts: number): number {
    const offset = this.claim(type | LINKED, LINK_BYTES + payloadBytes);
    const { u32 } = this.words;
    const distance = previous < 0 ? 0 : this.#claimedAt - previous;
    u32[offset >>> 2] = Math.min(distance, LINK_DISTANCE_MAX);
    u32[(offset >>> 2) + 1] = 0;
    // The previous one is still there only if nothing of it has been overwritten, by this one included.
    if (distance > 0 && this.#claimedEnd - previous <= this.#capacity)
      u32[2 * (previous % this.#capacity) + 3] = distance;
    const part = Math.floor(this.#claimedAt / this.#indexPartUnits);
    if (part !== this.#indexedPart) this.#addToIndex(part, ts);
    return offset + LINK_BYTES;
  }

  /** Where the record that was claimed last begins, in units since the ring was made; it does not wrap. */
  get position(): number {
    return this.#claimedAt;
  }

  #addToIndex(part: number, ts: number): void {
    this.#indexedPart = part;
    const at = 2 * (part % INDEX_ENTRIES);
    this.#index.f64[at] = ts;
    this.#index.u32[2 * at + 2] = this.#claimedAt >>> 0;
    this.#index.u32[2 * at + 3] = (this.#recordNumber - 1) >>> 0;
  }

  /** Sets the mark that holds before anything is published. */
  begin(mark: number): void {
    this.#marks.write(mark, this.#published);
  }

  /**
   * Makes every claimed record visible to the readers.
   * @param mark how far the producer has come with them, see published-mark.ts; 0 for none
   */
  publish(mark = 0): void {
    if (mark > 0 && this.#next !== this.#published) this.#marks.write(mark, this.#next);
    this.#published = this.#next;
    Atomics.store(this.#header, TAIL_WORD, this.#next);
  }

  /**
   * Moves `tailIntent` past `end`, by a stride at a time: most claims then cost no atomic store, and
   * the announcement is out long before the bytes, whatever the processor reorders.
   */
  #announce(end: number): void {
    this.#intent = (end + this.#intentStride) | 0;
    Atomics.store(this.#header, TAIL_INTENT_WORD, this.#intent);
  }

  #writeHeader(index: number, type: number, length: number): void {
    this.words.u32[index * 2] = (type << RECORD_TYPE_SHIFT) | length;
    this.words.u32[index * 2 + 1] = this.#recordNumber;
  }
}
