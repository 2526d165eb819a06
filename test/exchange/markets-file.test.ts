import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_MARKETS } from "../../src/exchange/default-markets.js";
import { loadMarkets } from "../../src/exchange/markets-file.js";

const MARKET = { market_id: 5, title: "Five", status: "Active", tick_size: 0.01, lot_size: 1 };
const EXAMPLE = fileURLToPath(new URL("../../examples/markets.json", import.meta.url));

let directory: string;
let file: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "marketcast-markets-"));
  file = join(directory, "markets.json");
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function load(text: string) {
  await writeFile(file, text);
  return loadMarkets(file);
}

describe("markets-file", () => {
  it("markets-file - without a file, the shipped markets", async () => {
    expect(await loadMarkets(undefined)).toBe(DEFAULT_MARKETS);
  });

  it("markets-file - entries in their order, ids canonical, max_price optional", async () => {
    const entries = [
      { ...MARKET, market_id: "7", status: "Halted", max_price: 1 },
      { ...MARKET, market_id: "9007199254740993" },
    ];
    expect(await load(JSON.stringify(entries))).toEqual([
      {
        definition: { marketId: 7, title: "Five", tickSize: 0.01, lotSize: 1 },
        status: "Halted",
        maxPrice: 1,
        bounds: {},
      },
      {
        definition: { marketId: "9007199254740993", title: "Five", tickSize: 0.01, lotSize: 1 },
        status: "Active",
        maxPrice: undefined,
        bounds: {},
      },
    ]);
  });

  it("markets-file - ids are exact without quotes, null is no highest price, a mark is no fault", async () => {
    const ids = ["9007199254740991", "9007199254740992", "9007199254740993", `${2n ** 128n - 1n}`];
    const entry = JSON.stringify({ ...MARKET, max_price: null });
    const entries = ids.map((id) => entry.replace('"market_id":5', `"market_id":${id}`));
    const markets = await load(`\uFEFF[${entries.join(",\r\n")}]`);
    expect(markets.map(({ definition }) => String(definition.marketId))).toEqual(ids);
    expect(markets.map(({ maxPrice }) => maxPrice)).toEqual(ids.map(() => undefined));
  });

  it("markets-file - bounds are a market's own; what is null or missing is as for all", async () => {
    const given = { price_band: 2.5, max_position: 0, max_order_value: null };
    const [market] = await load(JSON.stringify([{ ...MARKET, ...given }]));
    expect(market?.bounds).toEqual({ priceBandPercent: 2.5, maxPosition: 0 });
  });

  it("markets-file - the example is valid", async () => {
    const markets = await loadMarkets(EXAMPLE);
    expect(markets.length).toBeGreaterThan(1);
  });

  it("markets-file - a file that is not there is refused by name", async () => {
    const missing = join(directory, "missing.json");
    await expect(loadMarkets(missing)).rejects.toThrow(`--markets-file ${JSON.stringify(missing)}`);
    await expect(loadMarkets(missing)).rejects.toThrow("must be a file that can be read: ENOENT");
  });

  for (const [what, content, problem] of [
    ["no JSON", "[{]", "must hold JSON: "],
    ["no array", MARKET, "no list of markets: "],
    ["an empty array", [], "must hold at least one market"],
    ["an entry that is no object", [MARKET, 6], "entry 2: "],
    ["an unknown field", [{ ...MARKET, maxPrice: 1 }], "entry 1: Unrecognized key: "],
    ["no title", [{ ...MARKET, title: "" }], "entry 1: title: "],
    [
      "a title with half a character",
      [{ ...MARKET, title: "\ud83d" }],
      "entry 1: title: must be printable, in one line, and has a lone surrogate, U+D83D at 0",
    ],
    ["no status", [{ ...MARKET, status: undefined }], "entry 1: status: "],
    ["an unknown status", [{ ...MARKET, status: "active" }], "entry 1: status: "],
    ["a bad id", [{ ...MARKET, market_id: -1 }], "entry 1: market_id: must be an unsigned"],
    ["an id that is no integer", [{ ...MARKET, market_id: 1.5 }], "entry 1: market_id: must be"],
    [
      "an id beyond 128 bits",
      `[{"market_id":340282366920938463463374607431768211456}]`,
      "entry 1: market_id: ",
    ],
    [
      "a tick size that rounds",
      `[${JSON.stringify(MARKET).replace("0.01", "0.0100000000000000001")}]`,
      "entry 1: tick_size: 0.0100000000000000001 cannot be kept exactly",
    ],
    [
      "a highest price that rounds",
      `[${JSON.stringify({ ...MARKET, max_price: 7 }).replace('"max_price":7', '"max_price":0.1000000000000000055')}]`,
      "entry 1: max_price: 0.1000000000000000055 cannot be kept exactly",
    ],
    [
      "a key twice",
      `[{"market_id":1,\n "market_id":2}]`,
      'must hold JSON: line 2, column 2: found the key "market_id" again',
    ],
    [
      "a comma too many",
      "[\n  {},\n]",
      "must hold JSON: line 3, column 1: found a closing bracket, expected a value",
    ],
    ["nothing", "", "must hold JSON: line 1, column 1: found the end, expected a value"],
    [
      "an unknown status in its third line",
      `[\n${JSON.stringify(MARKET)},\n{"status":"active",${JSON.stringify({ ...MARKET, status: undefined, market_id: 6 }).slice(1)}]`,
      "at line 3, column 11",
    ],
    ["a bad tick size", [{ ...MARKET, tick_size: 0 }], "entry 1: tick_size: must be a positive"],
    ["a bad lot size", [{ ...MARKET, lot_size: -1 }], "entry 1: lot_size: must be a positive"],
    ["a highest price of 0", [{ ...MARKET, max_price: 0 }], "entry 1: max_price: "],
    ["a price band below 0", [{ ...MARKET, price_band: -1 }], "entry 1: price_band: "],
    ["a largest position in words", [{ ...MARKET, max_position: "9" }], "entry 1: max_position: "],
    [
      "a largest value that rounds",
      `[${JSON.stringify({ ...MARKET, max_order_value: 7 }).replace('"max_order_value":7', '"max_order_value":0.1000000000000000055')}]`,
      "entry 1: max_order_value: 0.1000000000000000055 cannot be kept exactly",
    ],
    [
      "a highest price between two ticks",
      [{ ...MARKET, max_price: 1.005 }],
      "entry 1: max_price: must be an exact multiple of tick_size",
    ],
    [
      "a highest price beyond exact integers",
      [{ ...MARKET, tick_size: 1e-9, max_price: 1e9 }],
      "entry 1: max_price: must be an exact multiple of tick_size",
    ],
    [
      "an id in two spellings",
      [MARKET, { ...MARKET, market_id: 6 }, { ...MARKET, market_id: "5" }],
      "entry 3: market_id 5 is taken by entry 1",
    ],
  ] as const) {
    it(`markets-file - ${what} is refused, by file, entry and rule`, async () => {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      const message = await load(text).then(
        () => "",
        (error: Error) => error.message,
      );
      expect(message).toContain(`--markets-file ${JSON.stringify(file)}: `);
      expect(message).toContain(problem);
    });
  }
});
