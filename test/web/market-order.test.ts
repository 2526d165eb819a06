import { describe, expect, it } from "vitest";
import { arrange, type MarketView, SORT_KEYS } from "../../web/src/model/market-order.js";
import { MarketStore } from "../../web/src/model/market-store.js";

const store = new MarketStore();
const put = (
  market_id: number,
  title: string,
  prices: readonly (number | null)[],
  volume: number,
) =>
  store.put({
    market_id,
    title,
    status: market_id === 3 ? "Halted" : "Active",
    price: prices[0] ?? null,
    best_bid: prices[1] ?? null,
    best_ask: prices[2] ?? null,
    volume,
    tick_size: 0.5,
    lot_size: 1,
    seq: 1,
    ts: 1,
  });
put(1, "Gold 10", [10, 9.5, 10.5], 7);
put(2, "gold 9", [20, 19.5, null], 5);
put(3, "Silver", [30, 29, 31], 9);
put(4, "Copper", [null, null, null], 0);
store.putPrice({ market_id: 1, price: 11, best_bid: 9.5, best_ask: 10.5, seq: 2, ts: 2 });
store.putPrice({ market_id: 2, price: 19, best_bid: 19.5, best_ask: null, seq: 2, ts: 2 });

const view: MarketView = { search: "", status: undefined, sort: "title", descending: false };
const ids = (change: Partial<MarketView>): unknown[] =>
  arrange(store.all, { ...view, ...change }).map(({ id }) => id);

describe("market order", () => {
  it.each([
    ["title", false, [4, 2, 1, 3]],
    ["title", true, [3, 1, 2, 4]],
    ["volume", true, [3, 1, 2, 4]],
    ["bid", false, [1, 2, 3, 4]],
    ["ask", true, [3, 1, 2, 4]],
    ["price", false, [1, 2, 3, 4]],
    ["price", true, [3, 2, 1, 4]],
    ["change", true, [1, 3, 2, 4]],
  ] as const)(
    "market-order - by %s, descending %s; without a value last",
    (sort, descending, order) => {
      expect(SORT_KEYS).toContain(sort);
      expect(ids({ sort, descending })).toEqual(order);
    },
  );

  it("market-order - search is for a part of the title, in any case", () => {
    expect(ids({ search: " GOLD " })).toEqual([2, 1]);
    expect(ids({ search: "ver" })).toEqual([3]);
    expect(ids({ search: "tin" })).toEqual([]);
  });

  it("market-order - status and search hold together", () => {
    expect(ids({ status: "Halted" })).toEqual([3]);
    expect(ids({ status: "Halted", search: "gold" })).toEqual([]);
    expect(ids({ status: "Active", search: "o" })).toEqual([4, 2, 1]);
  });
});
