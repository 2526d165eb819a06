import { describe, expect, it } from "vitest";
import type { Fill, Order } from "../../src/contract/messages.js";
import { Account, REMEMBERED_MAX } from "../../web/src/model/account.js";

const order = (change: Partial<Order> = {}): Order => ({
  order_id: "1",
  market_id: 1001,
  wallet: "w",
  side: "Buy",
  order_type: "Limit",
  time_in_force: "GTC",
  post_only: false,
  price: 10,
  quantity: 8,
  filled_quantity: 0,
  status: "Open",
  created_ts: 1,
  updated_ts: 1,
  ...change,
});
const partly = order({
  status: "PartiallyFilled",
  filled_quantity: 2,
  average_price: 9,
  updated_ts: 2,
});
const filled = order({ status: "Filled", filled_quantity: 8, average_price: 9.75, updated_ts: 3 });

function account() {
  const fills: unknown[] = [];
  const made = new Account({
    changed: () => {},
    filled: ({ order_id }, quantity, price) => fills.push([order_id, quantity, price]),
  });
  return { made, fills };
}

describe("account", () => {
  it("account - an order is open until it is filled, and each fill is told with its own price", () => {
    const { made, fills } = account();
    made.putOrder(order());
    expect(made.openOrders).toEqual([order()]);
    made.putOrder(partly);
    made.putOrder(filled);
    expect(made.openOrders).toEqual([]);
    expect(made.finishedOrders).toEqual([filled]);
    expect(fills).toEqual([
      ["1", 2, 9],
      ["1", 6, 10],
    ]);
  });

  it("account - what comes twice or too late changes nothing", () => {
    const { made, fills } = account();
    for (const state of [filled, filled, partly, order()]) made.putOrder(state);
    expect(made.openOrders).toEqual([]);
    expect(made.finishedOrders).toEqual([filled]);
    expect(fills).toEqual([["1", 8, 9.75]]);
  });

  it("account - a snapshot replaces the open orders, and is no fill", () => {
    const { made, fills } = account();
    made.putOrder(order({ order_id: "gone" }));
    made.putOrders([partly]);
    expect(made.openOrders).toEqual([partly]);
    expect(fills).toEqual([]);
  });

  it("account - a cancelled order is finished; only so many are remembered", () => {
    const { made } = account();
    for (let number = 0; number < REMEMBERED_MAX + 50; number++) {
      made.putOrder(order({ order_id: `${number}`, status: "Cancelled", reason: "asked for" }));
    }
    expect(made.finishedOrders.length).toBe(REMEMBERED_MAX);
    expect(made.finishedOrders[0]?.order_id).toBe(`${REMEMBERED_MAX + 49}`);
  });

  it("account - what the history has is no news, and nothing older than what is known", () => {
    const { made, fills } = account();
    made.putOrder(filled);
    fills.length = 0;
    const old = order({ order_id: "2", status: "Filled", filled_quantity: 8, average_price: 9 });
    made.putFinished([{ ...filled, status: "Cancelled" }, old]);
    expect(made.finishedOrders).toEqual([filled, old]);
    expect(fills).toEqual([]);
  });

  it("account - fills are told once, whatever way they come; both sides of a trade may be there", () => {
    const { made } = account();
    const fill = (trade_id: string, order_id: string, ts: number): Fill => ({
      ...{ trade_id, order_id, market_id: 1001, wallet: "w", side: "Buy", price: 9 },
      ...{ quantity: 1, liquidity: "Taker", ts },
    });
    made.putFills([fill("9", "1", 5), fill("10", "1", 5)]);
    made.putFills([fill("10", "1", 5), fill("10", "2", 5), fill("11", "2", 6)]);
    expect(made.fills.map((one) => [one.trade_id, one.order_id])).toEqual([
      ["11", "2"],
      ["10", "1"],
      ["10", "2"],
      ["9", "1"],
    ]);
    made.putFills(
      Array.from({ length: REMEMBERED_MAX }, (_, index) => fill(`${index + 100}`, "3", index)),
    );
    expect(made.fills.length).toBe(REMEMBERED_MAX);
    expect(made.fills[0]?.ts).toBe(REMEMBERED_MAX - 1);
    made.clear();
    expect([made.fills, made.finishedOrders]).toEqual([[], []]);
  });

  it("account - a position without quantity and profit is none", () => {
    const { made } = account();
    const position = { wallet: "w", average_price: 1, updated_ts: 1 };
    made.putPositions([{ ...position, market_id: 1, quantity: 3, realized_pnl: 0 }]);
    made.putPosition({ ...position, market_id: 2, quantity: 0, realized_pnl: 0 });
    made.putPosition({ ...position, market_id: 3, quantity: 0, realized_pnl: -2 });
    expect(made.positions.map(({ market_id }) => market_id)).toEqual([1, 3]);
    made.clear();
    expect(made.positions).toEqual([]);
  });
});
