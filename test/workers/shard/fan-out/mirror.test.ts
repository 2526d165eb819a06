import { beforeEach, describe, expect, it } from "vitest";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import type { ListedMarket } from "../../../../src/feed/feed.js";
import { Publisher } from "../../../../src/market-data/publisher.js";
import { createMarketMemory, type MarketMemory } from "../../../../src/ring/market-memory.js";
import { CHANGE } from "../../../../src/ring/records.js";
import { createBook } from "../../../../src/shared/market.js";
import { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";

const FOREVER = Number.POSITIVE_INFINITY;
const RING_SIZE = 1 << 16;

let memory: MarketMemory;
let publisher: Publisher;
let counters: CounterSection;
/** What the listener was told, as texts. */
let told: string[];
let now: number;
let one: ListedMarket;
let two: ListedMarket;

beforeEach(() => {
  memory = createMarketMemory("e", {
    ringSize: RING_SIZE,
    tradeRingSize: RING_SIZE,
    maxMarkets: 8,
    maxTitleBytes: 16,
    bookDepth: 50,
  });
  const block = counterBlockOf(createCounterBuffer(1));
  counters = block.shards[0] as CounterSection;
  now = 1000;
  publisher = new Publisher(memory, block.producer, {
    bookIntervalMs: 0,
    now: () => ++now,
    defer: () => {},
    setTimer: () => {},
    reject: () => {},
  });
  told = [];
  one = publisher.list({ marketId: 1, title: "One", tickSize: 1, lotSize: 1 });
  two = publisher.list({
    marketId: "340282366920938463463374607431768211455",
    title: "Two €",
    tickSize: 0.5,
    lotSize: 2,
  });
  publisher.flush();
});

function startMirror(round = 0): Mirror {
  const listener = {
    stateChanged: (
      { marketId, stateSeq }: { marketId: unknown; stateSeq: number },
      before: number,
    ) => told.push(`state ${String(marketId).length > 1 ? 2 : 1} ${stateSeq} after ${before}`),
    sizedChanged: () => {},
    bookChanged: ({ book }: { book: { seq: number } | undefined }) =>
      told.push(`book ${book?.seq}`),
    traded: (_: unknown, { seq }: { seq: number }) => told.push(`trade ${seq}`),
    tradesLost: () => told.push("trades lost"),
  };
  return new Mirror(memory, counters, listener, round);
}

function book(price: number): void {
  const next = createBook();
  next.bids.length = 1;
  next.bids.price[0] = price;
  next.bids.quantity[0] = 3;
  publisher.book(one, next);
}

describe("mirror", () => {
  it("mirror - it starts with what the table has, and tells that to nobody", () => {
    publisher.quote(one, 10, 12);
    publisher.trade(one, { price: 12, quantity: 5, takerSide: "Sell" });
    book(10);
    publisher.setStatus(two, "Halted");
    publisher.flush();
    const mirror = startMirror(7);
    expect(told).toEqual([]);
    expect(mirror.find(1)?.topBook?.seq).toBe(1);
    expect(mirror.pending).toBe(false);
    expect(mirror.epoch).toBe("e");
    expect(mirror.lastTs).toBe(now);
    expect(mirror.find(1)).toMatchObject({
      title: "One",
      titleInLowerCase: "one",
      price: 12,
      bestBid: 10,
      bestAsk: 12,
      volume: 5,
      stateSeq: 3,
      priceSeq: 2,
      stateRound: 7,
      priceRound: 7,
      createdRound: 7,
      hasQuote: true,
    });
    expect(mirror.find(1)?.book).toMatchObject({ seq: 1, bids: { length: 1 } });
    expect(mirror.find("340282366920938463463374607431768211455")).toMatchObject({
      title: "Two €",
      status: "Halted",
      hasQuote: false,
      book: undefined,
    });
    expect(mirror.find(2)).toBeUndefined();
  });

  it("mirror - records that the table was ahead of are skipped, and none after them", () => {
    const mirror = startMirror();
    // In the table, but on the ring only with the next publication.
    publisher.quote(one, 10, 12);
    publisher.quote(one, 10, 13);
    book(10);
    mirror.repair(1);
    expect(told).toEqual(["state 1 3 after 0", "book 1"]);
    told.length = 0;
    publisher.quote(one, 10, 14);
    book(11);
    publisher.flush();
    mirror.poll(2, FOREVER, FOREVER);
    expect(told).toEqual(["state 1 4 after 1", "book 2"]);
    expect(mirror.find(1)?.book?.bids.price[0]).toBe(11);
  });

  it("mirror - each change is told once, with the round in which the market changed before", () => {
    const mirror = startMirror();
    publisher.quote(one, 10, 12);
    publisher.quote(two, 10, 12);
    publisher.flush();
    mirror.poll(3, FOREVER, FOREVER);
    publisher.quote(one, 10, 13);
    publisher.setStatus(one, "Closed");
    publisher.trade(two, { price: 3, quantity: 1, takerSide: "Buy" });
    publisher.flush();
    mirror.poll(4, FOREVER, FOREVER);
    expect(told).toEqual([
      "state 1 2 after 0",
      "state 2 2 after 0",
      "state 1 3 after 3",
      "state 1 4 after 4",
      "state 2 3 after 3",
      "trade 1",
    ]);
    expect(mirror.find(1)).toMatchObject({ statusRound: 4, priceRound: 4, changes: CHANGE.status });
    expect(mirror.find(1)?.updateTypeSince(3)).toBe("Status");
    expect(mirror.find(1)?.updateTypeSince(4)).toBe("Volume");
    expect(mirror.lastTs).toBe(now);
  });

  it("mirror - a poll is bounded in records, and in time; the next goes on where it ended", () => {
    const mirror = startMirror();
    for (let ask = 100; ask < 600; ask++) publisher.quote(one, 10, ask);
    publisher.flush();
    mirror.poll(1, 10, FOREVER);
    expect(told).toHaveLength(10);
    expect([mirror.pending, mirror.find(1)?.stateSeq]).toEqual([true, 11]);
    // The deadline has passed, but a poll that is late at its beginning reads something all the same.
    mirror.poll(2, FOREVER, performance.now() - 1);
    expect(told.length).toBeGreaterThan(10);
    expect(told.length).toBeLessThan(200);
    mirror.poll(3, FOREVER, FOREVER);
    expect([mirror.pending, mirror.backlog]).toEqual([false, 0]);
    expect(told).toHaveLength(500);
  });

  it("mirror - the backlog is that of the fuller ring", () => {
    const mirror = startMirror();
    publisher.quote(one, 10, 12);
    publisher.flush();
    const little = mirror.backlog;
    expect(little).toBeGreaterThan(0);
    for (let price = 1; price <= 300; price++)
      publisher.trade(one, { price, quantity: 1, takerSide: "Buy" });
    publisher.flush();
    expect(mirror.backlog).toBeGreaterThan(0.25);
    mirror.poll(1, FOREVER, FOREVER);
    expect(mirror.backlog).toBe(0);
  });

  it("mirror - lapped, it says so once, and repairs itself from the table", () => {
    const mirror = startMirror();
    publisher.quote(one, 1, 2);
    publisher.flush();
    mirror.poll(1, FOREVER, FOREVER);
    told.length = 0;
    for (let ask = 100; ask < 2100; ask++) {
      publisher.quote(one, 10, ask);
      if (ask % 100 === 0) publisher.flush();
    }
    publisher.setStatus(two, "Halted");
    publisher.list({ marketId: 3, title: "Three", tickSize: 1, lotSize: 1 });
    book(10);
    publisher.flush();
    expect(mirror.poll(2, FOREVER, FOREVER)).toBe(true);
    expect(counted(counters, SHARD.lapped)).toBe(1);
    mirror.repair(2);
    expect(told).toEqual([
      "state 1 2002 after 1",
      "book 1",
      "state 2 2 after 0",
      "state 1 1 after 0",
    ]);
    expect(mirror.find(1)).toMatchObject({ bestAsk: 2099, stateRound: 2, priceRound: 2 });
    // A market whose price did not change while it was not looked at has no new price.
    expect(mirror.markets[1]).toMatchObject({ status: "Halted", statusRound: 2, priceRound: 0 });
    expect(mirror.find(3)?.updateTypeSince(1)).toBe("Created");
    expect(mirror.poll(3, FOREVER, FOREVER)).toBe(false);
    publisher.quote(one, 10, 99);
    publisher.flush();
    mirror.poll(4, FOREVER, FOREVER);
    expect(told.at(-1)).toBe("state 1 2003 after 2");
  });

  it("mirror - trades that it was lapped on are told as lost and counted with the next one", () => {
    const mirror = startMirror();
    const trade = (price: number): void => {
      publisher.trade(one, { price, quantity: 1, takerSide: "Buy" });
      publisher.flush();
      publisher.quote(one, 1, 2);
    };
    trade(1);
    mirror.poll(1, FOREVER, FOREVER);
    for (let price = 1; price <= 2000; price++) trade(price);
    told.length = 0;
    mirror.poll(2, FOREVER, FOREVER);
    expect(told.filter((text) => text.startsWith("trade"))).toEqual(["trades lost"]);
    trade(1);
    mirror.poll(3, FOREVER, FOREVER);
    expect(told.filter((text) => text.startsWith("trade"))).toEqual(["trades lost", "trade 2002"]);
    expect(counted(counters, SHARD.tradesLost)).toBe(2000);
  });
});
