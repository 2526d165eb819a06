import { pino } from "pino";
import { describe, expect, it } from "vitest";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  PRODUCER,
} from "../../src/counters/counters.js";
import { RELAY } from "../../src/counters/relay-counters.js";
import { MarketWriter } from "../../src/market-data/market-writer.js";
import { Publisher } from "../../src/market-data/publisher.js";
import { type Entry, openEntry } from "../../src/relay/entry-form.js";
import type { RecordSink } from "../../src/relay/packed-records.js";
import { RelayedMarkets } from "../../src/relay/relayed-markets.js";
import { RelayedPublications } from "../../src/relay/relayed-publications.js";
import { RingPacker } from "../../src/relay/ring-packer.js";
import { BroadcastReceiver, RECEIVED } from "../../src/ring/broadcast-receiver.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { MarketTableReader } from "../../src/ring/market-table.js";
import { type MarketState, readBook, readState, readTrade } from "../../src/ring/records.js";
import { createBook } from "../../src/shared/market.js";
import { Random } from "../../src/shared/random.js";
import { PublicationWriter } from "../../src/workers/producer/publication-writer.js";
import { drawSeed } from "../support/seeds.js";

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 8,
  maxTitleBytes: 32,
  bookDepth: 20,
};
const FENCE = 3;

/** An origin and an edge without anything between them but entries. */
class Pair {
  readonly memory = createMarketMemory("epoch-a", SIZES);
  readonly counters = counterBlockOf(createCounterBuffer(1));
  readonly packer = new RingPacker(false, this.counters.relay);
  readonly far = createMarketMemory("epoch-a", { ...SIZES, tradeRingSize: 1 << 22 });
  readonly edgeCounters = counterBlockOf(createCounterBuffer(1));
  readonly edge = new RelayedMarkets(
    new MarketWriter(this.far, this.edgeCounters.producer),
    new RelayedPublications(
      new PublicationWriter(this.far, this.edgeCounters.producer),
      this.edgeCounters.relay,
    ),
    this.edgeCounters.producer,
    this.edgeCounters.relay,
    pino({ level: "silent" }),
  );
  readonly trades = new BroadcastReceiver(this.far.tradeRing, "start");
  readonly publisher: Publisher;
  readonly markets: ReturnType<Publisher["list"]>[] = [];
  batch = 0;
  #time = 1.79e15;
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.packer.add(this.memory);
    this.publisher = new Publisher(this.memory, this.counters.producer, {
      bookIntervalMs: 0,
      now: () => ++this.#time,
      defer: () => {},
      setTimer: () => {},
      reject: () => {},
    });
    this.list();
  }

  draw(below: number): number {
    return this.#random.below(below);
  }

  list(): void {
    const marketId = this.markets.length + 1;
    const definition = { marketId, title: `Market ${marketId}`, tickSize: 0.01, lotSize: 1 };
    this.markets.push(this.publisher.list(definition));
  }

  /** Does so many things at random, and makes them visible. */
  act(times: number): void {
    for (let time = 0; time < times; time++) {
      const market = this.markets[this.draw(this.markets.length)] as (typeof this.markets)[number];
      const price = 100 + this.draw(50);
      switch (this.draw(4)) {
        case 0:
          this.publisher.quote(market, price, price + 1 + this.draw(3), 1 + this.draw(9), null);
          break;
        case 1: {
          const book = createBook();
          book.bids.length = 1 + this.draw(20);
          for (let level = 0; level < book.bids.length; level++) {
            book.bids.price[level] = price - level;
            book.bids.quantity[level] = 1 + this.draw(100);
          }
          this.publisher.book(market, book);
          break;
        }
        case 2:
          this.publisher.trade(market, { price, quantity: 1 + this.draw(9), takerSide: "Buy" });
          break;
        default:
          if (this.markets.length < SIZES.maxMarkets && this.draw(20) === 0) this.list();
      }
    }
    this.publisher.flush();
  }

  /** The entries that the packer has. */
  *entries(): Generator<Entry> {
    for (let head = this.packer.pack(); head !== undefined; head = this.packer.pack())
      yield openEntry(this.packer.writer.finish({ ...head, fence: FENCE, batch: ++this.batch }));
  }

  snapshot(whole: boolean): Entry[] {
    return this.packer.snapshot(whole, FENCE, this.batch).map(([, bytes]) => openEntry(bytes));
  }

  /** What the edge's trade ring has that was not read, as `market seq`. */
  tradesTold(): string[] {
    const told: string[] = [];
    while (this.trades.receive() === RECEIVED.records)
      while (this.trades.next() !== 0) {
        const { slot, seq } = readTrade(this.trades.words, this.trades.offset);
        told.push(`${slot} ${seq}`);
      }
    return told;
  }

  expectSameTables(which = ""): void {
    const [near, far] = [this.memory, this.far].map(({ table }) => new MarketTableReader(table));
    if (near === undefined || far === undefined) throw new Error("no tables");
    expect(far.listed, which).toBe(near.listed);
    for (let slot = 0; slot < near.listed; slot++)
      expect(statusOf(far, slot), `slot ${slot} ${which}`).toEqual(statusOf(near, slot));
  }
}

function statusOf(table: MarketTableReader, slot: number) {
  table.read(slot);
  const state = {} as MarketState;
  readState(table.words, table.stateOffset, state);
  // What a record says has changed is about that record alone.
  state.changes = 0;
  const book = { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
  readBook(table.words, table.bookOffset, book);
  const { bids, asks, ...place } = book;
  const levels = [bids, asks].map(({ price, quantity, length }) => [
    ...price.slice(0, length),
    ...quantity.slice(0, length),
  ]);
  return { state, place, levels };
}

describe("relayed markets", () => {
  it("relayed markets - whatever comes, and however often, the tables end as the origin's", () => {
    const seed = drawSeed("relayed markets");
    const pair = new Pair(seed);
    for (let round = 0; round < 300; round++) {
      pair.act(1 + pair.draw(30));
      const entries = [...pair.entries()];
      for (const entry of entries) pair.edge.apply(entry);
      // Entries and markets of the snapshot that are known already change nothing.
      if (pair.draw(4) === 0) for (const entry of entries) pair.edge.apply(entry);
      if (pair.draw(4) === 0)
        for (const market of pair.snapshot(pair.draw(2) === 0)) pair.edge.apply(market);
      pair.edge.publish();
    }
    pair.expectSameTables(`seed ${seed}`);
    const told = pair.tradesTold();
    expect(told.length, `seed ${seed}`).toBe(
      counted(pair.counters.producer, PRODUCER.tradeRecords),
    );
    expect(new Set(told).size).toBe(told.length);
    expect(counted(pair.edgeCounters.relay, RELAY.tradesLost), `seed ${seed}`).toBe(0);
  });

  it("relayed markets - rings that lap the relay leave a gap, which the snapshot fills", () => {
    const pair = new Pair(7);
    for (const entry of pair.entries()) pair.edge.apply(entry);
    let gaps = 0;
    for (let round = 0; round < 20; round++) {
      pair.act(round % 4 === 0 ? 6000 : 20);
      for (const entry of pair.entries()) {
        if (!entry.gap) {
          pair.edge.apply(entry);
          continue;
        }
        gaps++;
        expect(entry.records).toBe(0);
        const markets = pair.snapshot(true);
        const missing = pair.edge.missingTrades(pair.edge.listNew(markets));
        if (missing.size > 0) pair.edge.giveUpTrades(missing);
        for (const market of markets) pair.edge.apply(market);
      }
      pair.edge.publish();
    }
    expect(gaps).toBeGreaterThanOrEqual(5);
    expect(counted(pair.counters.relay, RELAY.gaps)).toBe(gaps);
    expect(counted(pair.counters.relay, RELAY.dropped)).toBeGreaterThan(1000);
    pair.expectSameTables();
    expect(new MarketTableReader(pair.far.table).losses).toBeGreaterThanOrEqual(5);
    const told = pair.tradesTold();
    const lost = counted(pair.edgeCounters.relay, RELAY.tradesLost);
    expect(told.length + lost).toBe(counted(pair.counters.producer, PRODUCER.tradeRecords));
  });

  it("relayed markets - more markets than there is room for, and titles that are longer", () => {
    const pair = new Pair(7);
    const far = createMarketMemory("epoch-a", { ...SIZES, maxMarkets: 1, maxTitleBytes: 4 });
    const counters = counterBlockOf(createCounterBuffer(1));
    const edge = new RelayedMarkets(
      new MarketWriter(far, counters.producer),
      new RelayedPublications(new PublicationWriter(far, counters.producer), counters.relay),
      counters.producer,
      counters.relay,
      pino({ level: "silent" }),
    );
    pair.list();
    pair.act(200);
    for (const entry of pair.entries()) edge.apply(entry);
    edge.publish();
    const table = new MarketTableReader(far.table);
    expect(table.listed).toBe(1);
    expect(counted(counters.producer, PRODUCER.definitionsRefused)).toBeGreaterThan(0);
  });

  it("relayed markets - an epoch's first entry says so, and from when on all is there", () => {
    const pair = new Pair(7);
    pair.act(5);
    const [first] = pair.entries();
    expect(first?.begins).toBe(true);
    const froms: number[] = [];
    const sink = { completeFrom: (ts: number) => froms.push(ts) };
    first?.read(
      new Proxy(sink, {
        get: (of, name) => Reflect.get(of, name) ?? (() => {}),
      }) as never as RecordSink,
    );
    expect(froms).toEqual([0]);
    pair.act(5);
    expect([...pair.entries()].map(({ begins }) => begins)).toEqual([false]);
  });
});
