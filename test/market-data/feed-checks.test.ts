import { describe, expect, it } from "vitest";
import { FeedInputError, type ListedMarket } from "../../src/feed/feed.js";
import {
  checkBook,
  checkDefinition,
  checkPrice,
  checkQuantity,
  checkSame,
  checkTitle,
  checkTradeId,
} from "../../src/market-data/feed-checks.js";
import { BOOK_LEVELS_MAX, createBook } from "../../src/shared/market.js";

const FIVE = { marketId: 5, title: "Five", tickSize: 0.01, lotSize: 1 };
const market: ListedMarket = { ...checkDefinition(FIVE), marketId: 5, status: "Active" };

/** The code of the refusal; undefined where there is none. */
function refusalOf(check: () => unknown): string | undefined {
  try {
    check();
  } catch (error) {
    if (!(error instanceof FeedInputError)) throw error;
    expect(error.message).toMatch(/^market \S+: |^market 5 is listed/);
    return error.code;
  }
  return undefined;
}

describe("feed checks", () => {
  it("feed checks - a definition comes in canonical form, with its scales", () => {
    const { definition, priceScale } = checkDefinition({ ...FIVE, marketId: "5" });
    expect(definition.marketId).toBe(5);
    expect(priceScale.toNumber(5853)).toBe(58.53);
  });

  it.each([
    ["an id that is none", { marketId: -1 }],
    ["an id beyond 128 bits", { marketId: (2n ** 128n).toString() }],
    ["a tick of nothing", { tickSize: 0 }],
    ["a lot that is no number", { lotSize: Number.NaN }],
  ])("feed checks - %s makes no definition", (_, fields) => {
    expect(refusalOf(() => checkDefinition({ ...FIVE, ...fields }))).toBe("INVALID_DEFINITION");
  });

  it("feed checks - a title is bounded in its bytes, and a line of visible text", () => {
    expect(checkTitle(5, "é", 2)).toHaveLength(2);
    expect(refusalOf(() => checkTitle(5, "éé", 3))).toBe("TITLE_TOO_LONG");
    expect(refusalOf(() => checkTitle(5, "a\nb", 16))).toBe("INVALID_DEFINITION");
  });

  it("feed checks - a market is listed again as it is, not as another one", () => {
    expect(refusalOf(() => checkSame(FIVE, { ...FIVE }))).toBeUndefined();
    for (const fields of [{ title: "Six" }, { tickSize: 0.1 }, { lotSize: 2 }])
      expect(refusalOf(() => checkSame(FIVE, { ...FIVE, ...fields }))).toBe("MARKET_REDEFINED");
  });

  it("feed checks - prices are counts of ticks, quantities positive counts of lots", () => {
    const { countMax } = market.priceScale;
    for (const ticks of [0, -3, countMax]) checkPrice(market, ticks, "price");
    for (const ticks of [0.5, Number.NaN, countMax + 1, Number.POSITIVE_INFINITY])
      expect(refusalOf(() => checkPrice(market, ticks, "price"))).toBe("INVALID_VALUE");
    checkQuantity(market, 1);
    for (const lots of [0, -1, 1.5, Number.NaN])
      expect(refusalOf(() => checkQuantity(market, lots))).toBe("INVALID_VALUE");
  });

  it("feed checks - a trade's id has 1 to 64 bytes and nothing that cannot be seen", () => {
    expect(checkTradeId(market, "x".repeat(64))).toHaveLength(64);
    for (const id of ["", "x".repeat(65), "a\u200bb"])
      expect(refusalOf(() => checkTradeId(market, id))).toBe("INVALID_VALUE");
  });

  it("feed checks - each level of a book is checked, and no further one", () => {
    const book = createBook();
    book.bids.price[0] = 0.5;
    expect(refusalOf(() => checkBook(market, book))).toBeUndefined();
    book.bids.length = 1;
    expect(refusalOf(() => checkBook(market, book))).toBe("INVALID_VALUE");
    book.bids.length = BOOK_LEVELS_MAX + 1;
    expect(refusalOf(() => checkBook(market, book))).toBe("INVALID_VALUE");
  });
});
