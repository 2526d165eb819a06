import { beforeEach, describe, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { checkDefinition } from "../../src/market-data/feed-checks.js";
import { MarketWriter } from "../../src/market-data/market-writer.js";
import { type SequencedMarket, Sequencer } from "../../src/market-data/sequencer.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { type BookPlace, CHANGE, type MarketState, utf8 } from "../../src/ring/records.js";
import { type Book, createBook } from "../../src/shared/market.js";

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 3,
  maxTitleBytes: 16,
  bookDepth: 50,
};

/** A writer that keeps what it is given. */
class KeptWriter extends MarketWriter {
  readonly states: Partial<MarketState>[] = [];
  readonly sized: unknown[] = [];
  readonly trades: { seq: number; ts: number }[] = [];
  readonly books: BookPlace[] = [];

  override state(state: MarketState): void {
    const { changes, stateSeq, priceSeq, price, volume, ts } = state;
    const { sizedSeq, sizedTs, bidQuantity } = state;
    this.sized.push({ stateSeq, priceSeq, sizedSeq, ts, sizedTs, bidQuantity });
    this.states.push({ changes, stateSeq, priceSeq, price, volume, ts });
    super.state(state);
  }

  override trade(trade: Parameters<MarketWriter["trade"]>[0], id: Uint8Array): void {
    this.trades.push({ seq: trade.seq, ts: trade.ts });
    super.trade(trade, id);
  }

  override book(...[slot, place, book]: Parameters<MarketWriter["book"]>): void {
    this.books.push({ ...place });
    super.book(slot, place, book);
  }
}

describe("sequencer", () => {
  let now: number;
  let writer: KeptWriter;
  let sequencer: Sequencer;
  let market: SequencedMarket;

  beforeEach(() => {
    now = 1000;
    const { producer } = counterBlockOf(createCounterBuffer(1));
    writer = new KeptWriter(createMarketMemory("epoch", SIZES), producer);
    sequencer = new Sequencer(writer, () => now++, producer);
    const definition = { marketId: 5, title: "Five", tickSize: 1, lotSize: 1 };
    const checked = { ...checkDefinition(definition), title: utf8("Five") };
    market = sequencer.list(checked, "Active", { lastPrice: undefined, volume: 0 });
  });

  it("sequencer - a state has the next seq, and the next price seq where price or quote changed", () => {
    expect(sequencer.quote(market, 10, 13)).toBe(true);
    expect(sequencer.setStatus(market, "Halted")).toBe(true);
    expect(sequencer.quote(market, 10, 12)).toBe(true);
    expect(writer.states).toMatchObject([
      { stateSeq: 2, priceSeq: 1, changes: CHANGE.quote | CHANGE.price, price: 11, ts: 1001 },
      { stateSeq: 3, priceSeq: 1, changes: CHANGE.status, ts: 1002 },
      { stateSeq: 4, priceSeq: 2, changes: CHANGE.quote, price: 11, ts: 1003 },
    ]);
  });

  it("sequencer - what changes nothing is told nobody and takes no seq", () => {
    sequencer.quote(market, 10, 12);
    expect(sequencer.quote(market, 10, 12)).toBe(false);
    expect(sequencer.setStatus(market, "Active")).toBe(false);
    sequencer.tellPending();
    expect(writer.states).toHaveLength(1);
  });

  it("sequencer - trades are told each, and the state they lead to once", () => {
    for (const price of [20, 21])
      sequencer.trade(market, { price, quantity: 2, takerSide: "Buy" }, utf8(`${price}`));
    expect(writer.trades.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(writer.states).toEqual([]);
    sequencer.tellPending();
    sequencer.tellPending();
    expect(writer.states).toMatchObject([{ stateSeq: 2, priceSeq: 1, price: 21, volume: 4 }]);
    // From then on trades make the price, and quotes do not.
    sequencer.quote(market, 1, 3);
    expect(writer.states.at(-1)).toMatchObject({ stateSeq: 3, priceSeq: 2, price: 21 });
  });

  it("sequencer - books have a stream of their own", () => {
    sequencer.quote(market, 10, 12);
    const told = [0, 1, 1, 25, 30, 60, 70].map((bids) => sequencer.book(market, bookOf(bids)));
    // The first one is told even where it is empty; of 50 levels the 60th is none.
    expect(told).toEqual([true, true, false, true, true, true, false]);
    expect(writer.books).toEqual([
      { seq: 1, ts: 1002, topSeq: 1, topTs: 1002 },
      { seq: 2, ts: 1003, topSeq: 2, topTs: 1003 },
      { seq: 3, ts: 1004, topSeq: 3, topTs: 1004 },
      { seq: 4, ts: 1005, topSeq: 3, topTs: 1004 },
      { seq: 5, ts: 1006, topSeq: 3, topTs: 1004 },
    ]);
  });

  it("sequencer - sizes have a stream with prices that takes nothing of the others", () => {
    expect(sequencer.quote(market, 10, 12, 5, 6)).toBe(true);
    expect(sequencer.quote(market, 10, 12, 4, 6)).toBe(true);
    expect(sequencer.quote(market, 10, 12, 4, 6)).toBe(false);
    expect(sequencer.quote(market, 11, 12, 4, 6)).toBe(true);
    expect(writer.sized).toEqual([
      { stateSeq: 2, priceSeq: 1, sizedSeq: 1, ts: 1001, sizedTs: 1001, bidQuantity: 5 },
      { stateSeq: 2, priceSeq: 1, sizedSeq: 2, ts: 1001, sizedTs: 1002, bidQuantity: 4 },
      { stateSeq: 3, priceSeq: 2, sizedSeq: 3, ts: 1003, sizedTs: 1003, bidQuantity: 4 },
    ]);
  });
});

function bookOf(levels: number): Book {
  const book = createBook();
  book.bids.length = levels;
  for (let level = 0; level < levels; level++) {
    book.bids.price[level] = 1000 - level;
    book.bids.quantity[level] = 1;
  }
  return book;
}
