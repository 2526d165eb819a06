import {
  alignToUnit,
  LINK_BYTES,
  LINKED,
  RECORD,
  RECORD_HEADER_BYTES,
  RECORD_LENGTH_MASK,
  RECORD_TYPE_SHIFT,
  RING_HEADER_BYTES,
  recordBytesMax,
  ringCapacity,
  TAIL_INTENT_WORD,
  TAIL_WORD,
  UNIT,
  UNIT_SHIFT,
  type Words,
  wordsOf,
} from "./layout.js";

/** What {@link BroadcastReceiver.receive} found. */
export const RECEIVED = { nothing: 0, records: 1, lapped: 2 } as const;
type Received = (typeof RECEIVED)[keyof typeof RECEIVED];

/**
 * A reading end of a broadcast ring, with a cursor of its own; the producer knows nothing of it.
 *
 * `receive()` copies a batch of records out of the ring and only then checks that the producer did
 * not overwrite them meanwhile; `next()` walks the copy, which nothing can change any more. A reader
 * that was lapped goes to the newest record, counts the lap, and must repair its state from
 * elsewhere: records are missing.
 */
export class BroadcastReceiver {
  /** The copied batch; `next()` leaves `offset` and `length` at a record's payload in it. */
  readonly words: Words;
  /** Byte offset of the current record's payload in {@link words}, a multiple of 8. */
  offset = 0;
  /** Bytes in the current record's payload. */
  length = 0;
  /** Position of the current record, in units modulo 2^32. */
  position = 0;
  /** Times this reader was lapped. */
  laps = 0;
  /**
   * Records skipped because of it. A lap's are counted when the next record is read; those of a lap
   * before the first record read are not known.
   */
  lost = 0;

  readonly #header: Int32Array;
  readonly #ring: Uint8Array;
  /** Of the ring, in units. */
  readonly capacity: number;
  readonly #batchUnits: number;
  readonly #barrier = new Int32Array(new SharedArrayBuffer(64));
  #cursor: number;
  #batchEnd = 0;
  #walk = 0;
  /** Number the next record must carry; any will do after a start or a lap. */
  #expected = 0;
  #synchronized = false;
  /** Whether a record was ever read. */
  #started = false;
  #torn = false;

  /**
   * A reader of the ring in `buffer` that starts with the next record published, or with the first
   * that ever was.
   */
  constructor(buffer: SharedArrayBuffer, from: "tail" | "start" = "tail") {
    const bytes = ringCapacity(buffer);
    this.#header = new Int32Array(buffer, 0, RING_HEADER_BYTES >>> 2);
    this.#ring = new Uint8Array(buffer, RING_HEADER_BYTES, bytes);
    this.capacity = bytes >>> UNIT_SHIFT;
    const batchBytes = recordBytesMax(bytes);
    this.#batchUnits = batchBytes >>> UNIT_SHIFT;
    this.words = wordsOf(new ArrayBuffer(batchBytes), 0, batchBytes);
    this.#cursor = from === "start" ? 0 : Atomics.load(this.#header, TAIL_WORD);
    // The first record's number is 0, so what is lost of them all can be counted.
    this.#synchronized = this.#started = from === "start";
  }

  /** How far the reader is behind the newest record, as a share of the ring from 0 up. */
  get backlog(): number {
    const behind = (Atomics.load(this.#header, TAIL_WORD) - this.#cursor) >>> 0;
    return behind / this.capacity;
  }

  /** Position of the next record to read, in units modulo 2^32. */
  get nextPosition(): number {
    return this.#cursor >>> 0;
  }

  /** The number of the next record to read, modulo 2^32. */
  get recordNumber(): number {
    return this.#expected >>> 0;
  }

  /**
   * Copies the next batch. On `records`, `next()` walks it, to its end, before the next call; a batch
   * of padding has none. On `lapped` the reader stands at the newest record and has lost those between.
   */
  receive(): Received {
    if (this.#torn) return this.#goToTail();
    const tail = Atomics.load(this.#header, TAIL_WORD);
    const available = (tail - this.#cursor) >>> 0;
    if (available === 0) return RECEIVED.nothing;
    const index = this.#cursor & (this.capacity - 1);
    const units = Math.min(available, this.#batchUnits, this.capacity - index);
    const from = index << UNIT_SHIFT;
    this.words.bytes.set(this.#ring.subarray(from, from + (units << UNIT_SHIFT)));
    // The copy must be done before tailIntent is read. JavaScript has no acquire fence, but no
    // earlier read passes a read-modify-write; of a word of our own, lest readers contend for it.
    Atomics.exchange(this.#barrier, 0, this.#cursor);
    const intent = Atomics.load(this.#header, TAIL_INTENT_WORD);
    if ((intent - this.#cursor) >>> 0 > this.capacity) return this.#goToTail();
    this.#walk = 0;
    this.#batchEnd = units << UNIT_SHIFT;
    return RECEIVED.records;
  }

  /**
   * Steps to the next record of the batch and returns its type, or 0 at the batch's end. A record
   * without the expected number is a torn one: the batch ends, and `receive()` says `lapped`.
   */
  next(): number {
    while (this.#walk < this.#batchEnd) {
      const at = this.#walk;
      const word = this.words.u32[at >>> 2] as number;
      const stamp = this.words.u32[(at >>> 2) + 1] as number;
      const length = word & RECORD_LENGTH_MASK;
      const end = at + alignToUnit(length);
      if (!this.#synchronized) this.#synchronize(stamp);
      if (stamp !== this.#expected >>> 0 || length < RECORD_HEADER_BYTES) {
        this.#torn = true;
        return 0;
      }
      // Cut off by the batch's end: the next batch starts with it.
      if (end > this.#batchEnd) return 0;
      this.#walk = end;
      this.position = this.#cursor >>> 0;
      this.#cursor = (this.#cursor + ((end - at) >>> UNIT_SHIFT)) | 0;
      const type = word >>> RECORD_TYPE_SHIFT;
      if (type === RECORD.padding) continue;
      this.#expected = (this.#expected + 1) | 0;
      const link = (type & LINKED) === 0 ? 0 : LINK_BYTES;
      this.offset = at + UNIT + link;
      this.length = length - RECORD_HEADER_BYTES - link;
      return type & ~LINKED;
    }
    return 0;
  }

  #goToTail(): Received {
    this.laps++;
    this.#torn = false;
    this.#synchronized = false;
    this.#walk = this.#batchEnd = 0;
    this.#cursor = Atomics.load(this.#header, TAIL_WORD);
    return RECEIVED.lapped;
  }

  #synchronize(stamp: number): void {
    if (this.#started) this.lost += (stamp - this.#expected) >>> 0;
    this.#expected = stamp | 0;
    this.#synchronized = this.#started = true;
  }
}
