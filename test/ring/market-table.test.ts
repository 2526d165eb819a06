import { describe, expect, it } from "vitest";
import {
  createMarketTable,
  MarketTableReader,
  MarketTableWriter,
} from "../../src/ring/market-table.js";
import {
  type MarketState,
  readBook,
  readDefinition,
  readState,
  utf8,
} from "../../src/ring/records.js";
import { createBook } from "../../src/shared/market.js";

function stateOf(slot: number, changes: Partial<MarketState> = {}): MarketState {
  return {
    slot,
    status: "Active",
    changes: 1,
    stateSeq: 1,
    priceSeq: 0,
    price: null,
    bestBid: null,
    bestAsk: null,
    volume: 0,
    ts: 1000 + slot,
    sizedSeq: 0,
    bidQuantity: null,
    askQuantity: null,
    sizedTs: 0,
    ...changes,
  };
}

function list(writer: MarketTableWriter, slot: number, title: string): void {
  const definition = { marketId: 500 + slot, title, tickSize: 0.01, lotSize: 1 };
  writer.list(definition, utf8(title), stateOf(slot), 0);
}

function stateIn(reader: MarketTableReader): MarketState {
  const state = stateOf(0);
  readState(reader.words, reader.stateOffset, state);
  return state;
}

function bookIn(reader: MarketTableReader) {
  const book = { ...createBook(), seq: -1, ts: -1, topSeq: -1, topTs: -1 };
  readBook(reader.words, reader.bookOffset, book);
  return book;
}

describe("market table", () => {
  it("market table - holds definition, state and book of every market, each in its slot", () => {
    const memory = createMarketTable(3, { titleBytesMax: 20, bookDepth: 30 });
    const writer = new MarketTableWriter(memory);
    const reader = new MarketTableReader(memory);
    expect(reader.listed).toBe(0);
    // The longest titles, to their last byte, beside the neighbours' first ones.
    for (let slot = 0; slot < 3; slot++) list(writer, slot, `${slot}`.repeat(20));
    expect([reader.listed, writer.listed, writer.capacity, writer.titleBytesMax]).toEqual([
      3, 3, 3, 20,
    ]);
    writer.writeState(stateOf(1, { stateSeq: 9, price: 77, bestAsk: 78, status: "Halted" }), 0);
    const book = createBook();
    book.bids.length = 31;
    book.asks.length = 20;
    book.bids.price.fill(5, 0, 30);
    book.asks.quantity.fill(6, 0, 20);
    const place = { seq: 4, ts: 1234, topSeq: 3, topTs: 1233 };
    writer.writeBook(2, place, book, 0);
    // Of what is deeper than the table keeps nothing is left.
    book.bids.length = 30;

    for (let slot = 0; slot < 3; slot++) {
      reader.read(slot);
      expect(readDefinition(reader.words, reader.definitionOffset)).toEqual({
        marketId: 500 + slot,
        title: `${slot}`.repeat(20),
        tickSize: 0.01,
        lotSize: 1,
      });
      expect(stateIn(reader)).toEqual(
        slot === 1
          ? stateOf(1, { stateSeq: 9, price: 77, bestAsk: 78, status: "Halted" })
          : stateOf(slot),
      );
      expect(bookIn(reader)).toEqual(
        slot === 2
          ? { ...book, ...place }
          : { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 },
      );
    }
  });

  it("market table - what was read does not change when the slot does", () => {
    const memory = createMarketTable(1, { titleBytesMax: 16, bookDepth: 20 });
    const writer = new MarketTableWriter(memory);
    const reader = new MarketTableReader(memory);
    list(writer, 0, "one");
    reader.read(0);
    writer.writeState(stateOf(0, { stateSeq: 2 }), 0);
    expect(stateIn(reader).stateSeq).toBe(1);
    reader.read(0);
    expect(stateIn(reader).stateSeq).toBe(2);
  });

  it("market table - a slot whose writer died in the middle is an error, not a torn read", () => {
    const memory = createMarketTable(1, { titleBytesMax: 16, bookDepth: 20 });
    list(new MarketTableWriter(memory), 0, "one");
    const reader = new MarketTableReader(memory);
    reader.read(0);
    // The lock of the first slot, behind the table's header: odd while the slot is written.
    Atomics.add(new Int32Array(memory.buffer), 64 / 4, 1);
    expect(() => reader.read(0)).toThrow("slot 0 stays locked");
  });

  it("market table - whoever can come back is not held up by a slot that stays locked", () => {
    const memory = createMarketTable(1, { titleBytesMax: 20, bookDepth: 30 });
    list(new MarketTableWriter(memory), 0, "Rain");
    const reader = new MarketTableReader(memory);
    expect(reader.tryRead(0)).toBe(true);
    // The lock is the slot's first word, behind the header of 64 bytes.
    Atomics.add(new Int32Array(memory.buffer), 16, 1);
    const startedAt = performance.now();
    expect(reader.tryRead(0)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(20);
    Atomics.add(new Int32Array(memory.buffer), 16, 1);
    expect(reader.tryRead(0)).toBe(true);
  });
});
