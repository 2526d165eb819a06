import { describe, expect, it } from "vitest";
import { checkDraft, describeRequest, type OrderDraft } from "../../web/src/model/order-draft.js";

const market = { id: "340282366920938463463374607431768211455", tickSize: 0.01, lotSize: 5 };
const draft: OrderDraft = {
  side: "Buy",
  type: "Limit",
  price: "0.52",
  quantity: "10",
  timeInForce: "GTC",
  expires: "",
  postOnly: false,
  selfTrade: "CancelTaker",
};
const NOW_MS = Date.parse("2027-01-31T17:00:00");
const check = (change: Partial<OrderDraft>) => checkDraft({ ...draft, ...change }, market, NOW_MS);

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

  it("order-draft - a GTD order has an expiry, in local time and to come, and no other has one", () => {
    const expires = "2027-01-31T17:00:01";
    expect(check({ timeInForce: "GTD", expires, postOnly: true }).request).toMatchObject({
      time_in_force: "GTD",
      expires_ts: (NOW_MS + 1000) * 1000,
      post_only: true,
    });
    for (const [typed, problem] of [
      ["", "are needed"],
      ["2027-01-31T17:00:00", "over already"],
    ] as const)
      expect(check({ timeInForce: "GTD", expires: typed }).problems).toEqual({
        expires: expect.stringContaining(problem),
      });
    expect(check({ expires }).request).not.toHaveProperty("expires_ts");
    expect(check({ type: "Market", timeInForce: "GTD", expires: "" }).problems).toBeUndefined();
  });

  it("order-draft - what is cancelled in a self-trade is said where it is not the usual", () => {
    expect(check({}).request).not.toHaveProperty("self_trade");
    for (const type of ["Limit", "Market"] as const)
      expect(check({ type, selfTrade: "CancelBoth" }).request).toMatchObject({
        self_trade: "CancelBoth",
      });
  });

  it("order-draft - what cannot rest is not Post only, whatever the box says", () => {
    for (const timeInForce of ["IOC", "FOK"] as const)
      expect(check({ timeInForce, postOnly: true }).request).not.toHaveProperty("post_only");
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
