import { describe, expect, it } from "vitest";
import { checkDraft, describeRequest, type OrderDraft } from "../../web/src/model/order-draft.js";

const market = { id: "340282366920938463463374607431768211455", tickSize: 0.01, lotSize: 5 };
const draft: OrderDraft = {
  side: "Buy",
  type: "Limit",
  price: "0.52",
  quantity: "10",
  timeInForce: "GTC",
  postOnly: false,
};
const check = (change: Partial<OrderDraft>) => checkDraft({ ...draft, ...change }, market);

describe("order draft", () => {
  it("order-draft - a limit order has a price and a time in force", () => {
    expect(check({ timeInForce: "IOC" }).request).toEqual({
      market_id: market.id,
      side: "Buy",
      order_type: "Limit",
      price: 0.52,
      quantity: 10,
      time_in_force: "IOC",
    });
    expect(check({ postOnly: true }).request).toMatchObject({ post_only: true });
  });

  it("order-draft - a market order has neither, whatever the fields say", () => {
    const { request } = check({ type: "Market", side: "Sell", price: "nonsense", postOnly: true });
    expect(request).toEqual({
      market_id: market.id,
      side: "Sell",
      order_type: "Market",
      quantity: 10,
    });
  });

  it("order-draft - each field that is wrong is named, with its step", () => {
    expect(check({ price: "0.525" }).problems).toEqual({ price: expect.stringContaining("0.01") });
    expect(check({ quantity: "12" }).problems).toEqual({
      quantity: expect.stringMatching(/\b5\b/),
    });
    const both = check({ price: "", quantity: "-5" }).problems;
    expect(Object.keys(both ?? {})).toEqual(["price", "quantity"]);
  });

  it("order-draft - a decimal comma is understood, in both fields, and said as it was", () => {
    const { request } = check({ price: "0,52", quantity: "10,0" });
    expect(request).toMatchObject({ price: 0.52, quantity: 10 });
    if (request !== undefined) expect(describeRequest(request)).toBe("Buy 10 at 0.52");
    expect(check({ price: "1,5" }).request).toMatchObject({ price: 1.5 });
  });

  it("order-draft - what may be two numbers is neither", () => {
    expect(check({ price: "1,000" }).problems).toEqual({
      price: expect.stringContaining("1000 or 1.000"),
    });
    expect(check({ type: "Market", quantity: "1,000" }).problems).toEqual({
      quantity: expect.stringContaining("1000 or 1.000"),
    });
  });
});
