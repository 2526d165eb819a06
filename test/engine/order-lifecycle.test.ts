import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/engine/commands.js";
import type { OrderTerms } from "../../src/engine/order.js";
import { ids, outcome, rejection, Venue } from "../support/venue.js";

/** Who a taker of 1 lot trades with, one after the other, until nobody is left. */
function makers(venue: Venue, terms: Partial<OrderTerms>): number[] {
  const found: number[] = [];
  for (;;) {
    const events = venue.place({ wallet: "taker", timeInForce: "IOC", quantity: 1, ...terms });
    const trade = events.find(({ type }) => type === "trade");
    if (trade?.type !== "trade") return [...new Set(found)];
    found.push(trade.trade.makerOrderId);
  }
}

const trades = (events: readonly EngineEvent[]) =>
  events.flatMap((event) => (event.type === "trade" ? [event.trade] : []));

describe("order lifecycle: amends", () => {
  it("order lifecycle - less quantity at its price keeps an order's place", () => {
    const venue = new Venue();
    venue.place({ wallet: "a", quantity: 5 });
    venue.place({ wallet: "b", quantity: 5 });
    const amended = outcome(venue.amend(1, { quantity: 2 }, "a"));
    expect(amended).toMatchObject({ quantity: 2, status: "Open", priority: 1 });
    expect(amended.original).toEqual({ price: 50, quantity: 5 });
    expect(makers(venue, { side: "Sell" })).toEqual([1, 2]);
    expect(outcome(venue.place({ side: "Sell", wallet: "a" })).status).toBe("Open");
  });

  it.each<readonly [string, readonly { readonly price?: number; readonly quantity?: number }[]]>([
    ["more quantity", [{ quantity: 6 }]],
    ["another price and back", [{ price: 49 }, { price: 50 }]],
    [
      "less quantity at another price",
      [
        { price: 49, quantity: 4 },
        { price: 50, quantity: 3 },
      ],
    ],
  ])("order lifecycle - %s takes an order's place from it", (_, amends) => {
    const venue = new Venue();
    venue.place({ wallet: "a", quantity: 5 });
    venue.place({ wallet: "b", quantity: 5 });
    for (const to of amends) expect(outcome(venue.amend(1, to, "a"))).toMatchObject(to);
    expect(makers(venue, { side: "Sell" })).toEqual([2, 1]);
  });

  it("order lifecycle - to be amended to what it is changes nothing of an order", () => {
    const venue = new Venue();
    venue.place({ wallet: "a" });
    venue.place({ wallet: "b" });
    venue.takeChanges();
    const events = venue.amend(1, { price: 50, quantity: 10 }, "a");
    expect(events).toEqual([{ type: "unchanged", order: venue.openOrder(1) }]);
    expect(venue.takeChanges().orders).toEqual([]);
    expect(makers(venue, { side: "Sell" })).toEqual([1, 2]);
  });

  it("order lifecycle - an amended order trades where it meets others, and rests with what is left", () => {
    const venue = new Venue();
    venue.place({ wallet: "maker", side: "Sell", price: 55, quantity: 4 });
    venue.place({ wallet: "a", price: 50, quantity: 10, clientOrderId: "c" });
    const events = venue.amend(2, { price: 56 }, "a");
    expect(trades(events)).toMatchObject([
      { makerOrderId: 1, takerOrderId: 2, price: 55, quantity: 4, takerSide: "Buy" },
    ]);
    expect(outcome(events)).toMatchObject({ status: "PartiallyFilled", filled: 4, price: 56 });
    expect(venue.book(1)?.best("Buy")).toBe(56);
    // Its name is its own still, and what is filled stays.
    const byName = venue.tell({
      type: "amend",
      wallet: "a",
      order: { clientOrderId: "c" },
      quantity: 5,
    });
    expect(outcome(byName)).toMatchObject({ orderId: 2, quantity: 5, filled: 4 });
  });

  it("order lifecycle - amended to what is filled, an order is finished; below that it is refused", () => {
    const venue = new Venue();
    venue.place({ wallet: "a", quantity: 10 });
    venue.place({ wallet: "b", side: "Sell", quantity: 4 });
    expect(rejection(venue.amend(1, { quantity: 3 }, "a"))).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "below_filled", field: "quantity", value: 0.3, limit: 0.4 },
    });
    expect(outcome(venue.amend(1, { quantity: 4 }, "a"))).toMatchObject({
      status: "Filled",
      filled: 4,
      quantity: 4,
      reason: undefined,
    });
    expect([venue.openCount("a"), venue.book(1)?.best("Buy")]).toEqual([0, undefined]);
    expect(rejection(venue.amend(1, { quantity: 5 }, "a"))).toMatchObject({
      code: "ORDER_NOT_FOUND",
    });
  });

  it("order lifecycle - a post-only order is not amended to where it would trade", () => {
    const venue = new Venue();
    venue.place({ wallet: "b", side: "Sell", price: 55 });
    venue.place({ wallet: "a", postOnly: true });
    expect(rejection(venue.amend(2, { price: 55 }, "a"))).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "post_only", field: "price", value: 0.55, limit: 0.55 },
    });
    expect(outcome(venue.amend(2, { price: 54 }, "a"))).toMatchObject({ price: 54 });
  });

  it("order lifecycle - where a market is halted an order is only reduced", () => {
    const venue = new Venue();
    venue.place({ wallet: "a" });
    venue.tell({ type: "set-status", marketId: 1, status: "Halted" });
    for (const to of [{ quantity: 11 }, { price: 49 }, { price: 49, quantity: 5 }])
      expect(rejection(venue.amend(1, to, "a"))).toMatchObject({ code: "MARKET_NOT_ACTIVE" });
    expect(outcome(venue.amend(1, { quantity: 9 }, "a"))).toMatchObject({ quantity: 9 });
  });

  it("order lifecycle - nobody amends another wallet's order, nor past what is exact", () => {
    const venue = new Venue();
    const most = Number.MAX_SAFE_INTEGER;
    venue.place({ wallet: "a", quantity: most - 5 });
    venue.place({ wallet: "a", quantity: 5, price: 49 });
    expect(rejection(venue.amend(1, { quantity: 1 }, "b"))).toMatchObject({
      code: "ORDER_NOT_FOUND",
    });
    expect(rejection(venue.amend(2, { quantity: 6 }, "a"))).toMatchObject({
      details: { rule: "exact_position" },
    });
    expect(outcome(venue.amend(1, { quantity: most - 6 }, "a")).quantity).toBe(most - 6);
    expect(outcome(venue.amend(2, { quantity: 6 }, "a")).quantity).toBe(6);
  });
});

describe("order lifecycle: self-trade prevention", () => {
  /** A wallet's order of 4 lots between those of others, and one of 10 that would meet all. */
  function meet(selfTrade: OrderTerms["selfTrade"], given: Partial<OrderTerms> = {}) {
    const venue = new Venue();
    venue.place({ wallet: "b", side: "Sell", price: 50, quantity: 3 });
    venue.place({ wallet: "a", side: "Sell", price: 51, quantity: 4, selfTrade: "CancelBoth" });
    venue.place({ wallet: "b", side: "Sell", price: 52, quantity: 9 });
    const events = venue.place({ wallet: "a", price: 53, quantity: 10, selfTrade, ...given });
    return { venue, events, own: venue.openOrder(2) };
  }

  it("order lifecycle - CancelTaker ends the order that comes", () => {
    const { events, own } = meet("CancelTaker");
    expect(outcome(events)).toMatchObject({
      status: "Cancelled",
      filled: 3,
      reasonCode: "self_trade",
    });
    expect(own?.status).toBe("Open");
  });

  it("order lifecycle - CancelMaker ends the one that rests, and the other goes on", () => {
    const { events, own } = meet("CancelMaker");
    expect(outcome(events)).toMatchObject({ status: "Filled", filled: 10 });
    expect(trades(events).map(({ makerOrderId }) => makerOrderId)).toEqual([1, 3]);
    expect(own).toBeUndefined();
    expect(events).toContainEqual({
      type: "order",
      order: expect.objectContaining({
        orderId: 2,
        status: "Cancelled",
        reasonCode: "self_trade",
      }),
    });
  });

  it("order lifecycle - CancelBoth ends both", () => {
    const { events, own } = meet("CancelBoth");
    expect(outcome(events)).toMatchObject({
      status: "Cancelled",
      filled: 3,
      reasonCode: "self_trade",
    });
    expect(own).toBeUndefined();
  });

  it("order lifecycle - a FOK order passes its wallet's orders with CancelMaker, and ends none in vain", () => {
    const fok = { timeInForce: "FOK" } as const;
    expect(outcome(meet("CancelMaker", fok).events).status).toBe("Filled");
    for (const [selfTrade, quantity] of [
      ["CancelMaker", 13],
      ["CancelBoth", 10],
      ["CancelTaker", 10],
    ] as const) {
      const { events, own } = meet(selfTrade, { ...fok, quantity });
      expect(outcome(events)).toMatchObject({ filled: 0, reasonCode: "fill_or_kill" });
      expect(own?.status).toBe("Open");
    }
  });
});

describe("order lifecycle: many at once", () => {
  it("order lifecycle - a mass cancel takes what fits, and leaves other wallets alone", () => {
    const venue = new Venue();
    venue.place({ wallet: "a" });
    venue.place({ wallet: "a", side: "Sell", price: 60 });
    venue.place({ wallet: "a", marketId: 2 });
    venue.place({ wallet: "b" });
    const all = { type: "cancel-all", wallet: "a" } as const;
    expect(venue.tell({ ...all, marketId: 2, side: "Sell" })).toEqual([]);
    expect(venue.tell({ ...all, side: "Sell" })).toMatchObject([
      { type: "order", order: { orderId: 2, status: "Cancelled", reasonCode: "requested" } },
    ]);
    expect(ids(venue.openOrders("a"))).toEqual([1, 3]);
    expect(venue.tell(all)).toHaveLength(2);
    expect(ids(venue.openOrders("b"))).toEqual([4]);
  });

  it("order lifecycle - to validate an order changes nothing, whatever would come of it", () => {
    const venue = new Venue();
    venue.place({ wallet: "b", side: "Sell" });
    venue.takeChanges();
    const terms = venue.openOrder(1);
    if (terms === undefined) throw new Error("no order");
    const buy = { ...terms, wallet: "a", side: "Buy", clientOrderId: "c" } as const;
    const validate = (given: Partial<OrderTerms> = {}) =>
      venue.tell({ type: "place", terms: { ...buy, ...given }, validateOnly: true });
    expect(validate()).toEqual([{ type: "validated" }]);
    expect(rejection(validate({ postOnly: true }))).toMatchObject({
      details: { rule: "post_only" },
    });
    expect(rejection(validate({ marketId: 3 }))).toMatchObject({ code: "MARKET_NOT_FOUND" });
    expect(venue.takeChanges()).toMatchObject({ orders: [], trades: [], nextOrderId: 2 });
    expect(venue.knownOrder("a", "c", venue.ts)).toBeUndefined();
  });
});
