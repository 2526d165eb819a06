import { describe, expect, it } from "vitest";
import {
  type OrderRequestFlags,
  orderReference,
  orderRequest,
  parseTime,
} from "../../src/cli/order-request.js";

const LIMIT: OrderRequestFlags = {
  ...{ market: 1001, side: "Buy", type: "Limit", price: 0.5, quantity: 10 },
};
const { price: _, ...UNPRICED } = LIMIT;
const MARKET: OrderRequestFlags = { ...UNPRICED, type: "Market" };

describe("order request", () => {
  it("order request - has what flags say, and no more", () => {
    expect(orderRequest({ ...LIMIT, clientOrderId: "a" })).toEqual({
      ...{ market_id: 1001, side: "Buy", order_type: "Limit", price: 0.5, quantity: 10 },
      client_order_id: "a",
    });
    const all = { ...LIMIT, tif: "IOC", postOnly: true, clientOrderId: "a" } as const;
    expect(orderRequest(all)).toMatchObject({ time_in_force: "IOC", post_only: true });
    expect(orderRequest({ ...MARKET, tif: "IOC", clientOrderId: "a" })).toEqual({
      ...{ market_id: 1001, side: "Buy", order_type: "Market", quantity: 10, client_order_id: "a" },
    });
  });

  it("order request - a client order id is made where none is given, another one each time", () => {
    const [first, second] = [orderRequest(LIMIT), orderRequest(LIMIT)];
    expect(first.client_order_id).toMatch(/^[A-Za-z0-9_-]{1,36}$/);
    expect(second.client_order_id).not.toBe(first.client_order_id);
  });

  it.each([
    [UNPRICED, "price: a Limit order needs one (flag --price)"],
    [{ ...LIMIT, type: "Market" }, "price: is for a Limit order only"],
    [{ ...MARKET, postOnly: true }, "post-only: is for a Limit order only"],
    [{ ...LIMIT, tif: "GTD" }, "expires: a GTD order needs it"],
    [{ ...LIMIT, tif: "GTC", expires: 1 }, "expires: a GTD order needs it"],
    [{ ...MARKET, expires: 1 }, "expires: is for a Limit order only"],
    [{ ...MARKET, tif: "GTC" }, "tif: a Market order is IOC (flag --tif)"],
  ] satisfies [OrderRequestFlags, string][])("order request - %j is refused", (flags, message) => {
    expect(() => orderRequest(flags)).toThrow(message);
  });

  it("order request - a time has a date and a zone, and makes a GTD order", () => {
    expect(parseTime("2027-01-31T17:00:00Z")).toBe(1_801_414_800_000_000);
    for (const text of ["2027-01-31", "2027-01-31T17:00:00", "soon", "1801414800000"])
      expect(() => parseTime(text)).toThrow("not a time");
    const dated = {
      ...LIMIT,
      expires: 5_000_000,
      selfTrade: "CancelBoth",
    } as const;
    expect(orderRequest(dated)).toMatchObject({
      time_in_force: "GTD",
      expires_ts: 5_000_000,
      self_trade: "CancelBoth",
    });
  });

  it("order request - an order is named in one way", () => {
    expect(orderReference({ orderId: "1" })).toEqual({ order_id: "1" });
    expect(orderReference({ clientOrderId: "a" })).toEqual({ client_order_id: "a" });
    const message = "order-id, client-order-id: one of them must be given, and not both";
    expect(() => orderReference({})).toThrow(message);
    expect(() => orderReference({ orderId: "1", clientOrderId: "a" })).toThrow(message);
  });
});
