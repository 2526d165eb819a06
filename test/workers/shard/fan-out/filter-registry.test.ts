import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CanonicalFilter } from "../../../../src/contract/canonical-filter.js";
import { channelSchema } from "../../../../src/contract/channels-schema.js";
import { MARKET_STATUSES } from "../../../../src/shared/market.js";
import type { Holder } from "../../../../src/workers/shard/connections/fair-budget.js";
import {
  ActiveFilter,
  FilterRegistry,
  matchesFilter,
} from "../../../../src/workers/shard/fan-out/filter-registry.js";
import { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";

function marketOf(slot: number, fields: Partial<MirrorMarket> = {}, title = ""): MirrorMarket {
  const definition = { marketId: slot, title, tickSize: 1, lotSize: 0.5 };
  return Object.assign(new MirrorMarket(slot, definition), fields);
}

function filterOf(filter: unknown): CanonicalFilter | null {
  const channel = channelSchema.parse({ type: "Markets", params: { filter } });
  return channel.type === "Markets" ? (channel.params?.filter ?? null) : null;
}

const HOLDER: Holder = { name: "h", group: "g" };
const OTHER: Holder = { name: "o", group: "p" };
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
    const filter = registry.acquire("a", ACTIVE, HOLDER, markets, 5);
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

  it("filter-registry - a filter has room for the markets that there are, and keeps what it knows", () => {
    const filter = new ActiveFilter(ACTIVE, 0);
    const markets = Array.from({ length: 1000 }, (_, slot) =>
      marketOf(slot, { status: slot % 2 === 0 ? "Active" : "Halted" }),
    );
    filter.evaluate(markets.slice(0, 10), 1);
    (markets[2] as MirrorMarket).status = "Closed";
    filter.evaluate(markets.slice(2, 3), 2);
    // Nothing is said of a market that it has not been asked about.
    expect([filter.matches(999), filter.unmatchedSince(999, 0)]).toEqual([false, false]);
    filter.evaluate(markets.slice(998), 3);
    expect([0, 1, 2, 998, 999].map((slot) => filter.matches(slot))).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
    expect([filter.unmatchedSince(2, 1), filter.unmatchedSince(2, 2)]).toEqual([true, false]);
  });

  it("filter-registry - a filter is one object to all its users, made for the first and gone with the last", () => {
    const registry = new FilterRegistry(4);
    const market = marketOf(0);
    const filter = registry.acquire("a", ACTIVE, HOLDER, [market], 1);
    expect(registry.acquire("a", ACTIVE, OTHER, [market], 2)).toBe(filter);
    expect(filter.matches(0)).toBe(true);
    registry.acquire("b", null, HOLDER, [market], 2);
    registry.release("a");
    expect([...registry.all]).toHaveLength(2);
    registry.release("a");
    expect([...registry.all].map(({ filter: one }) => one)).toEqual([null]);
    expect(registry.acquire("a", ACTIVE, HOLDER, [market], 3)).not.toBe(filter);
    registry.release("unknown");
  });

  it("filter-registry - a holder has its share; filters in use and that of every market are free", () => {
    const registry = new FilterRegistry(4);
    const filters = (...keys: string[]) => new Map(keys.map((key) => [key, ACTIVE]));
    const acquire = (holder: Holder, ...keys: string[]): boolean => {
      if (!registry.mayAcquire(holder, filters(...keys))) return false;
      for (const key of keys) registry.acquire(key, ACTIVE, holder, [], 1);
      return true;
    };
    expect(acquire(HOLDER, "a", "b", "c")).toBe(false);
    expect(acquire(HOLDER, "a", "b")).toBe(true);
    expect(acquire(HOLDER, "c")).toBe(false);
    expect(registry.size).toBe(2);
    // In use, even by others, or of every market.
    expect(acquire(HOLDER, "a", "b")).toBe(true);
    expect(registry.mayAcquire(HOLDER, new Map([["all", null]]))).toBe(true);
    registry.acquire("all", null, HOLDER, [], 1);
    expect(acquire(OTHER, "a", "x")).toBe(true);
    expect(registry.size).toBe(3);
    expect(acquire(OTHER, "y")).toBe(false);
    for (const key of ["a", "a", "a", "b", "b", "all", "x"]) registry.release(key);
    expect([registry.size, [...registry.all].length]).toEqual([0, 0]);
    expect(acquire(HOLDER, "d", "e")).toBe(true);
  });
});
