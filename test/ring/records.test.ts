import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { wordsOf } from "../../src/ring/layout.js";
import {
  bookBytes,
  bookBytesMax,
  definitionBytes,
  differenceTo,
  type MarketState,
  readBook,
  readBookSeq,
  readDefinition,
  readSlot,
  readState,
  readStateSeq,
  readTrade,
  STATE_BYTES,
  TRADE_ID_BYTES_MAX,
  tradeBytes,
  utf8,
  writeBook,
  writeDefinition,
  writeState,
  writeTrade,
} from "../../src/ring/records.js";
import {
  BOOK_LEVELS_MAX,
  type Book,
  createBook,
  MARKET_STATUSES,
  SIDES,
} from "../../src/shared/market.js";
import { fromBigInt } from "../../src/shared/market-id.js";
import { emptyState } from "../support/published-truth.js";

const BYTES = 8192;
const FENCE = 0xa5;

const slots = fc.integer({ min: 0, max: 0xffff_ffff });
const offsets = fc.integer({ min: 1, max: 100 }).map((unit) => unit * 8);
const counts = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 });
const seqs = fc.integer({ min: 1, max: 2 ** 53 - 1 });
const texts = fc.string({ unit: "grapheme", maxLength: 80 });

/** Memory with a fence: whatever is written over the record's own bytes is noticed. */
function memory() {
  const words = wordsOf(new SharedArrayBuffer(BYTES), 0, BYTES);
  words.bytes.fill(FENCE);
  const expectFenced = (offset: number, length: number): void => {
    expect(words.bytes.subarray(0, offset).every((byte) => byte === FENCE)).toBe(true);
    expect(words.bytes.subarray(offset + length).every((byte) => byte === FENCE)).toBe(true);
  };
  return { words, expectFenced };
}

describe("records", () => {
  it("records - a definition comes back as it was, with any 128-bit id", () => {
    const ids = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(fromBigInt);
    const steps = fc.constantFrom(0.01, 1, 5, 1e-8, 0.00025, 1e6);
    fc.assert(
      fc.property(
        slots,
        offsets,
        ids,
        texts,
        steps,
        steps,
        (slot, offset, marketId, title, t, l) => {
          const { words, expectFenced } = memory();
          const definition = { marketId, title, tickSize: t, lotSize: l };
          const bytes = utf8(title);
          writeDefinition(words, offset, slot, definition, bytes);
          expect(readDefinition(words, offset)).toEqual(definition);
          expect(readSlot(words, offset)).toBe(slot);
          expectFenced(offset, definitionBytes(bytes.length));
        },
      ),
    );
  });

  it("records - a state comes back as it was, absent numbers included", () => {
    const states = fc.record<MarketState>({
      slot: slots,
      status: fc.constantFrom(...MARKET_STATUSES),
      changes: fc.integer({ min: 0, max: 63 }),
      stateSeq: seqs,
      priceSeq: seqs,
      price: fc.option(counts),
      bestBid: fc.option(counts),
      bestAsk: fc.option(counts),
      volume: seqs,
      ts: seqs,
      sizedSeq: seqs,
      bidQuantity: fc.option(counts),
      askQuantity: fc.option(counts),
      sizedTs: seqs,
    });
    fc.assert(
      fc.property(offsets, states, (offset, state) => {
        const { words, expectFenced } = memory();
        writeState(words, offset, state);
        const read = emptyState();
        readState(words, offset, read);
        expect(read).toEqual(state);
        expect(readStateSeq(words, offset)).toBe(state.stateSeq);
        expect(readSlot(words, offset)).toBe(state.slot);
        expectFenced(offset, STATE_BYTES);
      }),
    );
  });

  it("records - a book comes back as it was, empty and full", () => {
    const depths = fc.constantFrom(1, 20, 50, BOOK_LEVELS_MAX);
    const sides = fc.array(fc.tuple(counts, seqs), { maxLength: BOOK_LEVELS_MAX });
    fc.assert(
      fc.property(
        slots,
        offsets,
        seqs,
        seqs,
        sides,
        sides,
        depths,
        (slot, offset, seq, ts, ...of) => {
          const [bids, asks, depth] = of;
          const { words, expectFenced } = memory();
          const book = bookOf(bids, asks);
          writeBook(words, offset, slot, { seq, ts, topSeq: ts, topTs: seq }, book, depth);
          const read = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
          readBook(words, offset, read);
          expect(read).toMatchObject({ seq, ts, topSeq: ts, topTs: seq });
          const kept = { bids: bids.slice(0, depth), asks: asks.slice(0, depth) };
          expect(levelsOf(read)).toEqual(kept);
          expect(differenceTo(words, offset, book, depth)).toBe("none");
          expect(readBookSeq(words, offset)).toBe(seq);
          expect(readSlot(words, offset)).toBe(slot);
          expect(bookBytes(book, depth)).toBeLessThanOrEqual(bookBytesMax(2 * depth));
          expectFenced(offset, bookBytes(book, depth));
        },
      ),
    );
  });

  it("records - a difference among the first 20 levels a side is told from one below", () => {
    const { words } = memory();
    const levels = Array.from({ length: 30 }, (_, level): [number, number] => [100 - level, 1]);
    const of = (change: (bids: [number, number][]) => unknown) => {
      const bids = levels.map(([price, quantity]): [number, number] => [price, quantity]);
      change(bids);
      return differenceTo(words, 0, bookOf(bids, []), 25);
    };
    writeBook(words, 0, 1, { seq: 1, ts: 1, topSeq: 1, topTs: 1 }, bookOf(levels, []), 25);
    expect(of(() => {})).toBe("none");
    expect(of((bids) => bids.splice(25))).toBe("none");
    expect(of((bids) => bids.splice(24))).toBe("deep");
    expect(of((bids) => bids.splice(20))).toBe("deep");
    expect(of((bids) => bids.splice(20, 1, [80, 2]))).toBe("deep");
    expect(of((bids) => bids.splice(19, 1, [81, 2]))).toBe("top");
    expect(of((bids) => bids.splice(19))).toBe("top");
    expect(of((bids) => bids.splice(0, 1))).toBe("top");
  });

  it("records - a trade comes back as it was", () => {
    const ids = texts.filter((id) => utf8(id).length <= TRADE_ID_BYTES_MAX);
    const trades = fc.record({
      slot: slots,
      seq: seqs,
      price: counts,
      quantity: seqs,
      takerSide: fc.constantFrom(...SIDES),
      ts: seqs,
      tradeId: ids,
    });
    fc.assert(
      fc.property(offsets, trades, (offset, trade) => {
        const { words, expectFenced } = memory();
        const id = utf8(trade.tradeId);
        writeTrade(words, offset, trade, id);
        expect(readTrade(words, offset)).toEqual(trade);
        expectFenced(offset, tradeBytes(id.length));
      }),
    );
  });
});

function bookOf(bids: readonly [number, number][], asks: readonly [number, number][]): Book {
  const book = createBook();
  for (const [side, levels] of [
    [book.bids, bids],
    [book.asks, asks],
  ] as const) {
    side.length = levels.length;
    for (const [index, [price, quantity]] of levels.entries()) {
      side.price[index] = price;
      side.quantity[index] = quantity;
    }
  }
  return book;
}

function levelsOf({ bids, asks }: Book) {
  const levels = (side: Book["bids"]) =>
    Array.from({ length: side.length }, (_, index) => [side.price[index], side.quantity[index]]);
  return { bids: levels(bids), asks: levels(asks) };
}
