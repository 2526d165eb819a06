import { type CounterSection, count, counted, PRODUCER } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import type { MarketWriter } from "../market-data/market-writer.js";
import type { PublicationRecord } from "../ring/publication-record.js";
import { type MarketState, TRADE_ID_BYTES_MAX, utf8 } from "../ring/records.js";
import type { Logger } from "../shared/log.js";
import type { MarketDefinition } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { Entry } from "./entry-form.js";
import type { BookPlaced, RecordSink, TradeNumbered } from "./packed-records.js";
import type { RelayedPublications } from "./relayed-publications.js";

/** Where a market's streams stand here. */
interface Place {
  stateSeq: number;
  sizedSeq: number;
  bookSeq: number;
  /** Of the last trade written here; 0 for none. */
  tradeSeq: number;
  /** Up to this trade they are known to have been before what is written here, or were missed. */
  tradesBefore: number;
}

/**
 * Writes records as they came from the origin, with their `seq`, `ts` and trade numbers, and keeps those from
 * going back that come twice: of a snapshot and of the stream, or of both and of the origin's archive.
 *
 * Invariants: slots are those of the origin; no stream of a market ever goes back; a trade is written once, also over
 * the lives of an edge's producer.
 */
export class RelayedMarkets implements RecordSink {
  readonly #writer: MarketWriter;
  readonly #producer: CounterSection;
  readonly #relay: CounterSection;
  readonly #log: Logger;
  readonly publications: RelayedPublications;
  readonly #places: Place[] = [];
  readonly #slots = new Map<MarketId, number>();
  #refused = false;
  #lastTradeNumber = 0;
  /** Trades that a former life has told: those before a `ts`, and so many of it. */
  readonly #toldTs: number;
  #toldOfTs: number;
  /** How many trades of the last one's `ts` have been written, or told before. */
  #ofLastTs = 0;
  /** Where a market that is listed next begins with its trades: behind those it has had, or with the first. */
  #beginsWith: "first" | "next" = "first";
  /** The latest `ts` of all records, and of trades; and from which on all is here. */
  latestTs = 0;
  lastTradeTs = 0;
  begunAt = 0;

  constructor(
    writer: MarketWriter,
    publications: RelayedPublications,
    producer: CounterSection,
    relay: CounterSection,
    log: Logger,
  ) {
    this.publications = publications;
    this.#writer = writer;
    this.#producer = producer;
    this.#relay = relay;
    this.#log = log;
    this.#toldTs = counted(relay, RELAY.tradeTs);
    this.#toldOfTs = counted(relay, RELAY.tradesOfTs);
    this.lastTradeTs = this.#toldTs;
    this.#ofLastTs = this.#toldOfTs;
  }

  apply(entry: Entry): void {
    entry.read(this);
    // Ahead of the markets, whose position says how far all has been told.
    this.publications.publish();
    count(this.#relay, RELAY.records, entry.records);
  }

  /** Makes all that was written visible. */
  publish(): void {
    this.#writer.publish();
    this.#relay[RELAY.tradeTs] = this.lastTradeTs;
    this.#relay[RELAY.tradesOfTs] = this.#ofLastTs;
  }

  /** Lists the markets of a snapshot with which this begins: trades that they have had are none of ours. */
  list(markets: readonly Entry[]): void {
    this.#beginsWith = "next";
    for (const market of markets) this.apply(market);
    this.#beginsWith = "first";
  }

  /** Lists those markets of a snapshot that are not; returns by slot how many trades they have had. */
  listNew(markets: readonly Entry[]): readonly number[] {
    const trades: number[] = [];
    const sink: Partial<RecordSink> = {
      listing: (definition, state, tradeSeq) => {
        trades[state.slot] = tradeSeq;
        if (state.slot >= this.#writer.listed) this.listing(definition, state, tradeSeq);
      },
      book: () => {},
    };
    for (const market of markets) market.read(sink as RecordSink);
    return trades;
  }

  listing(definition: MarketDefinition, state: MarketState, tradeSeq: number): void {
    const { listed, capacity } = this.#writer;
    if (state.slot < listed) return this.state(state);
    if (state.slot > listed || listed >= capacity) return this.#refuse(definition);
    this.#writer.list(definition, this.#title(definition), state);
    const { stateSeq, sizedSeq } = state;
    const tradesBefore = this.#beginsWith === "next" ? tradeSeq : 0;
    this.#places.push({ stateSeq, sizedSeq, bookSeq: 0, tradeSeq: 0, tradesBefore });
    this.#slots.set(definition.marketId, state.slot);
    this.#note(Math.max(state.ts, state.sizedTs));
  }

  state(state: MarketState): void {
    const place = this.#places[state.slot];
    if (place === undefined) return;
    const { stateSeq, sizedSeq } = state;
    // Each record moves one of them at least, and none back.
    if (stateSeq < place.stateSeq || sizedSeq < place.sizedSeq) return;
    if (stateSeq === place.stateSeq && sizedSeq === place.sizedSeq) return;
    place.stateSeq = stateSeq;
    place.sizedSeq = sizedSeq;
    this.#note(Math.max(state.ts, state.sizedTs));
    this.#writer.state(state);
  }

  book(slot: number, book: BookPlaced): void {
    const place = this.#places[slot];
    if (place === undefined || book.seq <= place.bookSeq) return;
    place.bookSeq = book.seq;
    this.#note(book.ts);
    this.#writer.book(slot, book, book);
  }

  trade(trade: TradeNumbered): void {
    const place = this.#places[trade.slot];
    if (place === undefined || trade.seq <= place.tradeSeq) return;
    const missing = trade.seq - this.#accounted(place) - 1;
    place.tradeSeq = trade.seq;
    if (this.#wasTold(trade)) return;
    if (missing > 0) {
      count(this.#relay, RELAY.tradesLost, missing);
      this.#writer.tradesLost();
    }
    this.#write(trade);
  }

  publication(publication: PublicationRecord): void {
    this.publications.write(publication);
  }

  publishedTo(ts: number): void {
    this.publications.publishedTo(ts);
  }

  /** Writes a trade out of the origin's archive, whatever its slot; returns whether none is missing before it. */
  fetchedTrade(marketId: MarketId, trade: TradeNumbered): boolean {
    const slot = this.#slots.get(marketId);
    const place = slot === undefined ? undefined : this.#places[slot];
    if (slot === undefined || place === undefined) return true;
    const before = this.#accounted(place);
    if (trade.seq <= before) return true;
    place.tradeSeq = trade.seq;
    if (this.#wasTold(trade)) return true;
    this.#write({ ...trade, slot });
    count(this.#relay, RELAY.tradesFetched);
    return trade.seq === before + 1;
  }

  completeFrom(ts: number): void {
    this.begunAt = ts;
    this.#writer.completeFrom(ts);
  }

  /** By slot, up to which trade those of a market are missing that have not been written here. */
  missingTrades(places: readonly number[]): Map<number, number> {
    const missing = new Map<number, number>();
    for (const [slot, seq] of places.entries()) {
      const place = this.#places[slot];
      if (place !== undefined && seq > this.#accounted(place)) missing.set(slot, seq);
    }
    return missing;
  }

  /** Whether all trades of a market up to one have been written. */
  hasTrade(slot: number, seq: number): boolean {
    const place = this.#places[slot];
    return place === undefined || this.#accounted(place) >= seq;
  }

  /** Gives up what is missing: whoever wants trades is told that some were lost. */
  giveUpTrades(missing: ReadonlyMap<number, number>): void {
    for (const [slot, seq] of missing) {
      const place = this.#places[slot] as Place;
      count(this.#relay, RELAY.tradesLost, Math.max(0, seq - this.#accounted(place)));
      place.tradesBefore = Math.max(place.tradesBefore, seq);
    }
    this.loseTrades();
  }

  /** Says that trades are missing, nobody knows which. */
  loseTrades(): void {
    this.#writer.tradesLost();
  }

  #accounted({ tradeSeq, tradesBefore }: Place): number {
    return Math.max(tradeSeq, tradesBefore);
  }

  /** Trades come in one order, whatever way, and their `ts` never decreases in it. */
  #wasTold({ ts }: TradeNumbered): boolean {
    if (ts !== this.#toldTs) return ts < this.#toldTs;
    return this.#toldOfTs-- > 0;
  }

  #write(trade: TradeNumbered): void {
    // One that comes late, behind others of a gap that was given up, has no place among them any more.
    const { tradeNumber } = trade;
    if (tradeNumber > 0 && tradeNumber <= this.#lastTradeNumber) return this.#writer.tradesLost();
    this.#lastTradeNumber = tradeNumber;
    const id = utf8(trade.tradeId).subarray(0, TRADE_ID_BYTES_MAX);
    this.#ofLastTs = trade.ts === this.lastTradeTs ? this.#ofLastTs + 1 : 1;
    this.lastTradeTs = trade.ts;
    this.#note(trade.ts);
    this.#writer.trade(trade, id);
  }

  /** Before the record is written: what the counters say is no less than what anybody can have read. */
  #note(ts: number): void {
    if (ts <= this.latestTs) return;
    this.latestTs = ts;
    this.#producer[PRODUCER.latestTs] = ts;
  }

  /** A title that is longer than this node's are is cut. */
  #title({ title }: MarketDefinition): Uint8Array {
    const { titleBytesMax } = this.#writer;
    const characters = [...title];
    let bytes = utf8(title);
    while (bytes.length > titleBytesMax) {
      characters.pop();
      bytes = utf8(characters.join(""));
    }
    return bytes;
  }

  #refuse({ marketId }: MarketDefinition): void {
    count(this.#producer, PRODUCER.definitionsRefused);
    if (this.#refused) return;
    this.#refused = true;
    const { capacity } = this.#writer;
    this.#log.error(
      { market_id: marketId },
      `the table is full with ${capacity} markets; set max-markets as the origin has it, this node goes without the others`,
    );
  }
}
