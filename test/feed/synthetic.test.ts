import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MarketId } from "../../src/feed/feed.js";
import { SyntheticFeed } from "../../src/feed/synthetic.js";
import { feedContext, feedOptions, ManualTiming } from "../support/feed-runs.js";
import { type Level, RecordingSink, type SinkEvent } from "../support/recording-sink.js";

interface Run {
  readonly feedMarkets: number;
  readonly feedRate: number;
  readonly feedSeed: number;
  readonly seconds: number;
}

/** Runs the feed on a manual clock; the events come without those of `open`. */
async function runFeed({ seconds, ...changes }: Run, onEvent: (event: SinkEvent) => void) {
  const timing = new ManualTiming();
  const feed = new SyntheticFeed(feedOptions(changes), timing);
  let opened = false;
  const sink = new RecordingSink({ onEvent: (event) => opened && onEvent(event) });
  feed.open(sink);
  opened = true;
  const stop = new AbortController();
  timing.onWait = () => {
    // The clock stands at a second's end after the turn that completes it: one wait later, stop.
    if (timing.timeMs > seconds * 1000) stop.abort();
  };
  await feed.run(sink, feedContext({ signal: stop.signal }));
  return { sink, feed };
}

async function eventsOf(run: Run): Promise<SinkEvent[]> {
  const events: SinkEvent[] = [];
  await runFeed(run, (event) => events.push(event));
  return events;
}

const best = (levels: readonly Level[]) => levels[0]?.[0];

describe("synthetic", () => {
  it("synthetic - lists its markets from 1001 on, each with a quote and a full book", () => {
    const sink = new RecordingSink();
    new SyntheticFeed(feedOptions({ feedMarkets: 60 })).open(sink);
    const ids = Array.from({ length: 60 }, (_, i) => 1001 + i);
    expect(sink.of("listed").map(({ marketId }) => marketId)).toEqual(ids);
    expect(sink.of("price").map(({ marketId }) => marketId)).toEqual(ids);
    const books = sink.of("book");
    expect(books.map(({ marketId }) => marketId)).toEqual(ids);
    for (const { bids, asks } of books) expect([bids.length, asks.length]).toEqual([20, 20]);
  });

  for (const [feedMarkets, feedRate, seconds] of [
    [50, 200, 10],
    [1, 1, 10],
    [3, 7, 30],
    [50, 50_000, 2],
  ] as const) {
    it(`synthetic - ${feedRate} updates a second over ${feedMarkets} markets, exactly`, async () => {
      let prices = 0;
      await runFeed({ feedMarkets, feedRate, feedSeed: 3, seconds }, (event) => {
        if (event.type === "price") prices += 1;
      });
      expect(prices).toBe(feedRate * seconds);
    });
  }

  it("synthetic - equal seeds give equal events, another seed other ones", async () => {
    const run = { feedMarkets: 20, feedRate: 500, feedSeed: 42, seconds: 5 };
    const events = await eventsOf(run);
    expect(await eventsOf(run)).toEqual(events);
    expect(await eventsOf({ ...run, feedSeed: 43 })).not.toEqual(events);
  });

  it("synthetic - the sequence does not depend on how time cuts it into turns", async () => {
    const options = feedOptions({ feedRate: 1000, feedSeed: 5 });
    const runs: SinkEvent[][] = [];
    for (const stallMs of [0, 37]) {
      const timing = new ManualTiming();
      const feed = new SyntheticFeed(options, timing);
      const sink = new RecordingSink();
      feed.open(sink);
      const stop = new AbortController();
      timing.onWait = (ms) => {
        timing.timeMs += ms === 0 ? 0 : stallMs;
        if (timing.timeMs > 2000) stop.abort();
      };
      await feed.run(sink, feedContext({ signal: stop.signal }));
      runs.push(sink.events);
    }
    const [smooth = [], stalling = []] = runs;
    const common = Math.min(smooth.length, stalling.length);
    expect(common).toBeGreaterThan(2500);
    expect(stalling.slice(0, common)).toEqual(smooth.slice(0, common));
  });

  it("synthetic - quotes, trades, volumes, books and statuses agree, for any seed", async () => {
    const runs = fc.record({
      feedMarkets: fc.integer({ min: 1, max: 30 }),
      feedRate: fc.integer({ min: 1, max: 400 }),
      feedSeed: fc.maxSafeNat(),
      seconds: fc.constant(5),
    });
    await fc.assert(fc.asyncProperty(runs, checkConsistency), { numRuns: 25 });
  });

  it("synthetic - markets are halted and resumed, at most one at a time, a single one never", async () => {
    const statuses = async (feedMarkets: number) => {
      const events = await eventsOf({ feedMarkets, feedRate: 20, feedSeed: 8, seconds: 600 });
      return events.filter((event) => event.type === "status");
    };
    const changes = await statuses(4);
    expect(changes.length).toBeGreaterThan(10);
    for (const [i, { status, marketId }] of changes.entries()) {
      expect(status).toBe(i % 2 === 0 ? "Halted" : "Active");
      if (i % 2 === 1) expect(marketId).toBe(changes[i - 1]?.marketId);
    }
    expect(await statuses(1)).toEqual([]);
  });

  it("synthetic - prices move away from where they started, within their range", async () => {
    const prices: number[] = [];
    await runFeed({ feedMarkets: 1, feedRate: 5000, feedSeed: 1, seconds: 10 }, (event) => {
      if (event.type === "price") prices.push(Number(event.price));
    });
    expect(Math.max(...prices) - Math.min(...prices)).toBeGreaterThan(20);
    expect(Math.min(...prices)).toBeGreaterThan(0);
  });

  it("synthetic - a sink that refuses a market fails the opening", () => {
    const feed = new SyntheticFeed(feedOptions({ feedMarkets: 5 }));
    expect(() => feed.open(new RecordingSink({ marketsMax: 4 }))).toThrow("table is full");
  });
});

/** Checks every event against what went before it in its market. */
async function checkConsistency(run: Run): Promise<void> {
  const timing = new ManualTiming();
  const feed = new SyntheticFeed(feedOptions(run), timing);
  const volumes = new Map<MarketId, number>();
  const quotes = new Map<MarketId, Extract<SinkEvent, { type: "price" }>>();
  const halted = new Set<MarketId>();
  let pendingTrade: Extract<SinkEvent, { type: "trade" }> | undefined;

  const sink: RecordingSink = new RecordingSink({
    onEvent: (event) => {
      if (event.type === "reject") throw new Error(event.message);
      const { marketId } = event;
      if (event.type === "status") {
        if (event.status === "Active") halted.delete(marketId);
        else halted.add(marketId);
        return;
      }
      expect(halted.has(marketId)).toBe(false);
      if (event.type === "trade") {
        const quote = quotes.get(marketId);
        expect(event.price).toBe(event.takerSide === "Buy" ? quote?.bestAsk : quote?.bestBid);
        expect(pendingTrade).toBeUndefined();
        pendingTrade = event;
        volumes.set(marketId, (volumes.get(marketId) ?? 0) + event.quantity);
      }
      if (event.type === "price") {
        expect(event.volume).toBe(volumes.get(marketId) ?? 0);
        if (pendingTrade !== undefined) {
          expect(event).toMatchObject({ marketId, price: pendingTrade.price });
          pendingTrade = undefined;
        }
        quotes.set(marketId, event);
        // Whenever a publisher reads the book from now on, it agrees with the quote.
        const book = sink.bookOf(marketId);
        if (book !== undefined) {
          expect([book.bids.price[0], book.asks.price[0]]).toEqual([event.bestBid, event.bestAsk]);
        }
      }
      if (event.type === "book") {
        const quote = quotes.get(marketId);
        expect([best(event.bids), best(event.asks)]).toEqual([quote?.bestBid, quote?.bestAsk]);
        expect([event.bids.length, event.asks.length]).toEqual([20, 20]);
      }
    },
  });
  feed.open(sink);
  const stop = new AbortController();
  timing.onWait = () => {
    if (timing.timeMs > run.seconds * 1000) stop.abort();
  };
  await feed.run(sink, feedContext({ signal: stop.signal }));
  expect(quotes.size).toBe(run.feedMarkets);
}
