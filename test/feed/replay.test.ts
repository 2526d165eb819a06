import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FeedOptions } from "../../src/config/thread-options.js";
import type { FeedContext } from "../../src/feed/feed.js";
import { planReplay, ReplayFeed } from "../../src/feed/replay.js";
import { feedContext, feedOptions, ManualTiming } from "../support/feed-runs.js";
import { RecordingSink } from "../support/recording-sink.js";

const AAPL = new URL("../../../shared/data/aapl-2012-06-21-level1.csv.gz", import.meta.url);

const MARKET = { market_id: 5, title: "Five", tick_size: 0.01, lot_size: 1 };
const OTHER = { market_id: 6, title: "Six", tick_size: 0.5, lot_size: 10 };

/** Columns by name, every field, a time in seconds. */
const FULL_MAP = {
  columns: {
    bid_price: "bid",
    bid_size: "bid_qty",
    ask_price: "ask",
    ask_size: "ask_qty",
    trade_price: "last",
    trade_size: "last_qty",
    trade_side: "side",
  },
  time: { column: "time", unit: "s" },
  market: MARKET,
};
const HEADER = "time,side,last,last_qty,bid,bid_qty,ask,ask_qty";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "marketcast-replay-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

interface Recording {
  readonly name?: string;
  readonly content: string | Buffer;
  readonly map?: unknown;
  readonly options?: Partial<FeedOptions>;
  readonly timing?: ManualTiming;
  readonly context?: Partial<FeedContext>;
  readonly sink?: RecordingSink;
}

async function play(recording: Recording): Promise<RecordingSink> {
  const { map, timing = new ManualTiming(), sink = new RecordingSink() } = recording;
  const options = feedOptions({
    feed: "replay",
    feedFile: await file(recording.name ?? "rows.csv", recording.content),
    feedMap: map === undefined ? "level1-quotes" : await file("map.json", JSON.stringify(map)),
    ...recording.options,
  });
  const feed = new ReplayFeed(await planReplay(options), options, timing);
  feed.open(sink);
  await feed.run(sink, feedContext(recording.context));
  return sink;
}

const quoteRows = (count: number) =>
  Array.from({ length: count }, (_, i) => `${10_000 + 100 * i},5,9900,7\n`).join("");

describe("replay", () => {
  it("replay - level1-quotes: one PriceUpdate a row that changes a price, a book each row", async () => {
    const sink = await play({
      content: "5859400,200,5853300,18\n5859400,100,5853300,18\n5859100,18,5853300,18\n",
    });
    const market = { marketId: 1001 };
    expect(sink.events).toEqual([
      { type: "listed", ...market, status: "Active" },
      { type: "price", ...market, price: 58563, bestBid: 58533, bestAsk: 58594, volume: 0 },
      { type: "book", ...market, bids: [[58533, 18]], asks: [[58594, 200]] },
      { type: "book", ...market, bids: [[58533, 18]], asks: [[58594, 100]] },
      { type: "price", ...market, price: 58562, bestBid: 58533, bestAsk: 58591, volume: 0 },
      { type: "book", ...market, bids: [[58533, 18]], asks: [[58591, 18]] },
    ]);
  });

  it("replay - the dummies of an empty side, and a size of 0, empty it", async () => {
    const rows = ["9999999999,0,9900,7", "10000,5,-9999999999,0", "10000,0,9900,7"];
    const sink = await play({ content: rows.join("\n") });
    expect(sink.of("price").map(({ bestBid, bestAsk }) => [bestBid, bestAsk])).toEqual([
      [99, null],
      [null, 100],
      [99, null],
    ]);
    expect(sink.of("book")[1]).toMatchObject({ bids: [], asks: [[100, 5]] });
    expect(sink.of("reject")).toEqual([]);
  });

  it("replay - malformed rows are rejected with their line, the others play", async () => {
    const rows = [
      "10000,5,9900,7",
      "10000,5,9900",
      "10050,5,9900,7",
      "ten,5,9900,7",
      "10000,1.5,9900,7",
      "9900,5,9900,7",
      ",,,",
      "",
      '"10100,5,9900,7',
      '"10200","5","9900","7"',
      `${"1".repeat(70_000)},5,9900,7`,
      "10300,-5,9900,7",
      "10400,5,9900,7,ignored",
    ];
    const sink = await play({ content: rows.join("\r\n") });
    expect(sink.of("price").map(({ bestAsk }) => bestAsk)).toEqual([100, 102, 104]);
    expect(sink.of("reject").map(({ kind, line }) => [line, kind])).toEqual([
      [2, "INVALID_ROW"],
      [3, "INVALID_VALUE"],
      [4, "INVALID_ROW"],
      [5, "INVALID_VALUE"],
      [6, "CROSSED_QUOTE"],
      [7, "INVALID_ROW"],
      [9, "INVALID_ROW"],
      [11, "LINE_TOO_LONG"],
      [12, "INVALID_VALUE"],
    ]);
  });

  it("replay - a header, trades with and without quotes, columns in any order", async () => {
    const rows = [
      `\uFEFF${HEADER}`,
      "0,,,,10,1,10.02,2",
      "1,sell,10,1,9.99,4,10.02,2",
      "2,B,10.02,2,,,,",
      "3,?,10.02,2,,,,",
      "4,B,10.02,,,,,",
    ];
    const sink = await play({ content: rows.join("\n"), map: FULL_MAP });
    const market = { marketId: 5 };
    expect(sink.events.filter(({ type }) => type !== "book")).toEqual([
      { type: "listed", ...market, status: "Active" },
      { type: "price", ...market, price: 1001, bestBid: 1000, bestAsk: 1002, volume: 0 },
      { type: "trade", ...market, price: 1000, quantity: 1, takerSide: "Sell" },
      { type: "price", ...market, price: 1000, bestBid: 999, bestAsk: 1002, volume: 1 },
      { type: "trade", ...market, price: 1002, quantity: 2, takerSide: "Buy" },
      { type: "price", ...market, price: 1002, bestBid: 999, bestAsk: 1002, volume: 3 },
      expect.objectContaining({ type: "reject", kind: "INVALID_ROW", line: 5 }),
      expect.objectContaining({ type: "reject", kind: "INVALID_ROW", line: 6 }),
    ]);
    expect(sink.of("book")).toHaveLength(2);
  });

  it("replay - several markets by a column; trades without sides take the quote's half", async () => {
    const map = {
      delimiter: ";",
      columns: { market: 0, bid_price: 1, ask_price: 2, trade_price: 3, trade_size: 4 },
      markets: { FIVE: MARKET, SIX: OTHER },
    };
    const rows = ["FIVE;1;2;;", "SIX;10;20;;", "FIVE;;;1.2;3", "SIX;;;15;10", "TEN;1;2;;"];
    const sink = await play({ content: rows.join("\n"), map });
    expect(sink.of("listed").map(({ marketId }) => marketId)).toEqual([5, 6]);
    expect(sink.of("trade")).toEqual([
      { type: "trade", marketId: 5, price: 120, quantity: 3, takerSide: "Sell" },
      { type: "trade", marketId: 6, price: 30, quantity: 1, takerSide: "Buy" },
    ]);
    expect(sink.of("price")).toHaveLength(3);
    expect(sink.of("book")).toEqual([]);
    expect(sink.of("reject")).toMatchObject([{ kind: "UNKNOWN_MARKET", line: 5 }]);
  });

  it("replay - NDJSON, plain and gzip, gives what the same rows give as CSV", async () => {
    const map = { ...FULL_MAP, time: undefined };
    const csv = [HEADER, "0,sell,10,1,9.99,4,10.02,2", "0,,,,9.98,4,10.02,2"].join("\n");
    const ndjson = [
      '{"side":"sell","last":10,"last_qty":1,"bid":9.99,"bid_qty":4,"ask":10.02,"ask_qty":"2"}',
      '{"bid":9.98,"bid_qty":4,"ask":10.02,"ask_qty":2,"last":null}',
    ].join("\n");
    const expected = (await play({ content: csv, map })).events;
    expect(expected).toHaveLength(6);
    expect((await play({ name: "a.ndjson", content: ndjson, map })).events).toEqual(expected);
    const gzip = gzipSync(ndjson);
    expect((await play({ name: "a.jsonl.gz", content: gzip, map })).events).toEqual(expected);
    // Compression is told by the bytes, not by the name.
    expect((await play({ name: "b.ndjson", content: gzip, map })).events).toEqual(expected);
    const named = { ...map, format: "ndjson" };
    expect((await play({ name: "rows", content: ndjson, map: named })).events).toEqual(expected);
  });

  it("replay - NDJSON lines that are no objects are rejected", async () => {
    const content = '[1]\n{"bid":\n{"bid":true,"ask":2}\n{"bid":1,"ask":2}\n';
    const map = { columns: { bid_price: "bid", ask_price: "ask" }, market: MARKET };
    const sink = await play({ name: "a.ndjson", content, map });
    expect(sink.of("reject").map(({ kind }) => kind)).toEqual([
      "INVALID_ROW",
      "INVALID_JSON",
      "INVALID_ROW",
    ]);
    expect(sink.of("price")).toHaveLength(1);
  });

  it("replay - recorded: keeps the rows' distances, divided by the speed", async () => {
    const timing = new ManualTiming();
    const times: number[] = [];
    const sink = new RecordingSink({
      onEvent: (event) => event.type === "price" && times.push(timing.timeMs),
    });
    const at = (second: number, i: number) => `${second},,,,1,1,${2 + i / 100},1`;
    // The third is late already, the last one starts a new day.
    const rows = [34_200, 34_201.5, 34_201.5, 34_300, 10, 11].map(at);
    const content = [HEADER, ...rows].join("\n");
    const options = { feedMode: "recorded", feedSpeed: 2 } as const;
    await play({ content, map: FULL_MAP, options, timing, sink });
    expect(times).toEqual([0, 750, 750, 50_000, 50_000, 50_500]);
  });

  it("replay - recorded: a row without a time is rejected", async () => {
    const content = `${HEADER}\n,,,,1,1,2,1\nx,,,,1,1,2,1\n1,,,,1,1,2,1`;
    const sink = await play({ content, map: FULL_MAP, options: { feedMode: "recorded" } });
    expect(sink.of("reject").map(({ line }) => line)).toEqual([2, 3]);
  });

  it("replay - rate: rows come at the rate, whatever their times", async () => {
    const timing = new ManualTiming();
    const sink = await play({
      content: quoteRows(500),
      options: { feedMode: "rate", feedRate: 100 },
      timing,
    });
    expect(sink.of("price")).toHaveLength(500);
    expect(timing.timeMs).toBe(5000);
  });

  it("replay - max: waits for nothing but turns of the event loop, often", async () => {
    const timing = new ManualTiming();
    const sink = await play({ content: quoteRows(10_000), timing });
    expect(sink.of("price")).toHaveLength(10_000);
    expect(timing.timeMs).toBe(0);
    expect(timing.waits.length).toBeGreaterThanOrEqual(Math.floor(10_000 / 256));
  });

  it("replay - loop: plays again and again until the abort", async () => {
    const stop = new AbortController();
    const sink: RecordingSink = new RecordingSink({
      onEvent: (event) => {
        sink.events.push(event);
        if (sink.events.length > 1000) stop.abort();
      },
    });
    await play({
      content: quoteRows(10),
      options: { feedLoop: true },
      sink,
      context: { signal: stop.signal },
    });
    const asks = sink.of("price").map(({ bestAsk }) => bestAsk);
    expect(asks.length).toBeGreaterThan(400);
    for (const [i, ask] of asks.entries()) expect(ask).toBe(100 + (i % 10));
    expect(sink.of("listed")).toHaveLength(1);
  });

  it("replay - a file without one usable row fails, looping or not", async () => {
    for (const feedLoop of [false, true]) {
      const playing = play({ content: "a,b,c,d\n", options: { feedLoop } });
      await expect(playing).rejects.toThrow("no usable row");
    }
  });

  it("replay - first-subscriber: lists its market, then waits for it", async () => {
    let subscribe = () => {};
    const firstSubscriber = new Promise<void>((resolve) => {
      subscribe = resolve;
    });
    const sink = new RecordingSink();
    const playing = play({
      content: quoteRows(3),
      options: { feedStart: "first-subscriber" },
      context: { firstSubscriber },
      sink,
    });
    await expect.poll(() => sink.events.length).toBe(1);
    expect(sink.events).toMatchObject([{ type: "listed", marketId: 1001 }]);
    subscribe();
    await playing;
    expect(sink.of("price")).toHaveLength(3);
  });

  it("replay - an abort ends the wait for the first subscriber", async () => {
    const sink = await play({
      content: quoteRows(3),
      options: { feedStart: "first-subscriber" },
      context: { firstSubscriber: new Promise(() => {}), signal: AbortSignal.timeout(1) },
    });
    expect(sink.of("price")).toEqual([]);
  });

  it("replay - a truncated gzip file fails with its name, after the rows before the cut", async () => {
    const whole = gzipSync(quoteRows(50_000));
    const sink = new RecordingSink();
    const content = whole.subarray(0, whole.length / 2);
    await expect(play({ name: "cut.csv.gz", content, sink })).rejects.toThrow(/cut\.csv\.gz/);
    expect(sink.of("price").length).toBeGreaterThan(1000);
  });

  it.skipIf(!existsSync(AAPL))(
    "replay - 118,497 recorded quotes: every change of a price once and in order (needs the file)",
    async () => {
      let prices = 0;
      let books = 0;
      let last: unknown;
      const sink = new RecordingSink({
        onEvent: (event) => {
          if (event.type === "reject") throw new Error(event.message);
          if (event.type === "price") {
            prices += 1;
            last = event;
          }
          if (event.type === "book") books += 1;
        },
      });
      const options = feedOptions({
        feed: "replay",
        feedFile: AAPL.pathname,
        feedMap: "level1-quotes",
      });
      const feed = new ReplayFeed(await planReplay(options), options);
      feed.open(sink);
      await feed.run(sink, feedContext());
      expect([prices, books]).toEqual([64_351, 118_497]);
      expect(last).toMatchObject({ bestBid: 57_754, bestAsk: 57_767 });
    },
  );
});
