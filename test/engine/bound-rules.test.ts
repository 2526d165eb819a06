import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/engine/commands.js";
import type { MarketBounds } from "../../src/engine/market-bounds.js";
import type { OrderTerms } from "../../src/engine/order.js";
import { orderTerms } from "../support/order-terms.js";
import { outcome, rejection, Venue } from "../support/venue.js";

/** A market of ticks of 0.01 and lots of 0.1 with bounds; orders of 10 lots to buy at 50 ticks by default. */
const venueOf = (bounds: MarketBounds): Venue => new Venue({ maxOpenOrders: 50 }, bounds);

/** One that has traded a lot at a price, in ticks, between wallets that nobody else is. */
function tradedAt(price: number, bounds: MarketBounds): Venue {
  const venue = venueOf(bounds);
  venue.place({ wallet: "maker", side: "Sell", price, quantity: 1 });
  venue.place({ wallet: "taker", price, quantity: 1 });
  return venue;
}

const MARKET = { orderType: "Market", timeInForce: "IOC", price: undefined } as const;
const details = (events: readonly EngineEvent[]): unknown => {
  const refused = rejection(events);
  return refused instanceof Object && "details" in refused ? refused.details : refused;
};

describe("bound rules: price band", () => {
  const BAND = { priceBandPercent: 10 };

  it.each([
    ["Buy", 45, undefined],
    ["Sell", 55, undefined],
    ["Buy", 44, 0.45],
    ["Sell", 44, 0.45],
    ["Buy", 56, 0.55],
    ["Sell", 56, 0.55],
  ] as const)(
    "bound rules - about a trade at 50, an order to %s at %i meets %s",
    (side, price, limit) => {
      const events = tradedAt(50, BAND).place({ side, price });
      if (limit === undefined) expect(outcome(events).status).toBe("Open");
      else
        expect(rejection(events)).toEqual({
          code: "ORDER_REJECTED",
          message: `price ${price / 100} is ${price < 50 ? "below" : "over"} ${limit}, the end of the band of 10 % about the last trade of market 1, at 0.5`,
          details: { rule: "price_band", field: "price", value: price / 100, limit },
        });
    },
  );

  it("bound rules - a market that has not traded has no band, and other markets have none", () => {
    const venue = venueOf(BAND);
    expect(outcome(venue.place({ price: 1 })).status).toBe("Open");
    expect(outcome(venue.place({ price: 5000, side: "Sell" })).status).toBe("Open");
    const traded = tradedAt(50, BAND);
    expect(outcome(traded.place({ price: 5, marketId: 2 })).status).toBe("Open");
  });

  it("bound rules - the band goes with the last trade", () => {
    const venue = tradedAt(50, BAND);
    venue.place({ wallet: "maker", side: "Sell", price: 55, quantity: 1 });
    venue.place({ wallet: "taker", price: 55, quantity: 1 });
    expect(outcome(venue.place({ price: 60 })).status).toBe("Open");
    expect(details(venue.place({ price: 61 }))).toMatchObject({ rule: "price_band", limit: 0.6 });
  });

  it("bound rules - a Market order trades up to the band's end, which its own trades do not move", () => {
    const venue = tradedAt(60, BAND);
    venue.place({ wallet: "m", side: "Sell", price: 66, quantity: 5 });
    venue.place({ wallet: "m", side: "Sell", price: 61, quantity: 3 });
    venue.place({ wallet: "m", side: "Sell", price: 55, quantity: 3 });
    venue.place({ wallet: "t", price: 55, quantity: 1 });
    venue.place({ wallet: "m", side: "Sell", price: 60, quantity: 2 });
    // The last trade was at 55, so the band ends at 60, though that of 60 would take it on to 66.
    const stopped = outcome(venue.place({ wallet: "t", quantity: 20, ...MARKET }));
    expect(stopped).toMatchObject({ status: "Cancelled", filled: 4, reasonCode: "price_band" });
    expect(stopped.reason).toBe(
      "market order: there is no more to trade with inside the market's price band",
    );
    expect(venue.book(1)?.best("Sell")).toBe(61);
    const next = outcome(venue.place({ wallet: "t", quantity: 20, ...MARKET }));
    expect(next).toMatchObject({ status: "Cancelled", filled: 8, reasonCode: "market_order" });
  });

  it("bound rules - a Market order that finds nothing inside the band is cancelled with nothing filled", () => {
    const venue = venueOf(BAND);
    venue.place({ wallet: "m", side: "Sell", price: 90, quantity: 5 });
    venue.place({ wallet: "m", side: "Sell", price: 50, quantity: 1 });
    venue.place({ wallet: "t", price: 50, quantity: 1 });
    const stopped = outcome(venue.place({ wallet: "t", quantity: 20, ...MARKET }));
    expect(stopped).toMatchObject({ status: "Cancelled", filled: 0, reasonCode: "price_band" });
  });

  it("bound rules - a Market order to sell stops at the lower end, and self-trade is told as such", () => {
    const venue = tradedAt(40, BAND);
    venue.place({ wallet: "m", price: 36, quantity: 4 });
    venue.place({ wallet: "x", side: "Sell", price: 44, quantity: 1 });
    venue.place({ wallet: "y", price: 44, quantity: 1 });
    const stopped = outcome(venue.place({ wallet: "t", side: "Sell", quantity: 9, ...MARKET }));
    expect(stopped).toMatchObject({ status: "Cancelled", filled: 0, reasonCode: "price_band" });
    venue.place({ wallet: "t", price: 43, quantity: 1 });
    const own = outcome(venue.place({ wallet: "t", side: "Sell", quantity: 9, ...MARKET }));
    expect(own).toMatchObject({ status: "Cancelled", filled: 0, reasonCode: "self_trade" });
  });

  it("bound rules - an amend keeps to the band; an order that has fallen out of it may be reduced", () => {
    const venue = tradedAt(50, BAND);
    venue.place({ wallet: "a", price: 45, quantity: 5 });
    expect(details(venue.amend(3, { price: 44 }, "a"))).toEqual({
      rule: "price_band",
      field: "price",
      value: 0.44,
      limit: 0.45,
    });
    venue.place({ wallet: "b", side: "Sell", price: 55, quantity: 1 });
    venue.place({ wallet: "c", price: 55, quantity: 1 });
    expect(details(venue.amend(3, { quantity: 6 }, "a"))).toMatchObject({ rule: "price_band" });
    expect(outcome(venue.amend(3, { quantity: 4 }, "a"))).toMatchObject({ quantity: 4 });
  });
});

describe("bound rules: largest position", () => {
  const MOST = { maxPosition: 2 };

  it("bound rules - open orders of a side count as filled, and the other side's as not", () => {
    const venue = venueOf(MOST);
    venue.place({ wallet: "a", quantity: 12 });
    venue.place({ wallet: "a", side: "Sell", price: 60, quantity: 20 });
    expect(rejection(venue.place({ wallet: "a", quantity: 9 }))).toEqual({
      code: "ORDER_REJECTED",
      message: "quantity 0.9 could take the position in market 1 past 2",
      details: { rule: "max_position", field: "quantity", value: 0.9, limit: 2 },
    });
    expect(outcome(venue.place({ wallet: "a", quantity: 8 })).status).toBe("Open");
    expect(
      details(venue.place({ wallet: "a", side: "Sell", price: 60, quantity: 1 })),
    ).toMatchObject({ rule: "max_position" });
    expect(outcome(venue.place({ wallet: "b", quantity: 20 })).status).toBe("Open");
    expect(outcome(venue.place({ wallet: "a", quantity: 20, marketId: 2 })).status).toBe("Open");
  });

  it("bound rules - a position can be closed and turned round, but not past the bound on the other side", () => {
    const venue = venueOf(MOST);
    venue.place({ wallet: "b", side: "Sell", quantity: 20 });
    venue.place({ wallet: "a", quantity: 20 });
    expect([...venue.positions("a")]).toMatchObject([{ quantity: 20 }]);
    const market = { wallet: "a", side: "Sell", ...MARKET } as const;
    expect(details(venue.place({ ...market, quantity: 41 }))).toMatchObject({
      rule: "max_position",
      value: 4.1,
      limit: 2,
    });
    expect(details(venue.place({ wallet: "a", quantity: 1 }))).toMatchObject({
      rule: "max_position",
    });
    venue.place({ wallet: "b", quantity: 40 });
    expect(outcome(venue.place({ ...market, quantity: 40 })).status).toBe("Filled");
    expect([...venue.positions("a")]).toMatchObject([{ quantity: -20 }]);
  });

  it("bound rules - an amend counts what is not filled of the order anew, and a cancel gives it back", () => {
    const venue = venueOf(MOST);
    venue.place({ wallet: "a", quantity: 15 });
    venue.place({ wallet: "b", side: "Sell", quantity: 5 });
    expect(details(venue.amend(1, { quantity: 21 }, "a"))).toMatchObject({
      rule: "max_position",
      value: 2.1,
    });
    expect(outcome(venue.amend(1, { quantity: 20 }, "a"))).toMatchObject({
      quantity: 20,
      filled: 5,
    });
    expect(details(venue.place({ wallet: "a", quantity: 1 }))).toMatchObject({
      rule: "max_position",
    });
    venue.cancel("a", 1);
    expect(outcome(venue.place({ wallet: "a", quantity: 15 })).status).toBe("Open");
  });
});

describe("bound rules: largest order value", () => {
  const VALUE = { maxOrderValue: 0.5 };

  it("bound rules - a Limit order to buy is worth its price × quantity", () => {
    const venue = venueOf(VALUE);
    expect(outcome(venue.place({ quantity: 10 })).status).toBe("Open");
    expect(rejection(venue.place({ quantity: 11 }))).toEqual({
      code: "ORDER_REJECTED",
      message: "the order's value, 0.55, is over the largest, 0.5",
      details: { rule: "max_order_value", field: null, value: 0.55, limit: 0.5 },
    });
    expect(details(venue.place({ price: 51 }))).toMatchObject({ value: 0.51 });
  });

  it("bound rules - an order to sell is worth what it meets, and its price × what is left", () => {
    const venue = venueOf(VALUE);
    venue.place({ wallet: "b", price: 50, quantity: 4 });
    venue.place({ wallet: "b", price: 30, quantity: 4 });
    const sell = { side: "Sell", wallet: "a" } as const;
    // 4 at 0.5, 4 at 0.3 and 9 at 0.2, of 0.1 each.
    expect(details(venue.place({ ...sell, price: 20, quantity: 18 }))).toMatchObject({
      rule: "max_order_value",
      value: 0.52,
    });
    const filled = outcome(venue.place({ ...sell, price: 20, quantity: 17 }));
    expect(filled).toMatchObject({ filled: 8, status: "PartiallyFilled" });
  });

  it("bound rules - a Market order is worth what it would trade for at once, in the band", () => {
    const venue = venueOf(VALUE);
    venue.place({ wallet: "b", side: "Sell", price: 10, quantity: 40 });
    venue.place({ wallet: "b", side: "Sell", price: 20, quantity: 5 });
    venue.place({ wallet: "b", side: "Sell", price: 90, quantity: 5 });
    const buy = { wallet: "a", ...MARKET } as const;
    expect(details(venue.place({ ...buy, quantity: 46 }))).toMatchObject({ value: 0.59 });
    expect(outcome(venue.place({ ...buy, quantity: 45 }))).toMatchObject({ status: "Filled" });
    venue.place({ wallet: "b", side: "Sell", price: 91, quantity: 5 });
    venue.place({ wallet: "b", side: "Sell", price: 92, quantity: 5 });
    // 5 at 0.9 and 5 at 0.91 pass it; what is behind them is not counted.
    expect(details(venue.place({ ...buy, quantity: 1e6 }))).toMatchObject({ value: 0.905 });
    const banded = tradedAt(50, { ...VALUE, priceBandPercent: 10 });
    banded.place({ wallet: "b", side: "Sell", price: 55, quantity: 9 });
    expect(outcome(banded.place({ ...buy, quantity: 1e6 }))).toMatchObject({ filled: 9 });
    // Nothing there, nothing worth.
    expect(outcome(banded.place({ ...buy, quantity: 1e6 }))).toMatchObject({
      filled: 0,
      reasonCode: "market_order",
    });
  });

  it("bound rules - what its own wallet has in the book an order does not trade", () => {
    const venue = venueOf(VALUE);
    venue.place({ wallet: "a", side: "Sell", price: 50, quantity: 10 });
    venue.place({ wallet: "b", side: "Sell", price: 60, quantity: 8 });
    const buy = { wallet: "a", quantity: 9, ...MARKET } as const;
    expect(outcome(venue.place({ ...buy, quantity: 90 }))).toMatchObject({
      filled: 0,
      reasonCode: "self_trade",
    });
    venue.place({ wallet: "b", side: "Sell", price: 61, quantity: 1 });
    const passing: Partial<OrderTerms> = { ...buy, selfTrade: "CancelMaker" };
    expect(details(venue.place(passing))).toMatchObject({ value: 0.541 });
    expect(outcome(venue.place({ ...passing, quantity: 8 }))).toMatchObject({ status: "Filled" });
  });

  it("bound rules - an amended order is worth what was paid, and what is left at its new price", () => {
    const venue = venueOf(VALUE);
    venue.place({ wallet: "b", side: "Sell", price: 20, quantity: 5 });
    venue.place({ wallet: "a", price: 50, quantity: 10 });
    // 5 at 0.2, and 9 at 0.5.
    expect(details(venue.amend(2, { quantity: 14 }, "a"))).toMatchObject({ value: 0.55 });
    expect(outcome(venue.amend(2, { quantity: 13 }, "a"))).toMatchObject({ quantity: 13 });
    const sold = venueOf(VALUE);
    sold.place({ wallet: "b", price: 50, quantity: 4 });
    sold.place({ wallet: "a", side: "Sell", price: 20, quantity: 6 });
    // 4 at 0.5, and 16 at 0.2.
    expect(details(sold.amend(2, { quantity: 20 }, "a"))).toMatchObject({ value: 0.52 });
    expect(outcome(sold.amend(2, { quantity: 19 }, "a"))).toMatchObject({ quantity: 19 });
  });

  it("bound rules - values past 2^53 are exact", () => {
    const venue = venueOf({ maxOrderValue: 9_007_199_254.740_992 });
    const events = venue.place({ price: 3_002_399_751_581, quantity: 3 });
    expect(details(events)).toMatchObject({ rule: "max_order_value", value: 9_007_199_254.743 });
    expect(outcome(venue.place({ price: 3_002_399_751_580, quantity: 3 })).status).toBe("Open");
  });
});

describe("bound rules: all of them", () => {
  const ALL = { priceBandPercent: 10, maxPosition: 1, maxOrderValue: 0.5 };

  it("bound rules - the band comes before the value, the value before the position, all before post-only", () => {
    const venue = tradedAt(50, ALL);
    venue.place({ wallet: "m", side: "Sell", price: 52, quantity: 9 });
    const rule = (given: Partial<OrderTerms>) =>
      details(venue.place({ wallet: "a", ...given, postOnly: true }));
    expect(rule({ price: 60, quantity: 20 })).toMatchObject({ rule: "price_band" });
    expect(rule({ price: 52, quantity: 20 })).toMatchObject({ rule: "max_order_value" });
    expect(rule({ price: 45, quantity: 11 })).toMatchObject({ rule: "max_position" });
    expect(rule({ price: 52, quantity: 1 })).toMatchObject({ rule: "post_only" });
  });

  it("bound rules - to ask whether an order would be taken tells of bounds, and changes nothing", () => {
    const venue = tradedAt(50, ALL);
    venue.takeChanges();
    const ask = (terms: Partial<OrderTerms>) =>
      venue.tell({
        type: "place",
        terms: orderTerms({ wallet: "a", ...terms }),
        validateOnly: true,
      });
    expect(details(ask({ price: 60 }))).toMatchObject({ rule: "price_band" });
    expect(details(ask({ price: 55 }))).toMatchObject({ rule: "max_order_value" });
    expect(details(ask({ price: 45, quantity: 11 }))).toMatchObject({ rule: "max_position" });
    expect(ask({ price: 50 })).toEqual([{ type: "validated" }]);
    expect(venue.takeChanges().orders).toEqual([]);
  });
});
