import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { channelSchema, type MarketsFilter } from "../../../src/codec/channels.js";
import { MARKET_STATUSES } from "../../../src/shared/market.js";
import { FilterRegistry, matchesFilter } from "../../../src/workers/shard/filter-registry.js";
import { InterestIndex } from "../../../src/workers/shard/interest-index.js";
import { MirrorMarket } from "../../../src/workers/shard/mirror-market.js";

function marketOf(slot: number, fields: Partial<MirrorMarket> = {}, title = ""): MirrorMarket {
  const definition = { marketId: slot, title, tickSize: 1, lotSize: 0.5 };
  return Object.assign(new MirrorMarket(slot, definition, new InterestIndex().of(slot)), fields);
}

function filterOf(filter: unknown): MarketsFilter | null {
  const channel = channelSchema.parse({ type: "Markets", params: { filter } });
  return channel.type === "Markets" ? (channel.params?.filter ?? null) : null;
}

const ACTIVE = filterOf({ status: "Active" });

describe("filter-registry", () => {
  it("filter-registry - a market matches where every condition holds, and volumes are in real units", () => {
    const conditions = fc.record(
      {
        status: fc.subarray([...MARKET_STATUSES], { minLength: 1 }),
        min_volume: fc.constantFrom(0, 1, 1.5, 2),
        max_volume: fc.constantFrom(0, 1, 1.5, 2),
        search: fc.constantFrom("", "b", "BTC", "€", "btc€", "x"),
      },
      { requiredKeys: [] },
    );
    const market = fc.record({
      status: fc.constantFrom(...MARKET_STATUSES),
      lots: fc.nat(5),
      title: fc.constantFrom("", "BTC", "btc€", "aBTCb"),
    });
    fc.assert(
      fc.property(conditions, market, ({ status, min_volume, max_volume, search }, fields) => {
        const expected =
          (status === undefined || status.includes(fields.status)) &&
          (min_volume === undefined || fields.lots / 2 >= min_volume) &&
          (max_volume === undefined || fields.lots / 2 <= max_volume) &&
          (search === undefined || fields.title.toLowerCase().includes(search.toLowerCase()));
        const view = marketOf(0, { status: fields.status, volume: fields.lots }, fields.title);
        const filter = filterOf({ status, min_volume, max_volume, search });
        expect(matchesFilter(filter, view)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("filter-registry - a filter knows since when a market has ceased to match, the last time", () => {
    const registry = new FilterRegistry(4);
    const markets = [marketOf(0), marketOf(1, { status: "Halted" })];
    const [first, second] = markets as [MirrorMarket, MirrorMarket];
    const filter = registry.acquire("a", ACTIVE, markets, 5);
    expect([filter.matches(0), filter.matches(1)]).toEqual([true, false]);
    // One that never matched has not ceased to.
    expect(filter.unmatchedSince(1, 0)).toBe(false);
    first.status = "Closed";
    second.status = "Active";
    filter.evaluate(markets, 7);
    expect([filter.matches(0), filter.matches(1)]).toEqual([false, true]);
    expect([6, 7].map((round) => filter.unmatchedSince(0, round))).toEqual([true, false]);
    filter.evaluate(markets, 8);
    expect(filter.unmatchedSince(0, 7)).toBe(false);
    first.status = "Active";
    filter.evaluate(markets, 9);
    first.status = "Closed";
    filter.evaluate(markets, 10);
    expect(filter.unmatchedSince(0, 9)).toBe(true);
    filter.clear();
    expect([filter.matches(1), filter.unmatchedSince(0, 0)]).toEqual([false, false]);
  });

  it("filter-registry - a filter is one object to all its users, made for the first and gone with the last", () => {
    const registry = new FilterRegistry(4);
    const market = marketOf(0);
    const filter = registry.acquire("a", ACTIVE, [market], 1);
    expect(registry.acquire("a", ACTIVE, [market], 2)).toBe(filter);
    expect(filter.matches(0)).toBe(true);
    registry.acquire("b", null, [market], 2);
    expect(registry.sizeWith([])).toBe(2);
    expect(registry.sizeWith(["a", "b", "c"])).toBe(3);
    registry.release("a");
    expect([...registry.all]).toHaveLength(2);
    registry.release("a");
    expect([...registry.all].map(({ filter: one }) => one)).toEqual([null]);
    expect(registry.acquire("a", ACTIVE, [market], 3)).not.toBe(filter);
    registry.release("unknown");
  });
});
