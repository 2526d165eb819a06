import { describe, expect, it } from "vitest";
import type { OrderBook, ValidatedOrder } from "../../src/contract/messages.js";
import { outcomeOf } from "../../web/src/model/book-outcome.js";

const BOOK: OrderBook = {
  market_id: 1,
  bids: [
    [9, 1],
    [8, 5],
  ],
  asks: [
    [10, 4],
    [11, 2],
  ],
  seq: 1,
  ts: 1,
};
const ORDER: ValidatedOrder = {
  market_id: 1,
  side: "Buy",
  order_type: "Limit",
  price: 10.5,
  quantity: 3,
  time_in_force: "GTC",
  post_only: false,
  self_trade: "CancelTaker",
};
const { price: _, ...UNPRICED } = ORDER;
const MARKET: ValidatedOrder = { ...UNPRICED, order_type: "Market", time_in_force: "IOC" };

describe("book-outcome", () => {
  it.each<[string, ValidatedOrder, number, number | undefined, string | undefined]>([
    ["what one level has, at its price", ORDER, 3, 10, undefined],
    ["no more than its price lets it, and rests", { ...ORDER, quantity: 10 }, 4, 10, "rests"],
    ["nothing below the best ask", { ...ORDER, price: 9.99 }, 0, undefined, "rests"],
    ["at the price itself", { ...ORDER, price: 10, quantity: 4 }, 4, 10, undefined],
    [
      "over levels, on average",
      { ...ORDER, price: 11, quantity: 6 },
      6,
      (4 * 10 + 2 * 11) / 6,
      undefined,
    ],
    ["as IOC, and no more", { ...ORDER, quantity: 5, time_in_force: "IOC" }, 4, 10, "is cancelled"],
    [
      "nothing as FOK that is too large",
      { ...ORDER, quantity: 5, time_in_force: "FOK" },
      0,
      undefined,
      "is cancelled",
    ],
    ["all as FOK that is not", { ...ORDER, quantity: 4, time_in_force: "FOK" }, 4, 10, undefined],
    [
      "at the bids where it sells, at any price",
      { ...MARKET, side: "Sell", quantity: 7 },
      6,
      (9 + 40) / 6,
      "is cancelled",
    ],
    ["down to its price where it sells", { ...ORDER, side: "Sell", price: 9 }, 1, 9, "rests"],
  ])("book-outcome - an order trades %s", (__, order, filled, average, rest) => {
    expect(outcomeOf(order, BOOK)).toEqual({ filled, average, rest });
  });
});
