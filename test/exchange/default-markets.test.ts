import { describe, expect, it } from "vitest";
import { DEFAULT_MARKETS } from "../../src/exchange/default-markets.js";

const titles = DEFAULT_MARKETS.map(({ definition }) => definition.title);

describe("default-markets", () => {
  it("default-markets - fifty active markets from 1001 on, quoted as probabilities", () => {
    expect(DEFAULT_MARKETS).toHaveLength(50);
    for (const [i, { definition, status, maxPrice }] of DEFAULT_MARKETS.entries()) {
      expect(definition).toMatchObject({ marketId: 1001 + i, tickSize: 0.001, lotSize: 1 });
      expect([status, maxPrice]).toEqual(["Active", 1]);
    }
  });

  it("default-markets - titles are distinct, of one line and at most 80 characters", () => {
    expect(new Set(titles).size).toBe(titles.length);
    for (const title of titles) expect(title).toMatch(/^\p{Lu}[^\n]{9,79}$/u);
  });

  it("default-markets - no title is about a year that is over", () => {
    const years = titles.flatMap((title) => title.match(/\b20\d\d\b/g) ?? []).map(Number);
    expect(years.length).toBeGreaterThan(titles.length / 2);
    expect(Math.min(...years)).toBeGreaterThanOrEqual(2027);
  });
});
