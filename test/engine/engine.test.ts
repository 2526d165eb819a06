import { describe, expect, it } from "vitest";
import type { Order, OrderTerms } from "../../src/engine/order.js";
import { createBook } from "../../src/shared/market.js";
import { instrument } from "../support/engine-commands.js";
import { orderTerms } from "../support/order-terms.js";
import { ids, outcome, rejection, Venue } from "../support/venue.js";

const DAY = 86_400_000_000;

describe("engine: placing", () => {
  it("engine - an order that meets nothing rests, and is told as it is", () => {
    const venue = new Venue();
    expect(venue.place({ clientOrderId: "c", session: "s" })).toEqual([
      {
        type: "order",
        order: {
          ...orderTerms({ clientOrderId: "c", session: "s" }),
          orderId: 1,
          filled: 0,
          filledValue: 0n,
          status: "Open",
          reason: undefined,
          reasonCode: undefined,
          priority: 1,
          original: undefined,
          createdTs: venue.ts,
          updatedTs: venue.ts,
        },
      },
    ]);
    expect(venue.book(1)?.best("Buy")).toBe(50);
    expect(ids(venue.openOrders("alice"))).toEqual([1]);
  });

  it("engine - tells trades with the makers' orders, then the taker's, then the positions", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", price: 50, quantity: 4 });
    venue.place({ wallet: "carol", side: "Sell", price: 49, quantity: 8 });
    const events = venue.place({ price: 50, quantity: 10 });
    const { ts } = venue;
    const trade = { marketId: 1, takerSide: "Buy", takerOrderId: 3, takerWallet: "alice", ts };
    expect(events).toMatchObject([
      {
        type: "trade",
        trade: { ...trade, tradeId: 1, price: 49, quantity: 8, makerOrderId: 2 },
      },
      { type: "order", order: { orderId: 2, filled: 8, filledValue: 392n, status: "Filled" } },
      {
        type: "trade",
        trade: {
          ...trade,
          tradeId: 2,
          price: 50,
          quantity: 2,
          makerOrderId: 1,
          makerWallet: "bob",
        },
      },
      {
        type: "order",
        order: { orderId: 1, filled: 2, filledValue: 100n, status: "PartiallyFilled" },
      },
      {
        type: "order",
        order: { orderId: 3, filled: 10, filledValue: 492n, status: "Filled", updatedTs: ts },
      },
      { type: "position", position: { wallet: "alice", quantity: 10, cost: 492n } },
      { type: "position", position: { wallet: "carol", quantity: -8, cost: -392n } },
      { type: "position", position: { wallet: "bob", quantity: -2, cost: -100n } },
    ]);
    expect(events).toHaveLength(8);
    expect(venue.totals(1)).toEqual({ marketId: 1, lastPrice: 50, volume: 10 });
    expect(venue.openOrder(1)).toMatchObject({ filled: 2 });
    expect(venue.openOrder(2)).toBeUndefined();
  });

  it("engine - the rest of a good-till-cancelled order rests at its price", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", price: 48, quantity: 4 });
    expect(outcome(venue.place())).toMatchObject({ filled: 4, status: "PartiallyFilled" });
    const { bids, asks } = createBook();
    venue.book(1)?.levels("Buy", bids);
    venue.book(1)?.levels("Sell", asks);
    expect([bids.price[0], bids.quantity[0], bids.length, asks.length]).toEqual([50, 6, 1, 0]);
  });

  it.each<readonly [string, Partial<OrderTerms>]>([
    [
      "immediate-or-cancel: there is no more to trade with at this price",
      { timeInForce: "IOC", price: 48 },
    ],
    [
      "market order: there is no more to trade with",
      { orderType: "Market", timeInForce: "IOC", price: undefined },
    ],
  ])("engine - %s", (reason, terms) => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", price: 48, quantity: 4 });
    expect(outcome(venue.place({ ...terms, session: "s" }))).toMatchObject({
      filled: 4,
      status: "Cancelled",
      reason,
    });
    expect([ids(venue.openOrders("alice")), [...venue.sessions()]]).toEqual([[], []]);
    expect(venue.book(1)?.best("Buy")).toBeUndefined();
  });

  it("engine - a market order trades at any price, on both sides", () => {
    const venue = new Venue();
    const market = { orderType: "Market", timeInForce: "IOC", price: undefined } as const;
    venue.place({ wallet: "bob", side: "Sell", price: Number.MAX_SAFE_INTEGER, quantity: 1 });
    venue.place({ wallet: "bob", side: "Buy", price: 1, quantity: 1 });
    expect(outcome(venue.place({ ...market, quantity: 1 })).status).toBe("Filled");
    expect(outcome(venue.place({ ...market, side: "Sell", quantity: 1 })).status).toBe("Filled");
  });

  it("engine - fill-or-kill trades all of it or nothing", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", price: 48, quantity: 4 });
    venue.place({ wallet: "bob", side: "Sell", price: 50, quantity: 6 });
    const killed = venue.place({ timeInForce: "FOK", quantity: 11 });
    expect(killed).toHaveLength(1);
    expect(outcome(killed)).toMatchObject({
      filled: 0,
      status: "Cancelled",
      reason: "fill-or-kill: not all of it can be filled at once",
    });
    expect(outcome(venue.place({ timeInForce: "FOK", price: 49 })).status).toBe("Cancelled");
    expect(outcome(venue.place({ timeInForce: "FOK" }))).toMatchObject({
      filled: 10,
      status: "Filled",
    });
  });

  it("engine - an order of the same wallet is in a fill-or-kill order's way", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", price: 48, quantity: 4 });
    venue.place({ side: "Sell", price: 49, quantity: 4 });
    venue.place({ wallet: "bob", side: "Sell", price: 50, quantity: 6 });
    expect(outcome(venue.place({ timeInForce: "FOK", quantity: 5 })).filled).toBe(0);
    expect(outcome(venue.place({ timeInForce: "FOK", quantity: 4 })).status).toBe("Filled");
  });

  it.each(["GTC", "IOC"] as const)(
    "engine - %s: it trades until it meets an order of its wallet, which stays",
    (timeInForce) => {
      const venue = new Venue();
      venue.place({ wallet: "bob", side: "Sell", price: 48, quantity: 4 });
      venue.place({ side: "Sell", price: 49, quantity: 4 });
      expect(outcome(venue.place({ timeInForce }))).toMatchObject({
        filled: 4,
        status: "Cancelled",
        reason: "self-trade prevention: the rest would trade with an order of the same wallet",
      });
      expect(ids(venue.openOrders("alice"))).toEqual([2]);
      expect(venue.openOrder(2)).toMatchObject({ filled: 0, status: "Open" });
    },
  );

  it("engine - a wallet's orders on both sides stand while they do not cross", () => {
    const venue = new Venue();
    venue.place({ side: "Sell", price: 51 });
    expect(outcome(venue.place({ price: 50 })).status).toBe("Open");
  });

  it("engine - a post-only order rests, or is refused where it would trade, with its wallet too", () => {
    const venue = new Venue();
    venue.place({ side: "Sell", price: 51 });
    expect(outcome(venue.place({ postOnly: true, price: 50 })).status).toBe("Open");
    expect(rejection(venue.place({ postOnly: true, price: 52 }))).toMatchObject({
      code: "ORDER_REJECTED",
      message: "a post-only order to buy at 0.52 would trade at 0.51",
    });
    expect(
      rejection(venue.place({ wallet: "bob", postOnly: true, side: "Sell", price: 50 })),
    ).toMatchObject({
      code: "ORDER_REJECTED",
      message: "a post-only order to sell at 0.5 would trade at 0.5",
    });
    expect(outcome(venue.place({ wallet: "bob", price: 1 })).orderId).toBe(3);
  });

  it("engine - refuses a market that is not listed, and one that is not active", () => {
    const venue = new Venue();
    expect(rejection(venue.place({ marketId: 3 }))).toMatchObject({
      code: "MARKET_NOT_FOUND",
      message: "market 3 is not listed",
    });
    for (const status of ["Halted", "Closed"] as const) {
      venue.execute({ type: "set-status", marketId: 2, status: "Active" }, 0);
      expect(outcome(venue.place({ marketId: 2 })).status).toBe("Open");
      venue.execute({ type: "set-status", marketId: 2, status }, 0);
      expect(venue.marketStatus(2)).toBe(status);
      expect(rejection(venue.place({ marketId: 2 }))).toMatchObject({
        code: "MARKET_NOT_ACTIVE",
        message: `market 2 is ${status} and takes no orders`,
      });
    }
    expect(
      rejection(venue.execute({ type: "set-status", marketId: 3, status: "Active" }, 0)),
    ).toMatchObject({ code: "MARKET_NOT_FOUND" });
  });

  it("engine - a halted market takes cancels", () => {
    const venue = new Venue();
    venue.place();
    venue.execute({ type: "set-status", marketId: 1, status: "Halted" }, 0);
    expect(outcome(venue.cancel("alice", 1)).status).toBe("Cancelled");
  });

  it("engine - a wallet has so many open orders at most, and may still trade at once", () => {
    const venue = new Venue();
    for (let count = 0; count < 5; count++) venue.place({ price: 40 + count });
    expect(rejection(venue.place())).toMatchObject({
      code: "ORDER_REJECTED",
      message: "the wallet has 5 open orders, as many as it may have",
      details: { rule: "max_open_orders", limit: 5 },
    });
    expect(outcome(venue.place({ timeInForce: "IOC" })).status).toBe("Cancelled");
    expect(outcome(venue.place({ wallet: "bob" })).status).toBe("Open");
    venue.cancel("alice", 1);
    expect(outcome(venue.place()).status).toBe("Open");
  });

  it("engine - no position can grow past what is exact, by open orders neither", () => {
    const venue = new Venue();
    const most = Number.MAX_SAFE_INTEGER;
    venue.place({ quantity: most - 5 });
    expect(rejection(venue.place({ quantity: 6 }))).toMatchObject({
      code: "ORDER_REJECTED",
      message: `quantity 0.6 could take the position in market 1 past ${most / 10}`,
    });
    expect(outcome(venue.place({ quantity: 5 })).status).toBe("Open");
    expect(outcome(venue.place({ side: "Sell", price: 60, quantity: most })).status).toBe("Open");
    expect(outcome(venue.place({ marketId: 2, quantity: most })).status).toBe("Open");
    // What is held counts as what is on its way to be: a fill changes nothing, a cancel does.
    venue.place({ wallet: "bob", side: "Sell", quantity: 100 });
    expect(rejection(venue.place({ quantity: 1 }))).toMatchObject({ code: "ORDER_REJECTED" });
    venue.cancel("alice", 1);
    expect(outcome(venue.place({ quantity: most - 105 })).status).toBe("Open");
    expect(rejection(venue.place({ quantity: 1 }))).toMatchObject({ code: "ORDER_REJECTED" });
  });

  it("engine - the volume stops at the largest exact one", () => {
    const venue = new Venue();
    for (const [maker, taker] of [
      ["a", "b"],
      ["c", "d"],
    ] as const) {
      venue.place({ wallet: maker, quantity: Number.MAX_SAFE_INTEGER - 1 });
      venue.place({ wallet: taker, side: "Sell", quantity: Number.MAX_SAFE_INTEGER - 1 });
    }
    expect(venue.totals(1)?.volume).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("engine - checks the client order id, the market, its status, open orders, ids, post-only", () => {
    const venue = new Venue({ maxOpenOrders: 1, maxClientOrderIds: 1 });
    venue.place({ wallet: "bob", side: "Sell", price: 45 });
    venue.place({ price: 40, clientOrderId: "c" });
    venue.execute({ type: "set-status", marketId: 1, status: "Halted" }, 0);
    const wrong = { clientOrderId: "d", postOnly: true };
    expect(venue.place({ ...wrong, clientOrderId: "c", marketId: 3 })).toMatchObject([
      { type: "duplicate", orderId: 2 },
    ]);
    expect(rejection(venue.place({ ...wrong, marketId: 3 }))).toMatchObject({
      code: "MARKET_NOT_FOUND",
    });
    expect(rejection(venue.place(wrong))).toMatchObject({ code: "MARKET_NOT_ACTIVE" });
    venue.execute({ type: "set-status", marketId: 1, status: "Active" }, 0);
    const message = (): unknown => (rejection(venue.place(wrong)) as { message: string }).message;
    expect(message()).toContain("open orders");
    venue.cancel("alice", 2);
    expect(message()).toContain("client order ids");
    venue.ts += DAY;
    expect(message()).toContain("post-only");
  });
});

describe("engine: cancelling", () => {
  it("engine - cancels by id and by client order id, and leaves what was filled", () => {
    const venue = new Venue();
    venue.place({ clientOrderId: "c" });
    venue.place();
    venue.place({ wallet: "bob", side: "Sell", quantity: 4 });
    const events = venue.cancelByClientOrderId("alice", "c");
    expect(events).toHaveLength(1);
    expect(outcome(events)).toMatchObject({
      orderId: 1,
      filled: 4,
      status: "Cancelled",
      reason: "requested",
      updatedTs: venue.ts,
    });
    expect(outcome(venue.cancel("alice", 2))).toMatchObject({ orderId: 2, status: "Cancelled" });
    expect(venue.book(1)?.best("Buy")).toBeUndefined();
  });

  it("engine - an order that is unknown, finished or another wallet's gets one and the same answer", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob" });
    venue.place({ price: 40 });
    venue.cancel("alice", 2);
    for (const orderId of [1, 2, 77]) {
      expect(rejection(venue.cancel("alice", orderId))).toMatchObject({
        code: "ORDER_NOT_FOUND",
        message: `the wallet has no open order ${orderId}`,
      });
    }
    expect(venue.openOrder(1)?.status).toBe("Open");
  });

  it("engine - a client order id finds its wallet's order alone, and says when it has finished", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", clientOrderId: "c" });
    expect(rejection(venue.cancelByClientOrderId("alice", "c"))).toMatchObject({
      code: "ORDER_NOT_FOUND",
      message: "the wallet has no open order with client order id c",
    });
    venue.cancelByClientOrderId("bob", "c");
    expect(rejection(venue.cancelByClientOrderId("bob", "c"))).toMatchObject({
      code: "ORDER_NOT_FOUND",
      message: "order 1, client order id c, is finished",
    });
  });

  it("engine - the end of a session cancels its open orders alone, in all markets, by ascending id", () => {
    const venue = new Venue();
    venue.place({ session: "s", price: 40 });
    venue.place({ session: "t", price: 41 });
    venue.place({ session: "s", price: 42, marketId: 2 });
    venue.place({ session: "s", price: 50, wallet: "bob" });
    venue.place({ price: 43 });
    venue.place({ wallet: "carol", side: "Sell", price: 50, quantity: 10 });
    expect([...venue.sessions()]).toEqual(["s", "t"]);
    const end = { type: "end-session", session: "s", reason: "gone" } as const;
    expect(venue.execute(end, ++venue.ts)).toMatchObject([
      { type: "order", order: { orderId: 1, status: "Cancelled", reason: "gone" } },
      { type: "order", order: { orderId: 3, status: "Cancelled", reason: "gone" } },
    ]);
    expect([...venue.sessions()]).toEqual(["t"]);
    expect(ids(venue.openOrders("alice"))).toEqual([2, 5]);
    expect(venue.execute(end, ++venue.ts)).toEqual([]);
  });
});

describe("engine: client order ids", () => {
  it("engine - a used id gets the first order as it is now, and places nothing", () => {
    const venue = new Venue();
    venue.place({ clientOrderId: "c" });
    venue.place({ wallet: "bob", side: "Sell", quantity: 4 });
    venue.takeChanges();
    expect(venue.place({ clientOrderId: "c", side: "Sell", price: 1, quantity: 99 })).toEqual([
      { type: "duplicate", orderId: 1, order: venue.openOrder(1) },
    ]);
    expect(venue.openOrder(1)?.filled).toBe(4);
    expect(venue.takeChanges()).toMatchObject({ orders: [], trades: [], nextOrderId: 3 });
    expect(outcome(venue.place({ wallet: "bob", clientOrderId: "c", price: 40 })).orderId).toBe(3);
  });

  it.each<readonly [string, Partial<OrderTerms>, (venue: Venue) => unknown]>([
    ["filled", {}, (venue) => venue.place({ wallet: "bob", side: "Sell" })],
    ["cancelled", {}, (venue) => venue.cancel("alice", 1)],
    ["cancelled at once", { timeInForce: "IOC" }, () => undefined],
    ["killed", { timeInForce: "FOK" }, () => undefined],
    [
      "ended with its session",
      { session: "s" },
      (venue) => venue.execute({ type: "end-session", session: "s", reason: "gone" }, ++venue.ts),
    ],
  ])("engine - the id of an order that was %s is remembered for a day", (_, terms, finish) => {
    const venue = new Venue();
    const placed = { ...terms, clientOrderId: "c" };
    venue.place(placed);
    finish(venue);
    // In its last state as long as the store does not have it.
    expect(venue.place(placed)).toMatchObject([
      {
        type: "duplicate",
        order: { orderId: 1, status: expect.stringMatching(/Filled|Cancelled/) },
      },
    ]);
    expect(rejection(venue.cancelByClientOrderId("alice", "c"))).toMatchObject({
      code: "ORDER_NOT_FOUND",
    });
    venue.takeChanges();
    venue.ts += DAY - 4;
    const duplicate = [{ type: "duplicate", orderId: 1, order: undefined }];
    expect(venue.place(placed)).toEqual(duplicate);
    venue.ts++;
    expect(outcome(venue.place(placed)).orderId).toBeGreaterThan(1);
  });

  it("engine - any command forgets ids whose time is over", () => {
    const venue = new Venue();
    venue.place({ clientOrderId: "c", timeInForce: "IOC" });
    venue.takeChanges();
    const before = venue.ts;
    venue.ts += DAY;
    expect(venue.knownOrder("alice", "c", before)).toMatchObject({ orderId: 1, order: undefined });
    venue.cancel("nobody", 1);
    expect(venue.knownOrder("alice", "c", before)).toBeUndefined();
  });

  it("engine - an order that is refused uses no id of any kind", () => {
    const venue = new Venue();
    expect(rejection(venue.place({ marketId: 3, clientOrderId: "c" }))).toBeTruthy();
    expect(venue.takeChanges()).toMatchObject({ orders: [], nextOrderId: 1, nextTradeId: 1 });
    expect(outcome(venue.place({ clientOrderId: "c" })).orderId).toBe(1);
  });

  it("engine - a wallet with as many ids as are remembered places orders without only", () => {
    const venue = new Venue({ maxOpenOrders: 100 });
    for (const clientOrderId of ["a", "b", "c", "d"]) venue.place({ clientOrderId });
    venue.cancelByClientOrderId("alice", "a");
    expect(rejection(venue.place({ clientOrderId: "e" }))).toMatchObject({
      code: "ORDER_REJECTED",
      message: "the wallet has used 4 client order ids, as many as are remembered",
      details: { rule: "max_client_order_ids", limit: 4 },
    });
    expect(outcome(venue.place()).status).toBe("Open");
    venue.ts += DAY;
    expect(outcome(venue.place({ clientOrderId: "e" })).status).toBe("Open");
    expect(rejection(venue.place({ clientOrderId: "f" }))).toMatchObject({
      code: "ORDER_REJECTED",
    });
  });
});

describe("engine: state", () => {
  it("engine - takes changes once, each thing in its latest version", () => {
    const venue = new Venue();
    venue.place({ wallet: "bob", side: "Sell", quantity: 4 });
    venue.place({ quantity: 3 });
    venue.place({ quantity: 3 });
    const changes = venue.takeChanges();
    expect(changes).toMatchObject({
      orders: [
        { orderId: 1, filled: 4, status: "Filled" },
        { orderId: 2, filled: 3, status: "Filled" },
        { orderId: 3, filled: 1, status: "PartiallyFilled" },
      ],
      trades: [
        { tradeId: 1, quantity: 3 },
        { tradeId: 2, quantity: 1 },
      ],
      positions: [
        { wallet: "alice", quantity: 4 },
        { wallet: "bob", quantity: -4 },
      ],
      totals: [{ marketId: 1, lastPrice: 50, volume: 4 }],
      nextOrderId: 4,
      nextTradeId: 3,
    });
    expect(venue.takeChanges()).toMatchObject({
      orders: [],
      trades: [],
      positions: [],
      totals: [],
      timers: [],
      markets: [],
      nextOrderId: 4,
      nextTradeId: 3,
    });
    // What was taken stays as it was.
    venue.cancel("alice", 3);
    expect(changes.orders[2]?.status).toBe("PartiallyFilled");
  });

  it("engine - tells nothing of markets and wallets that it does not know", () => {
    const venue = new Venue();
    expect([venue.book(3), venue.totals(3), venue.marketStatus(3)]).toEqual(
      Array(3).fill(undefined),
    );
    expect([[...venue.openOrders("nobody")], [...venue.positions("nobody")]]).toEqual([[], []]);
    expect(venue.totals(1)).toEqual({ marketId: 1, lastPrice: undefined, volume: 0 });
  });

  it("engine - refuses a market twice, and a state that does not fit", () => {
    expect(() => new Venue().list(instrument(1))).toThrow("market 1 is listed already");
    const venue = new Venue();
    const [first, second] = [outcome(venue.place()), outcome(venue.place())];
    const state = {
      openOrders: [] as Order[],
      clientOrderIds: [],
      positions: [],
      totals: [],
      timers: [],
      markets: [],
      nextOrderId: 3,
      nextTradeId: 1,
    };
    expect(() => venue.restore(state)).toThrow("before its first command");
    const restore = (openOrders: Order[], nextOrderId = 3): void =>
      new Venue().restore({ ...state, openOrders, nextOrderId });
    expect(() => restore([second, first])).toThrow("order 1 cannot be restored");
    expect(() => restore([first, second], 2)).toThrow("order 2 cannot be restored");
    expect(() => restore([{ ...first, status: "Filled" }])).toThrow("order 1 cannot be restored");
    expect(() => restore([{ ...first, marketId: 3 }])).toThrow("market 3 is not listed");
    expect(() => restore([first, second])).not.toThrow();
  });
});
