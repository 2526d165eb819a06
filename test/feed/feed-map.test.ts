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
  await writeFile(path, JSON.stringify(map));
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

  for (const [what, map, problem] of [
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
