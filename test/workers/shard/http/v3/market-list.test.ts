import { describe, expect, it } from "vitest";
import { marketJson } from "../../../../../src/codec/encodings/json/json-encoder.js";
import { SNAPSHOT_PART_BYTES_MAX } from "../../../../../src/codec/push-encoder.js";
import type { MarketId } from "../../../../../src/shared/market-id.js";
import type { Mirror } from "../../../../../src/workers/shard/fan-out/mirror.js";
import { marketList } from "../../../../../src/workers/shard/http/v3/market-list.js";

type MarketListOptions = Parameters<typeof marketList>[1];

import { fakeMarkets, fakeMirror } from "../../../../support/fake-member.js";

const COUNT = 5000;
const markets = fakeMarkets(COUNT);
const mirror: Mirror = Object.assign(fakeMirror(markets), { epoch: "e1", lastTs: 7 });

interface List {
  readonly epoch: string;
  readonly ts: number;
  readonly markets: readonly { readonly market_id: MarketId }[];
  readonly next?: string;
}

function partsOf(options: Partial<MarketListOptions>): string[] {
  const all = { filter: null, after: undefined, limit: undefined, ...options };
  const list = marketList(mirror, all);
  const parts: string[] = [];
  for (let part = list.next(); part.done !== true; part = list.next()) parts.push(part.value);
  return parts;
}

const listOf = (options: Partial<MarketListOptions>): List => JSON.parse(partsOf(options).join(""));
const idsOf = ({ markets: listed }: List): MarketId[] => listed.map(({ market_id }) => market_id);

describe("the list of markets", () => {
  it("market-list - all markets come once, in order, in parts of bounded size", () => {
    const parts = partsOf({});
    expect(parts.length).toBeGreaterThan(10);
    const longest = Math.max(...markets.map((market) => marketJson(market).length));
    for (const part of parts) {
      expect(part.length).toBeGreaterThan(0);
      expect(part.length).toBeLessThan(SNAPSHOT_PART_BYTES_MAX + longest + 100);
    }
    const list = JSON.parse(parts.join("")) as List;
    expect(list).toMatchObject({ epoch: "e1", ts: 7 });
    expect(list).not.toHaveProperty("next");
    expect(list.markets).toEqual(markets.map((market) => JSON.parse(marketJson(market))));
  });

  it("market-list - a filter that nothing matches still ends, in parts of many looked at", () => {
    const parts = partsOf({ filter: { search: "nowhere" } });
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.length).toBeLessThan(COUNT / 1000);
    expect(JSON.parse(parts.join(""))).toEqual({ epoch: "e1", ts: 7, markets: [] });
  });

  it("market-list - pages one behind the other are the whole, and only the last has no next", () => {
    const filter = { search: "7" };
    const whole = idsOf(listOf({ filter }));
    expect(whole.length).toBeGreaterThan(1000);
    // Ends in the middle of a page, and at a page's very end.
    for (const limit of [1000, whole.length / 2, whole.length, 1 + whole.length]) {
      const paged: MarketId[] = [];
      let after: MarketId | undefined;
      do {
        const page = listOf({ filter, limit: Math.ceil(limit), after });
        paged.push(...idsOf(page));
        after = page.next === undefined ? undefined : Number(page.next);
      } while (after !== undefined);
      expect(paged).toEqual(whole);
    }
  });

  it("market-list - behind the last market there is nothing, behind one that is not is an error", () => {
    expect(listOf({ after: COUNT - 1 }).markets).toEqual([]);
    expect(() => listOf({ after: COUNT })).toThrow(
      expect.objectContaining({ code: "MARKET_NOT_FOUND", details: { field: "after" } }),
    );
  });
});
