import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { StdinFeed } from "../../src/feed/stdin.js";
import { feedContext } from "../support/feed-runs.js";
import { RecordingSink } from "../support/recording-sink.js";

const MARKET = { type: "market", market_id: 7, title: "Seven", tick_size: 0.01, lot_size: 0.5 };

async function play(...messages: readonly unknown[]): Promise<RecordingSink> {
  const lines = messages.map((message) =>
    typeof message === "string" ? message : JSON.stringify(message),
  );
  const sink = new RecordingSink();
  const input = Readable.from([Buffer.from(lines.join("\n"))]);
  await new StdinFeed(() => input).run(sink, feedContext());
  return sink;
}

/** The rejection of the second line, where the first lists a market. */
async function rejectionOf(message: unknown): Promise<{ kind: string; message: string }> {
  const sink = await play(MARKET, message);
  expect(sink.events.map(({ type }) => type)).toEqual(["listed", "reject"]);
  const [rejection] = sink.of("reject");
  expect(rejection?.line).toBe(2);
  return rejection as { kind: string; message: string };
}

describe("stdin", () => {
  it("stdin - takes every type of line, in real units, and ends with the input", async () => {
    const sink = await play(
      { ...MARKET, status: "Halted" },
      { type: "status", market_id: 7, status: "Active" },
      { type: "quote", market_id: 7, best_bid: 58.53, best_ask: null },
      "",
      {
        type: "trade",
        market_id: "7",
        price: 58.55,
        quantity: 2.5,
        taker_side: "Sell",
        trade_id: "t-1",
        unknown: 1,
      },
      { type: "quote", market_id: 7, best_bid: 58.53, best_ask: 58.55 },
      {
        type: "book",
        market_id: 7,
        bids: [
          [58.53, 1],
          [58.5, 2],
        ],
        asks: [[58.55, 1.5]],
      },
      { type: "book", market_id: 7, bids: [], asks: [] },
    );
    const market = { marketId: 7 };
    expect(sink.events).toEqual([
      { type: "listed", ...market, status: "Halted" },
      { type: "status", ...market, status: "Active" },
      { type: "price", ...market, price: null, bestBid: 5853, bestAsk: null, volume: 0 },
      { type: "trade", ...market, price: 5855, quantity: 5, takerSide: "Sell", tradeId: "t-1" },
      { type: "price", ...market, price: 5855, bestBid: 5853, bestAsk: 5855, volume: 5 },
      {
        type: "book",
        ...market,
        bids: [
          [5853, 2],
          [5850, 4],
        ],
        asks: [[5855, 3]],
      },
      { type: "book", ...market, bids: [], asks: [] },
    ]);
  });

  it("stdin - ids beyond 2^53 come as decimal strings", async () => {
    const market_id = "340282366920938463463374607431768211455";
    const sink = await play({ ...MARKET, market_id });
    expect(sink.events).toEqual([{ type: "listed", marketId: market_id, status: "Active" }]);
  });

  for (const [what, message, kind, text] of [
    ["no JSON", "{", "INVALID_JSON", "JSON"],
    ["no object", "12", "INVALID_MESSAGE", "object"],
    ["an unknown type", { type: "order" }, "INVALID_MESSAGE", "type"],
    [
      "a missing field",
      { type: "quote", market_id: 7, best_bid: 1 },
      "INVALID_MESSAGE",
      "best_ask",
    ],
    [
      "a bad id",
      { type: "status", market_id: -1, status: "Active" },
      "INVALID_MESSAGE",
      "market_id",
    ],
    ["a bad status", { type: "status", market_id: 7, status: "Open" }, "INVALID_MESSAGE", "status"],
    ["a bad tick size", { ...MARKET, market_id: 8, tick_size: 0 }, "INVALID_MESSAGE", "tick_size"],
    ["a market redefined", { ...MARKET, title: "Eight" }, "MARKET_REDEFINED", "7"],
    [
      "an unknown market",
      { type: "status", market_id: 8, status: "Active" },
      "UNKNOWN_MARKET",
      "8",
    ],
    [
      "a price between ticks",
      { type: "quote", market_id: 7, best_bid: 1.001, best_ask: 2 },
      "INVALID_VALUE",
      "best_bid 1.001",
    ],
    [
      "a crossed quote",
      { type: "quote", market_id: 7, best_bid: 2, best_ask: 2 },
      "CROSSED_QUOTE",
      "below",
    ],
    [
      "a quantity between lots",
      { type: "trade", market_id: 7, price: 1, quantity: 0.25, taker_side: "Buy" },
      "INVALID_VALUE",
      "quantity 0.25",
    ],
    [
      "a quantity of 0",
      { type: "trade", market_id: 7, price: 1, quantity: 0, taker_side: "Buy" },
      "INVALID_VALUE",
      "positive",
    ],
    [
      "a crossed book",
      { type: "book", market_id: 7, bids: [[2, 1]], asks: [[1, 1]] },
      "CROSSED_BOOK",
      "below",
    ],
    [
      "bids out of order",
      {
        type: "book",
        market_id: 7,
        bids: [
          [1, 1],
          [2, 1],
        ],
        asks: [],
      },
      "INVALID_VALUE",
      "bids are not sorted",
    ],
    [
      "a price twice in a book",
      {
        type: "book",
        market_id: 7,
        bids: [],
        asks: [
          [2, 1],
          [2, 1],
        ],
      },
      "INVALID_VALUE",
      "asks are not sorted",
    ],
    [
      "a book of 201 levels",
      {
        type: "book",
        market_id: 7,
        bids: [],
        asks: Array.from({ length: 201 }, (_, i) => [i + 1, 1]),
      },
      "INVALID_MESSAGE",
      "asks",
    ],
  ] as const) {
    it(`stdin - ${what} is rejected with its line number`, async () => {
      const rejection = await rejectionOf(message);
      expect(rejection.kind).toBe(kind);
      expect(rejection.message).toContain(text);
    });
  }

  it("stdin - a line over 64 KiB is rejected and the next one taken", async () => {
    const sink = await play(`"${"x".repeat(70_000)}"`, MARKET);
    expect(sink.events).toMatchObject([
      { type: "reject", kind: "LINE_TOO_LONG", line: 1 },
      { type: "listed", marketId: 7 },
    ]);
  });

  it("stdin - a line that is no UTF-8 is rejected, as it would be read as something else", async () => {
    const title = Buffer.from(JSON.stringify({ ...MARKET, title: "Caf?" }));
    title[title.indexOf("?")] = 0xe9;
    const sink = new RecordingSink();
    await new StdinFeed(() => Readable.from([title])).run(sink, feedContext());
    expect(sink.events).toMatchObject([{ type: "reject", kind: "INVALID_UTF8", line: 1 }]);
  });

  it.each(["\ud800", "a\udc00", "one\ntwo", "\u202eevil", "\u0000"])(
    "stdin - a title like %j is rejected",
    async (title) => {
      const sink = await play({ ...MARKET, title });
      expect(sink.events).toMatchObject([
        { type: "reject", kind: "INVALID_MESSAGE", message: expect.stringMatching(/title: must/) },
      ]);
    },
  );

  it.each(["\ud800", " t", "t\u200b", "\t"])(
    "stdin - a trade id %j is rejected",
    async (trade_id) => {
      const trade = { type: "trade", market_id: 7, price: 1, quantity: 1, taker_side: "Buy" };
      expect(await rejectionOf({ ...trade, trade_id })).toMatchObject({
        kind: "INVALID_MESSAGE",
        message: expect.stringMatching(/trade_id: must be visible/),
      });
    },
  );

  it("stdin - an abort ends the run while input is awaited", async () => {
    const stop = new AbortController();
    const input = new Readable({ read() {} });
    const run = new StdinFeed(() => input).run(
      new RecordingSink(),
      feedContext({ signal: stop.signal }),
    );
    stop.abort();
    await run;
    expect(input.destroyed).toBe(true);
  });

  it("stdin - an input that fails fails the feed", async () => {
    const input = new Readable({
      read() {
        this.destroy(new Error("input is gone"));
      },
    });
    const run = new StdinFeed(() => input).run(new RecordingSink(), feedContext());
    await expect(run).rejects.toThrow("input is gone");
  });
});
