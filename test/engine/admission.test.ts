import { describe, expect, it } from "vitest";
import type { RequestedOrder } from "../../src/contract/messages.js";
import type { OrderRule } from "../../src/contract/order-rules.js";
import { admitOrder, type TradableMarket } from "../../src/engine/admission.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";

const MARKET: TradableMarket = {
  marketId: 7,
  priceScale: DecimalScale.of(0.01) as DecimalScale,
  quantityScale: DecimalScale.of(0.5) as DecimalScale,
  maxPrice: 1,
};
const LIMITS = { maxPrice: 1000, maxQuantity: 100 };

/** Terms in place of those of a sound order; undefined for one that is to be missing. */
type Given = { readonly [Term in keyof RequestedOrder]?: RequestedOrder[Term] | undefined };

function admit(given: Given, market: TradableMarket | undefined = MARKET): unknown {
  const terms = {
    market_id: 7,
    side: "Buy",
    order_type: "Limit",
    price: 0.52,
    quantity: 10,
    ...given,
  };
  return admitOrder(terms as RequestedOrder, market, LIMITS, "alice", "session-1");
}

const marketOrder = { order_type: "Market", price: undefined } as const;

describe("admission", () => {
  it("admission - turns numbers into ticks and lots, and fills in what may be left out", () => {
    expect(admit({})).toEqual({
      marketId: 7,
      wallet: "alice",
      clientOrderId: undefined,
      side: "Buy",
      orderType: "Limit",
      timeInForce: "GTC",
      postOnly: false,
      price: 52,
      quantity: 20,
      selfTrade: "CancelTaker",
      expiresTs: undefined,
      session: "session-1",
    });
    expect(
      admit({
        ...marketOrder,
        side: "Sell",
        quantity: 0.5,
        client_order_id: "mine",
        post_only: false,
      }),
    ).toMatchObject({
      clientOrderId: "mine",
      side: "Sell",
      orderType: "Market",
      timeInForce: "IOC",
      price: undefined,
      quantity: 1,
    });
  });

  it.each<Given>([
    { post_only: true },
    { post_only: true, time_in_force: "GTC" },
    { post_only: true, time_in_force: "GTD", expires_ts: 5 },
    { time_in_force: "GTD", expires_ts: 5, self_trade: "CancelBoth" },
    { time_in_force: "IOC" },
    { time_in_force: "FOK", post_only: false },
    { ...marketOrder, time_in_force: "IOC" },
    { price: 0.01, quantity: 0.5 },
    { price: 1, quantity: 100 },
  ])("admission - takes %j", (request) => {
    expect(admit(request)).toMatchObject({ marketId: 7 });
  });

  it.each<readonly [OrderRule, string, Given]>([
    ["price_required", "a Limit order needs a price", { price: undefined }],
    ["no_price", "a Market order takes no price, and has 0.52", { order_type: "Market" }],
    [
      "market_time_in_force",
      "a Market order is IOC and cannot be GTC",
      { ...marketOrder, time_in_force: "GTC" },
    ],
    [
      "market_time_in_force",
      "a Market order is IOC and cannot be FOK",
      { ...marketOrder, time_in_force: "FOK" },
    ],
    [
      "post_only_time_in_force",
      "a post_only order is a GTC or GTD Limit order and cannot be IOC Market",
      { ...marketOrder, post_only: true },
    ],
    [
      "post_only_time_in_force",
      "a post_only order is a GTC or GTD Limit order and cannot be IOC Limit",
      { time_in_force: "IOC", post_only: true },
    ],
    [
      "post_only_time_in_force",
      "a post_only order is a GTC or GTD Limit order and cannot be FOK Limit",
      { time_in_force: "FOK", post_only: true },
    ],
    ["positive_price", "price 0 is not positive", { price: 0 }],
    ["positive_price", "price -0.52 is not positive", { price: -0.52 }],
    ["positive_price", "price NaN is not positive", { price: Number.NaN }],
    ["max_price", "price Infinity is over the highest, 1", { price: Infinity }],
    ["max_price", "price 1.01 is over the highest, 1", { price: 1.01 }],
    ["tick_size", "price 0.525 is no multiple of the tick size 0.01", { price: 0.525 }],
    ["tick_size", "price 1e-9 is no multiple of the tick size 0.01", { price: 1e-9 }],
    ["positive_quantity", "quantity 0 is not positive", { quantity: 0 }],
    ["positive_quantity", "quantity -1 is not positive", { quantity: -1 }],
    ["positive_quantity", "quantity NaN is not positive", { quantity: Number.NaN }],
    ["max_quantity", "quantity Infinity is over the largest, 100", { quantity: Infinity }],
    ["max_quantity", "quantity 100.5 is over the largest, 100", { quantity: 100.5 }],
    ["lot_size", "quantity 0.25 is no multiple of the lot size 0.5", { quantity: 0.25 }],
    ["expires_ts_required", "a GTD order needs an expires_ts", { time_in_force: "GTD" }],
    ["no_expires_ts", "a GTC order takes no expires_ts, and has 5", { expires_ts: 5 }],
    [
      "market_time_in_force",
      "a Market order is IOC and cannot be GTD",
      { ...marketOrder, time_in_force: "GTD", expires_ts: 5 },
    ],
  ])("admission - %s: %s", (rule, message, request) => {
    expect(admit(request)).toMatchObject({ code: "ORDER_REJECTED", message, details: { rule } });
  });

  it("admission - the lower of the market's and the exchange's highest price counts", () => {
    const price = 1001;
    expect(admit({ price }, { ...MARKET, maxPrice: undefined })).toMatchObject({
      message: "price 1001 is over the highest, 1000",
    });
    expect(admit({ price }, { ...MARKET, maxPrice: 5000 })).toMatchObject({
      message: "price 1001 is over the highest, 1000",
    });
  });

  it("admission - no price or quantity goes beyond exact integers", () => {
    const fine = {
      ...MARKET,
      priceScale: DecimalScale.of(1e-15) as DecimalScale,
      quantityScale: DecimalScale.of(1e-15) as DecimalScale,
      maxPrice: undefined,
    };
    const largest = Number.MAX_SAFE_INTEGER / 1e15;
    expect(admit({ price: largest, quantity: largest }, fine)).toMatchObject({
      price: Number.MAX_SAFE_INTEGER,
      quantity: Number.MAX_SAFE_INTEGER,
    });
    expect(admit({ price: 9.5 }, fine)).toMatchObject({
      code: "ORDER_REJECTED",
      message: `price 9.5 is over the largest exact one, ${largest}`,
    });
    expect(admit({ price: 1, quantity: 9.5 }, fine)).toMatchObject({
      code: "ORDER_REJECTED",
      message: `quantity 9.5 is over the largest exact one, ${largest}`,
    });
  });

  it("admission - checks the market, the combination, the price and the quantity, in this order", () => {
    const wrong = { price: -1, quantity: -2, time_in_force: "FOK", post_only: true } as const;
    const request: RequestedOrder = { market_id: 8, side: "Buy", order_type: "Limit", ...wrong };
    expect(admitOrder(request, undefined, LIMITS, "alice", undefined)).toEqual({
      code: "MARKET_NOT_FOUND",
      message: "market 8 is not listed",
    });
    expect(admit(wrong)).toMatchObject({ message: expect.stringContaining("post_only") });
    expect(admit({ ...wrong, post_only: false })).toMatchObject({
      message: "price -1 is not positive",
    });
    expect(admit({ ...wrong, post_only: false, price: 0.5 })).toMatchObject({
      message: "quantity -2 is not positive",
    });
  });
});
