import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { playInput, playRecording } from "../support/feed-plays.js";
import type { RecordingSink } from "../support/recording-sink.js";

/* Numbers of recordings and of standard input are what their decimal texts say, or refused. */

const COLUMNS = { bid_price: "bid", bid_size: "bid_qty", ask_price: "ask", ask_size: "ask_qty" };
const MARKET = { market_id: 5, title: "Five", tick_size: 0.001, lot_size: 1 };
const HEADER = "bid,bid_qty,ask,ask_qty";

interface Scales {
  readonly price_scale?: number;
  readonly tick_size?: number;
  readonly lot_size?: number;
}

/** Bid price and bid size of one row, below an empty ask side, from each kind of recording. */
async function bidOf(price: string, size: string, scales: Scales = {}): Promise<RecordingSink[]> {
  const { price_scale, ...steps } = scales;
  const map = JSON.stringify({ price_scale, columns: COLUMNS, market: { ...MARKET, ...steps } });
  const csv = `${HEADER}\n${price},${size},,\n`;
  const sinks = [await playRecording("rows.csv", csv, map)];
  for (const quote of ["", '"']) {
    const cell = (text: string) => `${quote}${text}${quote}`;
    const row = `{"bid":${cell(price)},"bid_qty":${cell(size)},"ask":null,"ask_qty":null}`;
    sinks.push(await playRecording("rows.ndjson", row, map));
  }
  return sinks;
}

const bids = (sink: RecordingSink) => sink.of("book").map(({ bids: levels }) => levels);
const kinds = (sink: RecordingSink) => sink.of("reject").map(({ kind }) => kind);

describe("exact input", () => {
  it.each([
    ["1.1", "1", { price_scale: 100 }, [11, 1]],
    ["5853300", "18", { price_scale: 10_000, tick_size: 0.01 }, [58_533, 18]],
    ["1", "1", { price_scale: 1000 }, [1, 1]],
    ["0.29", "3", { tick_size: 0.01 }, [29, 3]],
    ["8.7", "0.3", { price_scale: 10, tick_size: 0.01, lot_size: 0.1 }, [87, 3]],
    ["2.5", "1.5", { price_scale: 0.5, tick_size: 0.5, lot_size: 0.5 }, [10, 3]],
    ["1.1e2", "1e3", { price_scale: 100 }, [1100, 1000]],
    ["11e-1", "5E0", { price_scale: 100 }, [11, 5]],
    ["-1.1", "1", { price_scale: 100 }, [-11, 1]],
    ["1500000000000000000", "1", { price_scale: 1e18, tick_size: 0.01 }, [150, 1]],
    ["1.10000000000000000000", "1.000000000000000000", {}, [1100, 1]],
    ["4503599627370.497", "9007199254740991", {}, [4_503_599_627_370_497, 9_007_199_254_740_991]],
  ] as const)("exact input - price %s and size %s with %j", async (price, size, scales, level) => {
    for (const sink of await bidOf(price, size, scales)) {
      expect(kinds(sink)).toEqual([]);
      expect(bids(sink)).toEqual([[level]]);
    }
  });

  it.each([
    ["+1", " 2 ", [1000, 2]],
    [" 1.5", "2.", [1500, 2]],
    [".5", "02", [500, 2]],
  ] as const)("exact input - as text, price %j and size %j", async (price, size, level) => {
    const [csv, , text] = await bidOf(price, size);
    for (const sink of [csv, text]) expect(sink && bids(sink)).toEqual([[level]]);
  });

  it.each([
    ["1.0005", "1", "INVALID_VALUE", "bid price 1.0005 is no multiple of the tick size 0.001"],
    ["1.0000000000000000001", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["0.1000000000000000055", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["1", "9007199254740993", "INVALID_ROW", "more digits than can be kept exactly"],
    ["1", "9007199254740992", "INVALID_VALUE", "too large for the lot size"],
    ["9007199254740993", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["9007199254740.993", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["9007199254741", "1", "INVALID_VALUE", "too large for the tick size"],
    ["1e400", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["1e-400", "1", "INVALID_ROW", "more digits than can be kept exactly"],
    ["1", "-1", "INVALID_VALUE", "bid size -1 is no positive multiple of the lot size 1"],
  ])("exact input - price %s and size %s are refused", async (price, size, kind, message) => {
    for (const sink of await bidOf(price, size)) {
      expect(sink.of("reject")).toEqual([
        expect.objectContaining({ kind, message: expect.stringContaining(message) }),
      ]);
      expect(sink.of("book")).toEqual([]);
    }
  });

  it.each([
    ['"1,000"', "may have no thousands separator"],
    ['"1 000"', "may have no thousands separator"],
    ["1'000", "may have no thousands separator"],
    ['"1,5"', "a point for its decimals"],
    ["0x10", "is no number"],
    ["Infinity", "is no number"],
    ["NaN", "is no number"],
    ["1.2.3", "is no number"],
    ["--1", "is no number"],
    ["1e", "is no number"],
    ["٣", "is no number"],
    ["1\u0000", "is no number"],
  ])("exact input - a cell with %j is no number", async (cell, message) => {
    const map = JSON.stringify({ columns: COLUMNS, market: MARKET });
    const sink = await playRecording("rows.csv", `${HEADER}\n${cell},1,,\n`, map);
    expect(sink.of("reject")).toEqual([
      expect.objectContaining({ kind: "INVALID_ROW", message: expect.stringContaining(message) }),
    ]);
  });

  it("exact input - any price on a tick is its count of ticks, in any scale", async () => {
    const decimals = fc.integer({ min: 0, max: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10 ** 9 }),
        decimals,
        decimals,
        async (n, d, s) => {
          const shift = (places: number) => {
            const digits = String(n).padStart(places + 1, "0");
            return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
          };
          const scales = { price_scale: 10 ** s, tick_size: Number(`1e-${d + s}`) };
          for (const sink of await bidOf(shift(d), "1", scales))
            expect(bids(sink)).toEqual([[[n, 1]]]);
        },
      ),
      { numRuns: 40 },
    );
  });

  const IDS = ["9007199254740991", "9007199254740992", "9007199254740993", `${2n ** 128n - 1n}`];

  it("exact input - replay: ids and names of markets without quotes are exact, in map and rows", async () => {
    const markets = IDS.map(
      (id) => `"${id}":{"market_id":${id},"title":"t","tick_size":1,"lot_size":1}`,
    );
    const map = `{"columns":{"market":"m","bid_price":"b","ask_price":"a"},"markets":{${markets.join()}}}`;
    const rows = IDS.map((id, i) => `{"m":${id},"b":${i + 1},"a":${i + 10}}`);
    const others = ['{"m":9007199254740994,"b":1,"a":2}', '{"m":9007199254740991.5,"b":1,"a":2}'];
    const sink = await playRecording("rows.ndjson", [...rows, ...others].join("\n"), map);
    expect(sink.of("price").map(({ marketId, bestBid }) => [String(marketId), bestBid])).toEqual(
      IDS.map((id, i) => [id, i + 1]),
    );
    expect(kinds(sink)).toEqual(["UNKNOWN_MARKET", "UNKNOWN_MARKET"]);
  });

  it("exact input - stdin: ids without quotes are exact, and no other number becomes one", async () => {
    const lines = IDS.flatMap((id, i) => [
      `{"type":"market","market_id":${id},"title":"t","tick_size":1,"lot_size":1}`,
      `{"type":"quote","market_id":${id},"best_bid":${i + 1},"best_ask":null}`,
    ]);
    const others = [
      "9007199254740990.9",
      "1e30",
      "-1",
      `${2n ** 128n}`,
      "1001.0000000000000001",
    ].map((id) => `{"type":"status","market_id":${id},"status":"Halted"}`);
    const sink = await playInput([...lines, ...others].join("\n"));
    expect(sink.of("price").map(({ marketId, bestBid }) => [String(marketId), bestBid])).toEqual(
      IDS.map((id, i) => [id, i + 1]),
    );
    expect(kinds(sink)).toEqual(others.map(() => "INVALID_MESSAGE"));
  });

  it.each([
    ['"best_bid":0.1000000000000000055', "best_bid: 0.1000000000000000055 cannot be kept exactly"],
    ['"best_bid":1e400', "best_bid: 1e400 cannot be kept exactly"],
    ['"best_bid":1e-400', "best_bid: 1e-400 cannot be kept exactly"],
    ['"best_bid":9007199254740993', "best_bid: 9007199254740993 cannot be kept exactly"],
  ])("exact input - stdin: %s is refused", async (field, message) => {
    const listing = `{"type":"market","market_id":1,"title":"t","tick_size":0.1,"lot_size":1}`;
    const quote = `{"type":"quote","market_id":1,${field},"best_ask":null}`;
    const sink = await playInput(`${listing}\n${quote}\n`);
    expect(sink.of("reject").map((rejection) => rejection.message)).toEqual([
      expect.stringContaining(message),
    ]);
    expect(sink.of("price")).toEqual([]);
  });
});
