import { describe, expect, it } from "vitest";
import type { Order } from "../../src/contract/messages.js";
import { Account } from "../../web/src/model/account.js";

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
    for (let number = 0; number < 150; number++) {
      made.putOrder(order({ order_id: `${number}`, status: "Cancelled", reason: "asked for" }));
    }
    expect(made.finishedOrders.length).toBe(100);
    expect(made.finishedOrders[0]?.order_id).toBe("149");
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
