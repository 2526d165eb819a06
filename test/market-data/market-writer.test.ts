import { beforeEach, describe, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { MarketWriter } from "../../src/market-data/market-writer.js";
import { Publisher } from "../../src/market-data/publisher.js";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { RECORD } from "../../src/ring/layout.js";
import { createMarketMemory, type MarketMemory } from "../../src/ring/market-memory.js";
import { publishedMark } from "../../src/ring/published-mark.js";
import {
  type BookState,
  type MarketState,
  readBook,
  readDefinition,
  readSlot,
  readState,
  readTrade,
  utf8,
} from "../../src/ring/records.js";
import { createBook, type MarketDefinition } from "../../src/shared/market.js";
import { type Client, ShardWorld } from "../support/shard-world.js";

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 4,
  maxTitleBytes: 16,
  bookDepth: 50,
};
const FIVE: MarketDefinition = { marketId: 5, title: "Five", tickSize: 0.01, lotSize: 1 };
const ORIGIN_EPOCH = "of-the-origin";
/** Where the origin's clock stands, in microseconds: nowhere near the edge's. */
const ORIGIN_TIME = 1_700_000_000_000_000;

const noCounters = () => counterBlockOf(createCounterBuffer(1)).producer;

/** The process that sequences: what it publishes can be read record by record. */
function createOrigin(epoch: string) {
  const memory = createMarketMemory(epoch, SIZES);
  let time = ORIGIN_TIME;
  const now = () => ++time;
  const publisher = new Publisher(memory, noCounters(), {
    bookIntervalMs: 0,
    now,
    defer: () => {},
    setTimer: () => {},
    reject: () => {},
  });
  const rings = [new BroadcastReceiver(memory.ring), new BroadcastReceiver(memory.tradeRing)];
  return { now, publisher, rings, tradeRing: memory.tradeRing };
}

/** Writes what an origin has published, as it is: a trade at most, whose number is its ring's mark then. */
function relay(
  { publisher, rings, tradeRing }: ReturnType<typeof createOrigin>,
  writer: MarketWriter,
): void {
  publisher.flush();
  const tradeNumber = publishedMark(tradeRing);
  const definitions = new Map<number, MarketDefinition>();
  for (const ring of rings) {
    while (ring.receive() === RECEIVED.records) {
      for (let type = ring.next(); type !== 0; type = ring.next()) {
        const { words, offset } = ring;
        if (type === RECORD.definition) {
          definitions.set(readSlot(words, offset), readDefinition(words, offset));
        } else if (type === RECORD.state) {
          const state = {} as MarketState;
          readState(words, offset, state);
          const definition = definitions.get(state.slot);
          definitions.delete(state.slot);
          if (definition === undefined) writer.state(state);
          else writer.list(definition, utf8(definition.title), state);
        } else if (type === RECORD.book) {
          const book: BookState = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
          readBook(words, offset, book);
          writer.book(readSlot(words, offset), book, book);
        } else {
          const trade = readTrade(words, offset);
          writer.trade({ ...trade, tradeNumber }, utf8(trade.tradeId));
        }
      }
    }
  }
  writer.publish();
}

describe("market writer", () => {
  let world: ShardWorld;
  let client: Client;
  let writer: MarketWriter;
  let memory: MarketMemory;
  let origin: ReturnType<typeof createOrigin>;

  beforeEach(() => {
    world = new ShardWorld({ sizes: SIZES });
    client = world.connect(0);
    origin = createOrigin(ORIGIN_EPOCH);
    memory = createMarketMemory(ORIGIN_EPOCH, SIZES);
    writer = new MarketWriter(memory, noCounters());
    world.follow(memory);
  });

  function relayed(): void {
    relay(origin, writer);
    world.truth.read();
    world.round();
  }

  const messages = (client: Client, type: string) =>
    client.messages.filter((message) => message.type === type).map(({ data }) => data);

  it("market writer - what an origin has sequenced comes with its epoch, seq and ts", () => {
    const market = origin.publisher.list(FIVE);
    for (let tick = 1; tick <= 3; tick++) origin.publisher.quote(market, tick, tick + 2);
    relayed();
    world.subscribe(
      client,
      { type: "PriceFeed", params: { market_ids: [5] } },
      { type: "Market", params: { market_id: 5 } },
      { type: "Trades", params: null },
    );
    expect(messages(client, "EpochChanged")).toEqual([{ epoch: ORIGIN_EPOCH }]);
    // The origin's clock moves with each look at it: for the listing, for each record, to pace a book.
    const first = { market_id: 5, seq: 3, ts: ORIGIN_TIME + 4 };
    expect(messages(client, "PriceUpdate")).toEqual([expect.objectContaining(first)]);

    const theirs = { takerSide: "Sell", tradeId: "theirs", tradeNumber: 41 } as const;
    origin.publisher.trade(market, { price: 9, quantity: 2, ...theirs });
    origin.publisher.quote(market, 8, 10);
    const book = createBook();
    book.bids.length = 1;
    book.bids.price[0] = 8;
    book.bids.quantity[0] = 4;
    origin.publisher.book(market, book);
    relayed();
    expect(messages(client, "PriceUpdate").at(-1)).toMatchObject({ seq: 4, ts: ORIGIN_TIME + 6 });
    expect(messages(client, "MarketUpdate").at(-1)).toMatchObject({
      market: { seq: 5, ts: ORIGIN_TIME + 6 },
    });
    expect(messages(client, "TradeExecution").at(-1)).toMatchObject({
      trade: { trade_id: "theirs", seq: 1, ts: ORIGIN_TIME + 5, price: 0.09, quantity: 2 },
    });
    expect(messages(client, "OrderBook").at(-1)).toMatchObject({
      seq: 1,
      ts: ORIGIN_TIME + 8,
      bids: [[0.08, 4]],
    });
  });

  it("market writer - an origin's trades keep their numbers, so that whoever comes next can go on", () => {
    origin.publisher.continueTrades(40);
    writer.continueTrades(40);
    const market = origin.publisher.list(FIVE);
    relayed();
    expect(publishedMark(memory.tradeRing)).toBe(40);
    for (const tradeNumber of [41, 42, 57]) {
      const trade = {
        price: 9,
        quantity: 2,
        takerSide: "Sell",
        tradeNumber,
        ts: origin.now(),
      } as const;
      origin.publisher.storedTrade(market, trade);
      relayed();
      expect(publishedMark(memory.tradeRing)).toBe(tradeNumber);
    }
    // A batch without trades leaves the mark as it is.
    origin.publisher.quote(market, 8, 10);
    relayed();
    expect(publishedMark(memory.tradeRing)).toBe(57);
  });

  it("market writer - once trades are numbered, each has a higher number than the one before", () => {
    const slot = 0;
    writer.list(FIVE, utf8("Five"), { slot } as MarketState);
    const trade = { slot, seq: 1, price: 9, quantity: 1, takerSide: "Buy", ts: 1 } as const;
    for (const tradeNumber of [0, 0, 7])
      expect(() => writer.trade({ ...trade, tradeNumber }, utf8("t"))).not.toThrow();
    for (const tradeNumber of [0, 6, 7]) {
      const message = `trade ${tradeNumber} is not after 7`;
      expect(() => writer.trade({ ...trade, tradeNumber }, utf8("t"))).toThrow(message);
    }
    writer.publish();
    expect(publishedMark(memory.tradeRing)).toBe(7);
  });

  it("market writer - a market is listed in the next slot, or nothing is written of it", () => {
    const state = { slot: 1 } as MarketState;
    expect(() => writer.list(FIVE, utf8("Five"), state)).toThrow("slot 1 of 4 is not the next");
    expect(() => writer.state(state)).toThrow("no market is listed in slot 1");
    expect(() => writer.book(0, { seq: 1, ts: 1, topSeq: 1, topTs: 1 }, createBook())).toThrow(
      "no market is listed in slot 0",
    );
    expect(writer.listed).toBe(0);
  });
});
