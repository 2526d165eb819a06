import { type CounterSection, count, PRODUCER } from "../counters/counters.js";
import { BroadcastTransmitter } from "../ring/broadcast-transmitter.js";
import { RECORD } from "../ring/layout.js";
import type { MarketMemory } from "../ring/market-memory.js";
import { MarketTableWriter } from "../ring/market-table.js";
import {
  type BookDifference,
  type BookPlace,
  bookBytes,
  definitionBytes,
  type MarketState,
  STATE_BYTES,
  type TradeRecord,
  tradeBytes,
  writeBook,
  writeDefinition,
  writeState,
  writeTrade,
} from "../ring/records.js";
import type { Book, MarketDefinition } from "../shared/market.js";

/** A trade and its place: in its market's stream, and among all trades where they are numbered. */
interface SequencedTrade extends Omit<TradeRecord, "tradeId"> {
  /** Ever upwards; 0 where trades have no numbers. */
  readonly tradeNumber: number;
}

/**
 * The single writer of rings, table and doorbell. It takes records as they are, with the `seq` and `ts`
 * that somebody has given them: this process's {@link Sequencer}, or the one at the origin of a stream,
 * whose epoch the memory then has.
 *
 * Each record goes into the table before the ring's tail moves past it, so a reader that starts at the
 * tail finds in the table at least what lies before it. Records become visible, and readers are woken,
 * with {@link publish}.
 *
 * Invariants: slots are taken in the order of listing, and nothing is written of one that is not; where
 * trades are numbered, each has a higher number than the one before.
 */
export class MarketWriter {
  readonly #ring: BroadcastTransmitter;
  readonly #trades: BroadcastTransmitter;
  readonly #table: MarketTableWriter;
  readonly #doorbell: Int32Array;
  readonly #counters: CounterSection;
  /** The number of the newest trade, where they are numbered; 0 where they are not. */
  #lastTrade = 0;
  /** By slot, the positions of each stream's newest record; -1 where there is none. */
  readonly #newest: { state: number; book: number; trade: number }[] = [];

  constructor(memory: MarketMemory, counters: CounterSection) {
    this.#ring = new BroadcastTransmitter(memory.ring);
    this.#trades = new BroadcastTransmitter(memory.tradeRing);
    this.#table = new MarketTableWriter(memory.table);
    this.#doorbell = new Int32Array(memory.doorbell);
    this.#counters = counters;
  }

  /** Markets listed so far: the slot of the next one. */
  get listed(): number {
    return this.#table.listed;
  }

  /** Markets there is room for. */
  get capacity(): number {
    return this.#table.capacity;
  }

  /** UTF-8 bytes of the longest title. */
  get titleBytesMax(): number {
    return this.#table.titleBytesMax;
  }

  /** Levels a side that are kept of a book. */
  get bookDepth(): number {
    return this.#table.bookDepth;
  }

  /**
   * Says where the numbers of trades stood before this epoch, so that its successor knows it too. To be
   * called before anything is published.
   */
  continueTrades(lastTrade: number): void {
    this.#lastTrade = lastTrade;
    this.#trades.begin(lastTrade);
  }

  /**
   * Lists the next market, with its first state.
   * @param title the definition's title as UTF-8, at most {@link titleBytesMax} bytes
   */
  list(definition: MarketDefinition, title: Uint8Array, state: MarketState): void {
    const { slot } = state;
    if (slot !== this.listed || slot >= this.capacity || title.length > this.titleBytesMax)
      throw new Error(`market writer: slot ${slot} of ${this.capacity} is not the next to list`);
    const offset = this.#ring.claim(RECORD.definition, definitionBytes(title.length));
    writeDefinition(this.#ring.words, offset, slot, definition, title);
    count(this.#counters, PRODUCER.ringRecords);
    this.#newest.push({ state: -1, book: -1, trade: -1 });
    this.#table.list(definition, title, state, this.#writeStateRecord(state));
    count(this.#counters, PRODUCER.markets);
  }

  /**
   * Says from which ts on everything lies in this memory; to be called before anything is told, and again where
   * something was missed.
   */
  completeFrom(ts: number): void {
    this.#table.completeFrom(ts);
  }

  /** Says that trades are missing before those that are written next. */
  tradesLost(): void {
    this.#table.tradesLost();
  }

  /** How the levels of a book that are kept differ from those written last. */
  bookDifference(slot: number, book: Book): BookDifference {
    return this.#table.bookDifference(slot, book);
  }

  state(state: MarketState): void {
    this.#checkSlot(state.slot);
    this.#table.writeState(state, this.#writeStateRecord(state));
  }

  /** Writes the levels of a book that are kept. */
  book(slot: number, place: BookPlace, book: Book): void {
    const newest = this.#newestOf(slot);
    const { bookDepth } = this.#table;
    const bytes = bookBytes(book, bookDepth);
    const offset = this.#ring.claimLinked(RECORD.book, bytes, newest.book, place.ts);
    newest.book = this.#ring.position;
    writeBook(this.#ring.words, offset, slot, place, book, bookDepth);
    this.#table.writeBook(slot, place, book, newest.book);
    count(this.#counters, PRODUCER.ringRecords);
  }

  /**
   * Its number becomes the trade ring's mark, so whoever continues another's trades gives theirs.
   * @param id the trade's id as UTF-8, at most TRADE_ID_BYTES_MAX bytes
   */
  trade(trade: SequencedTrade, id: Uint8Array): void {
    const { slot, seq, ts, tradeNumber } = trade;
    const newest = this.#newestOf(slot);
    if (this.#lastTrade > 0 && tradeNumber <= this.#lastTrade)
      throw new Error(`market writer: trade ${tradeNumber} is not after ${this.#lastTrade}`);
    const bytes = tradeBytes(id.length);
    const offset = this.#trades.claimLinked(RECORD.trade, bytes, newest.trade, ts);
    newest.trade = this.#trades.position;
    writeTrade(this.#trades.words, offset, trade, id);
    this.#table.writeTrade(slot, seq, newest.trade);
    this.#lastTrade = tradeNumber;
    count(this.#counters, PRODUCER.tradeRecords);
  }

  /** Makes all that was written visible and wakes the readers that wait for it. */
  publish(): void {
    this.#ring.publish();
    this.#trades.publish(this.#lastTrade);
    this.#counters[PRODUCER.ringRecordNumber] = this.#ring.recordNumber;
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  /** Returns the record's position. */
  #writeStateRecord(state: MarketState): number {
    const newest = this.#newestOf(state.slot);
    const ts = Math.max(state.ts, state.sizedTs);
    const offset = this.#ring.claimLinked(RECORD.state, STATE_BYTES, newest.state, ts);
    newest.state = this.#ring.position;
    writeState(this.#ring.words, offset, state);
    count(this.#counters, PRODUCER.ringRecords);
    return newest.state;
  }

  #newestOf(slot: number) {
    const newest = this.#newest[slot];
    if (newest === undefined) throw new Error(`market writer: no market is listed in slot ${slot}`);
    return newest;
  }

  #checkSlot(slot: number): void {
    if (slot >= this.listed) throw new Error(`market writer: no market is listed in slot ${slot}`);
  }
}
