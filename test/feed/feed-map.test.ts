import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadFeedMap } from "../../src/feed/feed-map.js";

const MARKET = { market_id: 5, title: "Five", tick_size: 0.01, lot_size: 1 };
const QUOTES = { bid_price: "bid", ask_price: "ask" };

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "marketcast-map-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function load(map: unknown) {
  const path = join(directory, "map.json");
  await writeFile(path, typeof map === "string" ? map : JSON.stringify(map));
  return loadFeedMap(path);
}

describe("feed-map", () => {
  it("feed-map - level1-quotes is shipped", async () => {
    expect(await loadFeedMap("level1-quotes")).toEqual({
      format: undefined,
      delimiter: ",",
      priceScale: 10_000,
      columns: { ask_price: 0, ask_size: 1, bid_price: 2, bid_size: 3 },
      time: undefined,
      market: { marketId: 1001, title: expect.any(String), tickSize: 0.01, lotSize: 1 },
      markets: new Map(),
    });
  });

  it("feed-map - times become ms, ids canonical, several markets a map", async () => {
    const map = await load({
      format: "csv",
      delimiter: "\t",
      columns: { ...QUOTES, market: "symbol" },
      time: { column: "at", unit: "us" },
      markets: { FIVE: { ...MARKET, market_id: "5" } },
    });
    expect(map.time).toEqual({ column: "at", unitMs: 0.001 });
    expect(map.markets.get("FIVE")?.marketId).toBe(5);
    expect(map.market).toBeUndefined();
  });

  it("feed-map - null is as good as no key, and a mark at the file's start as none", async () => {
    const plain = { columns: QUOTES, market: MARKET };
    const nothing = { format: null, delimiter: null, price_scale: null, time: null, markets: null };
    const columns = { ...QUOTES, market: null, bid_size: null, trade_side: null };
    const map = await load(`\uFEFF${JSON.stringify({ ...plain, ...nothing, columns })}`);
    expect(map).toEqual(await load(plain));
    expect(map).toMatchObject({ delimiter: ",", priceScale: 1, columns: QUOTES });
  });

  it("feed-map - a price scale may be as large as 10^18, and is exact", async () => {
    const text = JSON.stringify({ columns: QUOTES, market: MARKET, price_scale: 7 });
    for (const scale of ["1e18", "1000000000000000000"]) {
      expect((await load(text.replace(":7", `:${scale}`))).priceScale).toBe(1e18);
    }
  });

  for (const [what, map, problem] of [
    ["nothing", "", "must hold JSON: line 1, column 1: found the end, expected a value"],
    ["a key twice", '{"columns":{},\n"columns":{}}', 'line 2, column 1: found the key "columns"'],
    [
      "a wrong value in its third line",
      `{"columns":${JSON.stringify(QUOTES)},\n"market":${JSON.stringify(MARKET)},\n"delimiter": ""}`,
      "at line 3, column 14",
    ],
    [
      "a price scale that rounds",
      JSON.stringify({ columns: QUOTES, market: MARKET, price_scale: 7 }).replace(
        ":7",
        ":100.00000000000000001",
      ),
      "price_scale: 100.00000000000000001 cannot be kept exactly",
    ],
    [
      "a price scale too fine for the tick size",
      { columns: QUOTES, market: MARKET, price_scale: 1e-21 },
      "price_scale: 1e-21 × the tick size 0.01 is not exact",
    ],
    ["no object", 1, "object"],
    ["no market", { columns: QUOTES }, "needs either market, or markets"],
    ["an unknown key", { columns: QUOTES, market: MARKET, scale: 1 }, "scale"],
    ["an unknown column", { columns: { ...QUOTES, mid: "m" }, market: MARKET }, "mid"],
    ["one price of two", { columns: { bid_price: 0 }, market: MARKET }, "go together"],
    ["one size of two", { columns: { ...QUOTES, bid_size: "b" }, market: MARKET }, "bid_size"],
    ["no prices", { columns: {}, market: MARKET }, "needs bid_price"],
    ["a trade without size", { columns: { trade_price: 0 }, market: MARKET }, "trade_size"],
    [
      "names and indexes",
      { columns: { bid_price: "b", ask_price: 1 }, market: MARKET },
      "either all",
    ],
    [
      "a time by index only",
      { columns: QUOTES, time: { column: 0, unit: "s" }, market: MARKET },
      "all",
    ],
    [
      "an unknown unit",
      { columns: QUOTES, time: { column: "t", unit: "h" }, market: MARKET },
      "unit",
    ],
    ["a market column alone", { columns: { ...QUOTES, market: "m" }, market: MARKET }, "markets"],
    ["a price scale of 0", { columns: QUOTES, market: MARKET, price_scale: 0 }, "price_scale"],
    [
      "a bad tick size",
      { columns: QUOTES, market: { ...MARKET, tick_size: -1 } },
      "market.tick_size",
    ],
    ["a bad id", { columns: QUOTES, market: { ...MARKET, market_id: 1.5 } }, "market.market_id"],
    [
      "NDJSON by index",
      { format: "ndjson", columns: { bid_price: 0, ask_price: 1 }, market: MARKET },
      "keys",
    ],
  ] as const) {
    it(`feed-map - ${what} is refused by name`, async () => {
      await expect(load(map)).rejects.toThrow(`${join(directory, "map.json")}"`);
      await expect(load(map)).rejects.toThrow(problem);
    });
  }
});
