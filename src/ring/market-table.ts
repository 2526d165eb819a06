import { CodedError } from "../shared/coded-error.js";
import type { Book, MarketDefinition } from "../shared/market.js";
import { alignToUnit, type Words, wordsOf } from "./layout.js";
import {
  type BookDifference,
  type BookPlace,
  bookBytesMax,
  definitionBytes,
  differenceTo,
  type MarketState,
  STATE_BYTES,
  writeBook,
  writeDefinition,
  writeState,
} from "./records.js";

/*
 * Market table: a header, then one slot of fixed size per market, in the order of listing.
 *
 *   byte 0    markets listed  i32
 *   byte 4    losses          i32, times that trades were lost before they could be told
 *   byte 8    complete from   f64, a ts: all that there is of it and later lies in this memory
 *   byte 64   slots
 *
 *   slot:  lock i32 (odd while it is written), pad u32 │ newest │ definition │ state │ book
 *
 *   newest:  positions of the newest state, book and trade on their rings u32, pad u32 │ trade seq f64
 *
 * The other parts have the form of the ring's records, without their links.
 */
const TABLE_HEADER_BYTES = 64;
const LOCK_BYTES = 8;
const NEWEST_BYTES = 24;
const LOSSES_WORD = 1;
const COMPLETE_FROM_F64 = 1;
/**
 * A writer holds a slot for less than a microsecond, unless it loses its processor meanwhile: after
 * so many fruitless looks in a row a reader naps, for so many ms, that the writer may get it back.
 */
const LOOKS_PER_NAP = 1024;
const NAP_MS = 1;
/** Looks at one slot before a reader gives up, about a second: the writer was ended in the middle. */
const LOOKS_MAX = 1_000_000;
/** Looks of a reader that can come back. */
const LOOKS_PER_TRY = 64;

export interface MarketTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** Markets it has room for. */
  readonly capacity: number;
  /** UTF-8 bytes of the longest title. */
  readonly titleBytesMax: number;
  /** Levels a side that are kept of a book. */
  readonly bookDepth: number;
}

type TableBounds = Pick<MarketTableMemory, "titleBytesMax" | "bookDepth">;

/** Byte offsets within a slot, for titles and books of at most so much. */
function slotLayout({ titleBytesMax, bookDepth }: TableBounds) {
  const definition = LOCK_BYTES + NEWEST_BYTES;
  const state = definition + definitionBytes(alignToUnit(titleBytesMax));
  const book = state + STATE_BYTES;
  return { definition, state, book, bytes: book + bookBytesMax(2 * bookDepth) };
}

export function createMarketTable(capacity: number, bounds: TableBounds): MarketTableMemory {
  const bytes = TABLE_HEADER_BYTES + capacity * slotLayout(bounds).bytes;
  return { buffer: new SharedArrayBuffer(bytes), capacity, ...bounds };
}

/** Positions of a market's newest records, and the `seq` of its newest trade, 0 where it has none. */
interface NewestRecords {
  readonly state: number;
  readonly book: number;
  readonly trade: number;
  readonly tradeSeq: number;
}

/** The producer's side of the table: the only writer. */
export class MarketTableWriter {
  readonly capacity: number;
  readonly titleBytesMax: number;
  readonly bookDepth: number;
  readonly #layout: ReturnType<typeof slotLayout>;
  readonly #words: Words;
  readonly #locks: Int32Array;
  #listed = 0;

  constructor(memory: MarketTableMemory) {
    this.capacity = memory.capacity;
    this.titleBytesMax = memory.titleBytesMax;
    this.bookDepth = memory.bookDepth;
    this.#layout = slotLayout(memory);
    this.#words = wordsOf(memory.buffer, 0, memory.buffer.byteLength);
    this.#locks = new Int32Array(memory.buffer);
  }

  get listed(): number {
    return this.#listed;
  }

  /** Fills the next slot; the caller has checked the capacity and the title's length. */
  list(
    definition: MarketDefinition,
    title: Uint8Array,
    state: MarketState,
    position: number,
  ): void {
    const at = this.#slot(state.slot);
    this.#words.u32[(at + LOCK_BYTES) >>> 2] = position;
    writeDefinition(this.#words, at + this.#layout.definition, state.slot, definition, title);
    writeState(this.#words, at + this.#layout.state, state);
    Atomics.store(this.#locks, 0, ++this.#listed);
  }

  /** @param position of its record on the ring, here and below */
  writeState(state: MarketState, position: number): void {
    const lock = this.#lock(state.slot);
    this.#words.u32[lock + 2] = position;
    writeState(this.#words, this.#slot(state.slot) + this.#layout.state, state);
    this.#unlock(lock);
  }

  writeBook(slot: number, place: BookPlace, book: Book, position: number): void {
    const lock = this.#lock(slot);
    this.#words.u32[lock + 3] = position;
    writeBook(this.#words, this.#bookAt(slot), slot, place, book, this.bookDepth);
    this.#unlock(lock);
  }

  writeTrade(slot: number, seq: number, position: number): void {
    const lock = this.#lock(slot);
    this.#words.u32[lock + 4] = position;
    this.#words.f64[(lock >>> 1) + 3] = seq;
    this.#unlock(lock);
  }

  /**
   * Says from which ts on everything lies in this memory; to be said before anything is told, and again where
   * something was missed.
   */
  completeFrom(ts: number): void {
    this.#words.f64[COMPLETE_FROM_F64] = ts;
  }

  /** Says that trades are missing before those that are written next. */
  tradesLost(): void {
    Atomics.add(this.#locks, LOSSES_WORD, 1);
  }

  /** How a book differs from the one that is written, which is empty before the first. */
  bookDifference(slot: number, book: Book): BookDifference {
    return differenceTo(this.#words, this.#bookAt(slot), book, this.bookDepth);
  }

  #bookAt(slot: number): number {
    return this.#slot(slot) + this.#layout.book;
  }

  #slot(slot: number): number {
    return TABLE_HEADER_BYTES + slot * this.#layout.bytes;
  }

  #lock(slot: number): number {
    const lock = this.#slot(slot) >>> 2;
    // A read-modify-write, so that no write to the slot is seen before the odd number.
    Atomics.add(this.#locks, lock, 1);
    return lock;
  }

  #unlock(lock: number): void {
    Atomics.add(this.#locks, lock, 1);
  }
}

/** A slot stays locked: its writer died while it wrote. */
export class SlotLockedError extends CodedError<"SLOT_LOCKED"> {
  constructor(slot: number) {
    super("SLOT_LOCKED", `market table: slot ${slot} stays locked`);
  }
}

/** A shard's side of the table: reads whole slots, consistently, without stopping the writer. */
export class MarketTableReader {
  /** The copy of the slot last read; the offsets below point into it. */
  readonly words: Words;
  readonly definitionOffset: number;
  readonly stateOffset: number;
  readonly bookOffset: number;
  readonly #bytes: Uint8Array;
  readonly #locks: Int32Array;
  readonly #slotBytes: number;
  readonly #barrier = new Int32Array(new SharedArrayBuffer(64));

  constructor(memory: MarketTableMemory) {
    const layout = slotLayout(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#locks = new Int32Array(memory.buffer);
    this.#slotBytes = layout.bytes;
    this.words = wordsOf(new ArrayBuffer(layout.bytes), 0, layout.bytes);
    this.definitionOffset = layout.definition;
    this.stateOffset = layout.state;
    this.bookOffset = layout.book;
  }

  /** Markets listed so far: slots 0 to this number less one can be read. */
  get listed(): number {
    return Atomics.load(this.#locks, 0);
  }

  /** From which ts on everything that was told lies in this memory. */
  get completeFrom(): number {
    return new Float64Array(this.#bytes.buffer, 8 * COMPLETE_FROM_F64, 1)[0] as number;
  }

  /** Times that trades were lost before they came here. */
  get losses(): number {
    return Atomics.load(this.#locks, LOSSES_WORD);
  }

  /** Of the slot last read: positions on their rings, of those of state, book and trade that there are. */
  get newest(): NewestRecords {
    const { u32, f64 } = this.words;
    const at = LOCK_BYTES >>> 2;
    return {
      state: u32[at] as number,
      book: u32[at + 1] as number,
      trade: u32[at + 2] as number,
      tradeSeq: f64[3] as number,
    };
  }

  /** Copies a slot into {@link words}, unless it is being written; returns whether it has. */
  tryRead(slot: number): boolean {
    for (let look = 1; look <= LOOKS_PER_TRY; look++) if (this.#look(slot)) return true;
    return false;
  }

  /** Copies a slot into {@link words}. Throws {@link SlotLockedError}. */
  read(slot: number): void {
    const lock = (TABLE_HEADER_BYTES + slot * this.#slotBytes) >>> 2;
    for (let look = 1; look <= LOOKS_MAX; look++) {
      if (this.#look(slot)) return;
      if (look % LOOKS_PER_NAP !== 0) continue;
      const held = Atomics.load(this.#locks, lock);
      if ((held & 1) !== 0) Atomics.wait(this.#locks, lock, held, NAP_MS);
    }
    throw new SlotLockedError(slot);
  }

  /** Copies a slot, and says whether nobody has written to it meanwhile. */
  #look(slot: number): boolean {
    const start = TABLE_HEADER_BYTES + slot * this.#slotBytes;
    const before = Atomics.load(this.#locks, start >>> 2);
    if ((before & 1) !== 0) return false;
    this.words.bytes.set(this.#bytes.subarray(start, start + this.#slotBytes));
    // The same barrier as the ring's: the copy is complete before the lock is looked at again.
    Atomics.exchange(this.#barrier, 0, slot);
    return Atomics.load(this.#locks, start >>> 2) === before;
  }
}
