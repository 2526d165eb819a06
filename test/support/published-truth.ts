import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { RECORD, type Words } from "../../src/ring/layout.js";
import type { MarketMemory } from "../../src/ring/market-memory.js";
import { MarketTableReader } from "../../src/ring/market-table.js";
import {
  type BookState,
  CHANGE,
  type MarketState,
  readBook,
  readDefinition,
  readSlot,
  readState,
  readTrade,
  type TradeRecord,
} from "../../src/ring/records.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import {
  type BookSide,
  createBook,
  type MarketDefinition,
  TOP_BOOK_LEVELS,
} from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";

const scale = (step: number): DecimalScale => DecimalScale.of(step) as DecimalScale;

/** A state to read a record into. */
export const emptyState = (): MarketState => ({
  slot: 0,
  status: "Active",
  changes: 0,
  stateSeq: 0,
  priceSeq: 0,
  price: null,
  bestBid: null,
  bestAsk: null,
  volume: 0,
  ts: 0,
  sizedSeq: 0,
  bidQuantity: null,
  askQuantity: null,
  sizedTs: 0,
});

/** Everything that was ever published about a market, by sequence number less one. */
export class MarketHistory {
  readonly definition: MarketDefinition;
  readonly states: MarketState[] = [];
  /** By the number of their first levels. */
  readonly books: BookState[] = [];
  /** All that is kept of them. */
  readonly deepBooks: BookState[] = [];
  /** States by the number of their sizes. */
  readonly sized: MarketState[] = [];
  readonly trades: TradeRecord[] = [];

  constructor(definition: MarketDefinition) {
    this.definition = definition;
  }

  /** The `Market` object of a state. */
  market(seq: number) {
    const { marketId, title, tickSize, lotSize } = this.definition;
    const state = this.states[seq - 1] as MarketState;
    return {
      market_id: marketId,
      title,
      status: state.status,
      ...this.#quote(state),
      volume: scale(lotSize).toNumber(state.volume),
      tick_size: tickSize,
      lot_size: lotSize,
      seq,
      ts: state.ts,
    };
  }

  /** The `PriceUpdate` of a price; `ts` is that of the state `ts` names. */
  price(seq: number) {
    const state = this.states.find((one) => one.priceSeq === seq) as MarketState;
    return { market_id: this.definition.marketId, ...this.#quote(state), seq };
  }

  orderBook(seq: number) {
    const { marketId } = this.definition;
    const book = this.books[seq - 1];
    if (book === undefined) return { market_id: marketId, bids: [], asks: [], seq };
    const { bids, asks } = book;
    return { market_id: marketId, bids: this.#levels(bids), asks: this.#levels(asks), seq };
  }

  trade(seq: number) {
    const { marketId, tickSize, lotSize } = this.definition;
    const trade = this.trades[seq - 1] as TradeRecord;
    return {
      trade_id: trade.tradeId,
      market_id: marketId,
      price: scale(tickSize).toNumber(trade.price),
      quantity: scale(lotSize).toNumber(trade.quantity),
      taker_side: trade.takerSide,
      seq,
      ts: trade.ts,
    };
  }

  /** The update type that tells all states after `from` up to `to`. */
  updateType(from: number, to: number): string {
    let changes = 0;
    for (const state of this.states.slice(from, to)) changes |= state.changes;
    if ((changes & CHANGE.created) !== 0) return "Created";
    if ((changes & CHANGE.status) !== 0) return "Status";
    return (changes & (CHANGE.price | CHANGE.quote)) !== 0 ? "Price" : "Volume";
  }

  #quote(state: MarketState) {
    const price = (ticks: number | null) =>
      ticks === null ? null : scale(this.definition.tickSize).toNumber(ticks);
    return {
      price: price(state.price),
      best_bid: price(state.bestBid),
      best_ask: price(state.bestAsk),
    };
  }

  #levels(side: BookSide): number[][] {
    const { tickSize, lotSize } = this.definition;
    return Array.from({ length: side.length }, (_, level) => [
      scale(tickSize).toNumber(side.price[level] as number),
      scale(lotSize).toNumber(side.quantity[level] as number),
    ]);
  }
}

/**
 * Reads every record of one producer's rings as soon as it is published, and keeps it; and what the
 * table says ahead of that.
 */
export class PublishedTruth {
  readonly markets = new Map<MarketId, MarketHistory>();
  readonly #ring: BroadcastReceiver;
  readonly #trades: BroadcastReceiver;
  readonly #table: MarketTableReader;
  readonly #bySlot: MarketHistory[] = [];

  constructor(memory: MarketMemory) {
    this.#table = new MarketTableReader(memory.table);
    this.#ring = new BroadcastReceiver(memory.ring);
    this.#trades = new BroadcastReceiver(memory.tradeRing);
  }

  of(marketId: MarketId): MarketHistory {
    const history = this.markets.get(marketId);
    if (history === undefined) throw new Error(`market ${marketId} was never published`);
    return history;
  }

  /** To be called after each change of a market: the table has it at once. */
  readTable(): void {
    const { words, definitionOffset, stateOffset, bookOffset } = this.#table;
    for (let slot = 0; slot < this.#table.listed; slot++) {
      this.#table.read(slot);
      this.#list(slot, readDefinition(words, definitionOffset));
      this.#keepState(slot, words, stateOffset);
      this.#keepBook(slot, words, bookOffset);
    }
  }

  /** To be called after each publication on the rings. */
  read(): void {
    for (const ring of [this.#ring, this.#trades]) {
      for (;;) {
        const received = ring.receive();
        if (received === RECEIVED.nothing) break;
        if (received === RECEIVED.lapped) throw new Error("the truth was lapped");
        for (let type = ring.next(); type !== 0; type = ring.next()) this.#keep(ring, type);
      }
    }
  }

  #keep({ words, offset }: BroadcastReceiver, type: number): void {
    const slot = readSlot(words, offset);
    if (type === RECORD.definition) this.#list(slot, readDefinition(words, offset));
    else if (type === RECORD.state) this.#keepState(slot, words, offset);
    else if (type === RECORD.book) this.#keepBook(slot, words, offset);
    else {
      const trade = readTrade(words, offset);
      this.#at(slot).trades[trade.seq - 1] = trade;
    }
  }

  #at(slot: number): MarketHistory {
    return this.#bySlot[slot] as MarketHistory;
  }

  #list(slot: number, definition: MarketDefinition): void {
    if (this.#bySlot[slot] !== undefined) return;
    const history = new MarketHistory(definition);
    this.#bySlot[slot] = history;
    this.markets.set(definition.marketId, history);
  }

  #keepState(slot: number, words: Words, offset: number): void {
    const state = emptyState();
    readState(words, offset, state);
    this.#at(slot).states[state.stateSeq - 1] ??= state;
    if (state.sizedSeq > 0) this.#at(slot).sized[state.sizedSeq - 1] ??= state;
  }

  #keepBook(slot: number, words: Words, offset: number): void {
    const book = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
    readBook(words, offset, book);
    if (book.seq === 0) return;
    const { books, deepBooks } = this.#at(slot);
    deepBooks[book.seq - 1] ??= book;
    const first = (side: BookSide) => ({ ...side, length: Math.min(side.length, TOP_BOOK_LEVELS) });
    const top = { ...book, bids: first(book.bids), asks: first(book.asks) };
    books[book.topSeq - 1] ??= { ...top, seq: book.topSeq, ts: book.topTs };
  }
}
