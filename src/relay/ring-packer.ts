import { type CounterSection, count } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import { BroadcastReceiver, RECEIVED } from "../ring/broadcast-receiver.js";
import { RECORD } from "../ring/layout.js";
import type { MarketMemory } from "../ring/market-memory.js";
import { MarketTableReader, SlotLockedError } from "../ring/market-table.js";
import { readPublication, readPublishedTo } from "../ring/publication-record.js";
import {
  type MarketState,
  readBook,
  readDefinition,
  readSlot,
  readState,
  readTrade,
  type TradeRecord,
} from "../ring/records.js";
import { nowMicros } from "../shared/clock.js";
import { createBook, type MarketDefinition } from "../shared/market.js";
import { type EntryHead, EntryWriter } from "./entry-form.js";
import type { BookPlaced } from "./packed-records.js";

/** An entry is closed when it has so many bytes, or so many trades; the batch that is under way still goes in. */
const ENTRY_BYTES_MAX = 128 * 1024;
const ENTRY_TRADES_MAX = 4096;
/** Producers whose memories are kept while they cannot be relayed, beside the one that is read. */
const WAITING_MAX = 2;

/** What an entry says of itself before it has its number. */
export type PackedHead = Pick<EntryHead, "epoch" | "gap" | "begins" | "ends">;

/** A producer's memory while it is relayed. */
interface Source {
  readonly memory: MarketMemory;
  readonly ring: BroadcastReceiver;
  readonly trades: BroadcastReceiver;
  readonly publications: BroadcastReceiver;
  readonly table: MarketTableReader;
  /** Markets whose definitions the entries have, by slot from 0 up. */
  listed: number;
  /** By slot: of the newest trade that the entries have. */
  readonly tradeSeqs: number[];
  /** Read from its beginning on, and nothing of it is packed yet. */
  begins: boolean;
  /** Records were missed, and no entry has said so yet. */
  gap: boolean;
}

/**
 * Reads the rings of one producer after the other and packs what they have into entries, in their order: states
 * and books first, then trades, as a trade's market is on the other ring and published no later, then publications, so
 * that none of those is behind a market's that has a later `ts`.
 *
 * The rings are what waits while nothing can be sent: whoever does not call is lapped at some time, which costs
 * the producer nothing, is counted, and is told by an entry with a gap and nothing else.
 *
 * Invariants: what an entry has of a market comes behind its listing; an entry is of one epoch; where an entry
 * with a gap has been packed, the snapshot that follows has all that was missed.
 */
export class RingPacker {
  readonly writer = new EntryWriter();
  readonly #field = new EntryWriter();
  readonly #counters: CounterSection;
  readonly #numbered: boolean;
  readonly #waiting: MarketMemory[] = [];
  readonly #state = {} as MarketState;
  readonly #book: BookPlaced = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
  #listing: MarketDefinition | undefined;
  #source: Source | undefined;
  /** Slots whose markets have changed since the last snapshot. */
  #changed = new Set<number>();

  /** @param numbered trades have numbers, which are their ids */
  constructor(numbered: boolean, counters: CounterSection) {
    this.#numbered = numbered;
    this.#counters = counters;
  }

  /** Another producer has taken over; the rings of those before are final. */
  add(memory: MarketMemory): void {
    this.#waiting.push(memory);
    if (this.#waiting.length <= WAITING_MAX) return;
    this.#waiting.shift();
    count(this.#counters, RELAY.gaps);
  }

  /** Begins in the middle of a producer's life: what it told before is a gap. */
  resume(memory: MarketMemory): void {
    this.#source = sourceOf(memory, "tail");
    this.#relist(this.#source, true);
  }

  /** The producer that is relayed; undefined before the first entry. */
  get memory(): MarketMemory | undefined {
    return this.#source?.memory;
  }

  /** How full the rings are with what was not packed: the fuller one's share. */
  get backlog(): number {
    const source = this.#source;
    if (source === undefined) return 0;
    const { ring, trades, publications } = source;
    return Math.max(ring.backlog, trades.backlog, publications.backlog);
  }

  /** Packs what there is into {@link writer}; undefined where there is nothing. */
  pack(): PackedHead | undefined {
    if (this.#isDone && this.#waiting.length > 0) return this.#next();
    const source = this.#source;
    if (source === undefined) return undefined;
    const { epoch } = source.memory;
    this.writer.begin(nowMicros());
    if (source.gap) return this.#packGap(source);
    const { begins } = source;
    if (begins) this.writer.completeFrom(source.table.completeFrom);
    // Where many wait, they go first, without markets that would be ahead of them.
    this.#packPublications(source, ENTRY_BYTES_MAX);
    if (this.writer.bytes < ENTRY_BYTES_MAX) this.#packMarkets(source);
    if (this.writer.records === 0) return source.gap ? this.#packGap(source) : undefined;
    source.begins = false;
    return { epoch, gap: false, begins, ends: false };
  }

  /**
   * An entry that says nothing but that the origin is there; undefined before the first one.
   * @param ends nothing will be told any more, and all that was is packed
   */
  packNothing(ends = false): PackedHead | undefined {
    const source = this.#source;
    if (source === undefined || source.begins || source.gap) return undefined;
    this.writer.begin(nowMicros());
    return { epoch: source.memory.epoch, gap: false, begins: false, ends };
  }

  /**
   * The markets of the snapshot that have changed since the last one, or all of them, each as an entry, as of all
   * that has been packed or later.
   */
  snapshot(whole: boolean, fence: number, batch: number): (readonly [number, Buffer])[] {
    const source = this.#source;
    if (source === undefined) return [];
    const slots = whole ? Array.from({ length: source.listed }, (_, slot) => slot) : this.#changed;
    const fields: (readonly [number, Buffer])[] = [];
    for (const slot of slots) {
      const field = this.#marketField(source, slot, fence, batch);
      if (field !== undefined) fields.push([slot, field]);
    }
    this.#changed = new Set();
    return fields;
  }

  /** Whether all is packed that its producer has told; of one that has ended there will be no more. */
  get #isDone(): boolean {
    const source = this.#source;
    return source === undefined || (!source.gap && this.backlog === 0);
  }

  /** Goes on with the next producer; what it packs says that the epoch of the one before has ended. */
  #next(): PackedHead | undefined {
    const before = this.packNothing(true);
    this.#changed = new Set();
    this.#source = sourceOf(this.#waiting.shift() as MarketMemory, "start");
    return before ?? this.pack();
  }

  #packGap(source: Source): PackedHead {
    const { epoch } = source.memory;
    source.gap = source.begins = false;
    count(this.#counters, RELAY.gaps);
    this.writer.begin(nowMicros());
    return { epoch, gap: true, begins: false, ends: false };
  }

  #packMarkets(source: Source): void {
    const trades = this.#readTrades(source);
    const unlisted = (): boolean => trades.some(({ slot }) => slot >= source.listed);
    while (!source.gap && (this.writer.bytes < ENTRY_BYTES_MAX || unlisted()))
      if (!this.#readRing(source)) break;
    // What is before a lap goes first. A market that is lost with it is in the snapshot, with its trades' place.
    for (const trade of trades) if (trade.slot < source.listed) this.#packTrade(source, trade);
    this.#packPublications(source, Number.POSITIVE_INFINITY);
  }

  #packPublications(source: Source, bytesMax: number): void {
    const { publications: receiver } = source;
    while (!source.gap && this.writer.bytes < bytesMax) {
      const lost = receiver.lost;
      const received = receiver.receive();
      if (received === RECEIVED.nothing) return;
      if (received === RECEIVED.lapped) source.gap = true;
      else
        for (let type = receiver.next(); type !== 0; type = receiver.next())
          this.#packPublication(source, type);
      count(this.#counters, RELAY.dropped, receiver.lost - lost);
    }
  }

  #packPublication({ publications: { words, offset } }: Source, type: number): void {
    if (type === RECORD.publication) this.writer.publication(readPublication(words, offset));
    else if (type === RECORD.publishedTo) this.writer.publishedTo(readPublishedTo(words, offset));
    else throw new Error(`relay: a publication's record of unknown type ${type}`);
  }

  #readTrades(source: Source): TradeRecord[] {
    const { trades: receiver } = source;
    const trades: TradeRecord[] = [];
    while (trades.length < ENTRY_TRADES_MAX && !source.gap) {
      const lost = receiver.lost;
      const received = receiver.receive();
      if (received === RECEIVED.nothing) break;
      if (received === RECEIVED.lapped) {
        this.#relist(source, true);
        break;
      }
      while (receiver.next() !== 0) trades.push(readTrade(receiver.words, receiver.offset));
      count(this.#counters, RELAY.dropped, receiver.lost - lost);
    }
    return trades;
  }

  #packTrade(source: Source, trade: TradeRecord): void {
    const tradeNumber = this.#numbered ? Number(trade.tradeId) : 0;
    this.writer.trade({ ...trade, tradeNumber });
    // Behind a lap the table's is known, which may be ahead of trades from before it.
    source.tradeSeqs[trade.slot] = Math.max(source.tradeSeqs[trade.slot] ?? 0, trade.seq);
    this.#changed.add(trade.slot);
  }

  /** Packs a batch of states and books; returns whether there was one. */
  #readRing(source: Source): boolean {
    const { ring } = source;
    const lost = ring.lost;
    const received = ring.receive();
    if (received === RECEIVED.nothing) return false;
    if (received === RECEIVED.lapped) {
      this.#relist(source, false);
      return false;
    }
    for (let type = ring.next(); type !== 0; type = ring.next()) this.#packRecord(source, type);
    count(this.#counters, RELAY.dropped, ring.lost - lost);
    return true;
  }

  #packRecord(source: Source, type: number): void {
    const { words, offset } = source.ring;
    const slot = readSlot(words, offset);
    if (type === RECORD.definition) {
      this.#listing = readDefinition(words, offset);
      return;
    }
    this.#changed.add(slot);
    if (type === RECORD.book) {
      readBook(words, offset, this.#book);
      return this.writer.book(slot, this.#book);
    }
    if (type !== RECORD.state) throw new Error(`relay: a record of unknown type ${type}`);
    readState(words, offset, this.#state);
    // A market's first state is the next record behind its definition.
    const definition = this.#listing;
    if (definition === undefined) return this.writer.state(this.#state);
    this.#listing = undefined;
    if (slot < source.listed) return;
    this.writer.listing(definition, this.#state, source.tradeSeqs[slot] ?? 0);
    source.listed = slot + 1;
  }

  /** Takes over from the table what a reader has missed that stands at a ring's tail. */
  #relist(source: Source, trades: boolean): void {
    source.gap = true;
    this.#listing = undefined;
    const { table } = source;
    source.listed = table.listed;
    for (let slot = 0; slot < source.listed; slot++) {
      this.#changed.add(slot);
      if (trades && table.tryRead(slot)) source.tradeSeqs[slot] = table.newest.tradeSeq;
    }
  }

  #marketField(source: Source, slot: number, fence: number, batch: number): Buffer | undefined {
    const { table, memory } = source;
    try {
      table.read(slot);
    } catch (error) {
      // Its writer died in the middle; another producer begins anew.
      if (error instanceof SlotLockedError) return undefined;
      throw error;
    }
    const field = this.#field;
    field.begin(nowMicros());
    readState(table.words, table.stateOffset, this.#state);
    const definition = readDefinition(table.words, table.definitionOffset);
    field.listing(definition, this.#state, source.tradeSeqs[slot] ?? 0);
    readBook(table.words, table.bookOffset, this.#book);
    if (this.#book.seq > 0) field.book(slot, this.#book);
    return field.finish({ epoch: memory.epoch, fence, batch, gap: false, begins: false });
  }
}

function sourceOf(memory: MarketMemory, from: "start" | "tail"): Source {
  return {
    memory,
    ring: new BroadcastReceiver(memory.ring, from),
    trades: new BroadcastReceiver(memory.tradeRing, from),
    publications: new BroadcastReceiver(memory.publicationRing, from),
    table: new MarketTableReader(memory.table),
    listed: 0,
    tradeSeqs: [],
    begins: from === "start",
    gap: false,
  };
}
