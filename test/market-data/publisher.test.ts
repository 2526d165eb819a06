import { beforeEach, describe, expect, it } from "vitest";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  PRODUCER,
} from "../../src/counters/counters.js";
import { FeedInputError, type FeedInputErrorCode } from "../../src/feed/feed.js";
import { Publisher } from "../../src/market-data/publisher.js";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { RECORD } from "../../src/ring/layout.js";
import { createMarketMemory, type MarketMemory } from "../../src/ring/market-memory.js";
import { MarketTableReader } from "../../src/ring/market-table.js";
import { CHANGE, readBook, readDefinition, readState, readTrade } from "../../src/ring/records.js";
import {
  type Book,
  type BookSide,
  createBook,
  type MarketDefinition,
  type MarketStatus,
  type Side,
} from "../../src/shared/market.js";

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 3,
  maxTitleBytes: 16,
  bookDepth: 50,
};
const BOOK_INTERVAL_MS = 100;
const FIVE: MarketDefinition = { marketId: 5, title: "Five", tickSize: 0.01, lotSize: 1 };

type Level = readonly [price: number, quantity: number];

let memory: MarketMemory;
let counters: Float64Array;
let publisher: Publisher;
let ring: BroadcastReceiver;
let trades: BroadcastReceiver;
/** Microseconds; moves only when a test says so. */
let time: number;
let deferred: (() => void)[];
let timers: { at: number; task: () => void }[];
let rejected: unknown[];

beforeEach(() => {
  memory = createMarketMemory("epoch-a", SIZES);
  counters = counterBlockOf(createCounterBuffer(1)).producer;
  time = 1_000_000;
  deferred = [];
  timers = [];
  rejected = [];
  publisher = new Publisher(memory, counters, {
    bookIntervalMs: BOOK_INTERVAL_MS,
    now: () => time,
    defer: (task) => deferred.push(task),
    setTimer: (task, delayMs) => timers.push({ at: time + delayMs * 1000, task }),
    reject: (...input) => rejected.push(input),
  });
  ring = new BroadcastReceiver(memory.ring);
  trades = new BroadcastReceiver(memory.tradeRing);
});

/** Ends the turn: what was deferred runs. */
function turn(): void {
  for (const task of deferred.splice(0)) task();
}

/** Lets time pass and the timers ring that are due. */
function pass(ms: number): void {
  time += ms * 1000;
  const due = timers.filter(({ at }) => at <= time);
  timers = timers.filter(({ at }) => at > time);
  for (const { task } of due) task();
  turn();
}

function* recordsOf(receiver: BroadcastReceiver): Generator<number> {
  while (receiver.receive() === RECEIVED.records) {
    for (let type = receiver.next(); type !== 0; type = receiver.next()) yield type;
  }
}

/** All that came over the ring of states and books since it was last looked at. */
function published(): unknown[] {
  const found: unknown[] = [];
  for (const type of recordsOf(ring)) {
    const { words, offset } = ring;
    if (type === RECORD.definition) found.push(readDefinition(words, offset));
    else if (type === RECORD.state) {
      const state = {} as Parameters<typeof readState>[2];
      readState(words, offset, state);
      found.push(state);
    } else {
      const book = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
      readBook(words, offset, book);
      found.push({ seq: book.seq, ts: book.ts, bids: levels(book.bids), asks: levels(book.asks) });
    }
  }
  return found;
}

function publishedTrades() {
  return Array.from(recordsOf(trades), () => readTrade(trades.words, trades.offset));
}

const levelsAt = (...prices: readonly number[]): Level[] => prices.map((price) => [price, 1]);

function levels({ price, quantity, length }: BookSide): Level[] {
  return Array.from({ length }, (_, index) => [Number(price[index]), Number(quantity[index])]);
}

function book(bids: readonly Level[], asks: readonly Level[], into: Book = createBook()): Book {
  for (const [side, all] of [
    [into.bids, bids],
    [into.asks, asks],
  ] as const) {
    side.length = all.length;
    for (const [index, [price, quantity]] of all.entries()) {
      side.price[index] = price;
      side.quantity[index] = quantity;
    }
  }
  return into;
}

function list(changes: Partial<MarketDefinition> = {}) {
  const market = publisher.list({ ...FIVE, ...changes });
  turn();
  published();
  return market;
}

function expectRefused(code: FeedInputErrorCode, action: () => unknown): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FeedInputError);
  expect(thrown).toMatchObject({ code });
}

/** Nothing came out, and nothing will. */
function expectNothing(): void {
  turn();
  pass(10 * BOOK_INTERVAL_MS);
  expect([published(), publishedTrades()]).toEqual([[], []]);
}

describe("publisher", () => {
  it("publisher - a market's definition comes first, then its state number 1", () => {
    const listed = publisher.list(FIVE, "Halted");
    expect(publisher.find(5)).toBe(listed);
    turn();
    expect(published()).toEqual([
      FIVE,
      {
        slot: 0,
        status: "Halted",
        changes: CHANGE.created,
        stateSeq: 1,
        priceSeq: 0,
        price: null,
        bestBid: null,
        bestAsk: null,
        volume: 0,
        ts: 1_000_000,
        sizedSeq: 0,
        bidQuantity: null,
        askQuantity: null,
        sizedTs: 0,
      },
    ]);
    expect(counted(counters, PRODUCER.markets)).toBe(1);
    // Listing the same again is no change.
    expect(publisher.list({ ...FIVE })).toBe(listed);
    expectNothing();
  });

  it("publisher - nothing is visible, and nobody woken, before the turn ends", () => {
    const doorbell = new Int32Array(memory.doorbell);
    const market = publisher.list(FIVE);
    publisher.quote(market, 100, 102);
    expect([published(), Atomics.load(doorbell, 0), deferred.length]).toEqual([[], 0, 1]);
    turn();
    expect(published()).toHaveLength(3);
    expect(Atomics.load(doorbell, 0)).toBe(1);
    expect(counted(counters, PRODUCER.ringRecordNumber)).toBe(3);
    turn();
    expect(Atomics.load(doorbell, 0)).toBe(1);
  });

  it("publisher - each stream of each market counts by itself", () => {
    const five = list();
    const six = list({ marketId: 6, title: "Six" });
    publisher.quote(five, 100, 102);
    publisher.quote(six, 7, 9);
    publisher.quote(five, 101, 102);
    publisher.setStatus(five, "Halted");
    publisher.quote(five, 101, 103);
    turn();
    const states = published() as { slot: number; stateSeq: number; priceSeq: number }[];
    expect(states.map(({ slot, stateSeq, priceSeq }) => [slot, stateSeq, priceSeq])).toEqual([
      [0, 2, 1],
      [1, 2, 1],
      [0, 3, 2],
      // A status is no price.
      [0, 4, 2],
      [0, 5, 3],
    ]);
    for (const quantity of [1, 2, 3]) {
      publisher.trade(five, { price: 102, quantity, takerSide: "Buy" });
    }
    publisher.trade(six, { price: 9, quantity: 1, takerSide: "Sell" });
    turn();
    expect(publishedTrades().map(({ slot, seq }) => [slot, seq])).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 1],
    ]);
  });

  it("publisher - before any trade the price is the quote's middle, rounded down to a tick", () => {
    const market = list();
    const priced = (bid: number | null, ask: number | null) => {
      publisher.quote(market, bid, ask);
      turn();
      const [state] = published() as { price: number | null; changes: number }[];
      return state;
    };
    expect(priced(100, 103)).toMatchObject({ price: 101, changes: CHANGE.price | CHANGE.quote });
    expect(priced(-4, -1)).toMatchObject({ price: -3 });
    expect(priced(99, 104)).toMatchObject({ price: 101, changes: CHANGE.price | CHANGE.quote });
    // The middle stays: only the quote has changed.
    expect(priced(100, 103)).toMatchObject({ price: 101, changes: CHANGE.quote });
    expect(priced(null, 103)).toMatchObject({ price: null, bestBid: null });
    publisher.trade(market, { price: 50, quantity: 1, takerSide: "Buy" });
    expect(priced(100, 103)).toMatchObject({ price: 50 });
    expect(priced(200, 203)).toMatchObject({ price: 50, changes: CHANGE.quote });
  });

  it("publisher - a quote that changes nothing publishes nothing", () => {
    const market = list();
    publisher.quote(market, 100, 102);
    turn();
    published();
    publisher.quote(market, 100, 102);
    publisher.setStatus(market, "Active");
    expectNothing();
  });

  it("publisher - a trade and the quote after it are one state, with the volume of all trades", () => {
    const market = list();
    publisher.quote(market, 100, 102);
    turn();
    published();
    publisher.trade(market, { price: 102, quantity: 4, takerSide: "Buy" });
    publisher.trade(market, { price: 102, quantity: 3, takerSide: "Buy" });
    publisher.quote(market, 101, 103);
    turn();
    expect(published()).toEqual([
      expect.objectContaining({
        changes: CHANGE.price | CHANGE.quote | CHANGE.volume,
        stateSeq: 3,
        priceSeq: 2,
        price: 102,
        volume: 7,
      }),
    ]);
    // Without a quote the turn's end tells it, once.
    publisher.trade(market, { price: 102, quantity: 1, takerSide: "Sell" });
    turn();
    expect(published()).toEqual([
      expect.objectContaining({ changes: CHANGE.volume, stateSeq: 4, priceSeq: 2, volume: 8 }),
    ]);
    expect(publishedTrades()).toHaveLength(3);
    expectNothing();
  });

  it("publisher - trades carry what they were given, and an id of their own where there is none", () => {
    const market = list();
    const trade = { price: 102, quantity: 4, takerSide: "Buy" as const };
    publisher.trade(market, { ...trade, tradeId: "t-\u{1f4b9}" });
    publisher.trade(market, trade);
    publisher.trade(market, { ...trade, takerSide: "Sell" });
    turn();
    const all = publishedTrades();
    expect(all[0]).toEqual({ ...trade, slot: 0, seq: 1, ts: 1_000_000, tradeId: "t-\u{1f4b9}" });
    expect(all[2]).toMatchObject({ takerSide: "Sell", seq: 3 });
    expect(new Set(all.map(({ tradeId }) => tradeId)).size).toBe(3);
    // Another producer of the same data directory must not give them again.
    expect(all[1]?.tradeId).toContain("epoch-a");
    expect(counted(counters, PRODUCER.tradeRecords)).toBe(3);
  });

  it("publisher - a ts that a feed gives is not looked at; a stored trade goes out with its own", () => {
    const market = list();
    const bought = { price: 5, quantity: 1, takerSide: "Buy" } as const;
    const dated = { ...bought, ts: time + 1e12, tradeNumber: 7 };
    publisher.trade(market, dated);
    turn();
    expect(publishedTrades()).toMatchObject([{ ts: time }]);
    expect(counters[PRODUCER.latestTs]).toBe(time);
    publisher.storedTrade(market, { ...bought, ts: time + 3, tradeNumber: 7, tradeId: "7" });
    expect(counters[PRODUCER.latestTs]).toBe(time + 3);
    // Its clock has not come to that yet.
    expect(() => publisher.quote(market, 4, 6)).toThrow(`ts ${time} comes after ${time + 3}`);
    time += 3;
    turn();
    expect(publishedTrades()).toMatchObject([{ tradeId: "7", ts: time }]);
  });

  it("publisher - a book goes out at once, then at most once an interval, in its latest form", () => {
    const market = list();
    const kept = book([[100, 5]], [[102, 6]]);
    publisher.book(market, kept);
    turn();
    expect(published()).toEqual([{ seq: 1, ts: time, bids: [[100, 5]], asks: [[102, 6]] }]);
    pass(30);
    publisher.book(market, book([[99, 1]], [], kept));
    pass(30);
    publisher.book(market, book([], [[101, 2]], kept));
    expect(published()).toEqual([]);
    expect(timers).toHaveLength(1);
    pass(39);
    expect(published()).toEqual([]);
    pass(1);
    expect(published()).toEqual([{ seq: 2, ts: time, bids: [], asks: [[101, 2]] }]);
    // The feed may as well pass another object each time; the last one counts.
    publisher.book(market, book([[1, 1]], []));
    publisher.book(market, book([[2, 2]], []));
    pass(BOOK_INTERVAL_MS);
    expect(published()).toEqual([{ seq: 3, ts: time, bids: [[2, 2]], asks: [] }]);
    expectNothing();
    publisher.book(market, book([[3, 3]], []));
    turn();
    expect(published()).toMatchObject([{ seq: 4 }]);
  });

  it("publisher - the table has each record before the ring shows it", () => {
    const reader = new MarketTableReader(memory.table);
    const market = publisher.list(FIVE);
    publisher.quote(market, 100, 102);
    publisher.book(market, book([[100, 5]], []));
    // The turn has not ended.
    expect(published()).toEqual([]);
    expect(reader.listed).toBe(1);
    reader.read(0);
    const state = {} as Parameters<typeof readState>[2];
    readState(reader.words, reader.stateOffset, state);
    expect(state).toMatchObject({ stateSeq: 2, priceSeq: 1, bestBid: 100 });
    const tableBook = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
    readBook(reader.words, reader.bookOffset, tableBook);
    expect(tableBook.seq).toBe(1);
    expect(readDefinition(reader.words, reader.definitionOffset)).toEqual(FIVE);
  });

  describe("refuses with a code, counts, and writes no part of", () => {
    it("publisher - a title that is longer than its slot's limit, in UTF-8", () => {
      expectRefused("TITLE_TOO_LONG", () => publisher.list({ ...FIVE, title: "é".repeat(9) }));
      expect(publisher.find(5)).toBeUndefined();
      expectNothing();
      expect(publisher.list({ ...FIVE, title: "é".repeat(8) }).marketId).toBe(5);
      expect(counted(counters, PRODUCER.definitionsRefused)).toBe(1);
    });

    it.each(["\ud800", "a\nb", "\u2066"])("publisher - a title like %j", (title) => {
      expect(() => publisher.list({ ...FIVE, title })).toThrow(
        expect.objectContaining({
          code: "INVALID_DEFINITION",
          message: expect.stringMatching(/^market 5: title must be printable/),
        }),
      );
    });

    it("publisher - a trade id that would be told as another", () => {
      const market = publisher.list(FIVE);
      const trade = { price: 1, quantity: 1, takerSide: "Buy", tradeId: "\ud800" } as const;
      expect(() => publisher.trade(market, trade)).toThrow(
        expect.objectContaining({
          code: "INVALID_VALUE",
          message: expect.stringContaining("trade id must be visible"),
        }),
      );
      expect(counted(counters, PRODUCER.tradeRecords)).toBe(0);
    });

    it("publisher - a market beyond the table's capacity", () => {
      for (const marketId of [1, 2, 3]) publisher.list({ ...FIVE, marketId });
      turn();
      published();
      expectRefused("TABLE_FULL", () => publisher.list({ ...FIVE, marketId: 4 }));
      expect(publisher.find(4)).toBeUndefined();
      expectNothing();
      // Those that are there go on.
      expect(publisher.list({ ...FIVE, marketId: 3 }).marketId).toBe(3);
      expect(counted(counters, PRODUCER.definitionsRefused)).toBe(1);
      expect(counted(counters, PRODUCER.markets)).toBe(3);
    });

    it.each([
      ["tick size", { tickSize: 0.02 }],
      ["lot size", { lotSize: 2 }],
      ["title", { title: "Other" }],
    ])("publisher - another %s for a market that is listed", (_, change) => {
      list();
      expectRefused("MARKET_REDEFINED", () => publisher.list({ ...FIVE, ...change }));
      expectNothing();
      expect(counted(counters, PRODUCER.definitionsRefused)).toBe(1);
    });

    it.each([
      ["a negative id", { marketId: -1 }],
      ["a fractional id", { marketId: 1.5 }],
      ["an id past 2^128 - 1", { marketId: (1n << 128n).toString() }],
      ["no tick size", { tickSize: 0 }],
      ["an endless tick size", { tickSize: Number.POSITIVE_INFINITY }],
      ["a negative lot size", { lotSize: -1 }],
    ])("publisher - %s", (_, change) => {
      expectRefused("INVALID_DEFINITION", () => publisher.list({ ...FIVE, ...change }));
      expectNothing();
      expect(counted(counters, PRODUCER.definitionsRefused)).toBe(1);
    });

    it.each([
      ["a fractional bid", 100.5, 102],
      ["an ask that is no number", 100, Number.NaN],
      ["an endless bid", Number.POSITIVE_INFINITY, 102],
      ["an ask beyond exact prices", 100, 2 ** 53],
    ])("publisher - %s", (_, bid, ask) => {
      const market = list();
      expectRefused("INVALID_VALUE", () => publisher.quote(market, bid, ask));
      expectNothing();
      // The market is as it was: the next good quote is its first.
      publisher.quote(market, 100, 102);
      turn();
      expect(published()).toMatchObject([{ stateSeq: 2, priceSeq: 1, bestBid: 100, bestAsk: 102 }]);
    });

    it.each([
      ["a fractional price", { price: 1.5 }],
      ["no quantity", { quantity: 0 }],
      ["a negative quantity", { quantity: -1 }],
      ["a fractional quantity", { quantity: 0.5 }],
      ["a taker side of another spelling", { takerSide: "buy" as Side }],
      ["no taker side", { takerSide: undefined as unknown as Side }],
      ["an empty id", { tradeId: "" }],
      ["an id of 65 bytes", { tradeId: `${"é".repeat(32)}x` }],
    ])("publisher - a trade with %s", (_, change) => {
      const market = list();
      const trade = { price: 102, quantity: 4, takerSide: "Buy" as const };
      expectRefused("INVALID_VALUE", () => publisher.trade(market, { ...trade, ...change }));
      expectNothing();
      expect(counted(counters, PRODUCER.tradeRecords)).toBe(0);
      publisher.trade(market, trade);
      turn();
      expect(publishedTrades()).toMatchObject([{ seq: 1 }]);
      expect(published()).toMatchObject([{ volume: 4, price: 102 }]);
    });

    it.each([
      ["a status of another spelling", "active", { lastPrice: undefined, volume: 0 }],
      ["a fractional last price", "Active", { lastPrice: 1.5, volume: 1 }],
      ["a negative volume", "Active", { lastPrice: 1, volume: -1 }],
      ["a volume that is no number", "Active", { lastPrice: 1, volume: Number.NaN }],
    ])("publisher - a market with %s", (_, status, traded) => {
      expectRefused("INVALID_VALUE", () => publisher.list(FIVE, status as MarketStatus, traded));
      expect(publisher.find(5)).toBeUndefined();
      expectNothing();
      expect(publisher.list(FIVE).marketId).toBe(5);
    });

    it("publisher - a status that there is not", () => {
      const market = list();
      expectRefused("INVALID_VALUE", () => publisher.setStatus(market, "halted" as MarketStatus));
      expectNothing();
      publisher.setStatus(market, "Halted");
      turn();
      expect(published()).toMatchObject([{ stateSeq: 2, status: "Halted" }]);
    });

    it.each<[string, readonly Level[], readonly Level[]]>([
      ["201 levels", Array.from({ length: 201 }, (_, index) => [1000 - index, 1] as const), []],
      ["bids that are not sorted", levelsAt(100, 101), []],
      ["a price twice", [], levelsAt(102, 102)],
      ["a fractional price", [[1.5, 1]], []],
      ["a level without quantity", [], [[101, 0]]],
    ])("publisher - a book with %s", (_, bids, asks) => {
      const market = list();
      expectRefused("INVALID_VALUE", () => publisher.book(market, book(bids, asks)));
      expectNothing();
      publisher.book(market, book([[100, 1]], []));
      turn();
      expect(published()).toMatchObject([{ seq: 1 }]);
    });

    it("publisher - a book that was good when it was given and is bad when it is let out", () => {
      const market = list();
      const kept = book([[100, 5]], []);
      publisher.book(market, kept);
      pass(10);
      published();
      publisher.book(market, kept);
      kept.bids.price[0] = 100.5;
      pass(BOOK_INTERVAL_MS);
      expect(published()).toEqual([]);
      expect(rejected).toEqual([["INVALID_VALUE", expect.stringContaining("100.5"), undefined]]);
      expect(counted(counters, PRODUCER.rejected)).toBe(1);
      publisher.book(market, book([[100, 6]], [], kept));
      turn();
      expect(published()).toMatchObject([{ seq: 2, bids: [[100, 6]] }]);
    });
  });

  it("publisher - rejected input is counted, with its line", () => {
    publisher.reject("INVALID_JSON", "no JSON", 17);
    expect(rejected).toEqual([["INVALID_JSON", "no JSON", 17]]);
    expect(counted(counters, PRODUCER.rejected)).toBe(1);
  });
});
