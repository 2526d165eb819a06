import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Gap } from "../../src/client/events.js";
import { SequenceTracker } from "../../src/client/sequence-tracker.js";
import { Subscriptions } from "../../src/client/subscriptions.js";
import type { Channel, Market, ServerMessage } from "../../src/contract/messages.js";

const market = (market_id: number, seq: number): Market => ({
  market_id,
  title: "Rain in Bergen",
  status: "Active",
  price: 1,
  best_bid: 1,
  best_ask: 2,
  volume: 0,
  tick_size: 1,
  lot_size: 1,
  seq,
  ts: 1,
});
const state = (id: number, seq: number): ServerMessage => ({
  type: "MarketUpdate",
  data: { update_type: "Price", market: market(id, seq) },
});
const snapshot = (id: number, seq: number): ServerMessage => ({
  type: "MarketSnapshot",
  data: { markets: [market(id, seq)] },
});
const book = (market_id: number, seq: number): ServerMessage => ({
  type: "OrderBook",
  data: { market_id, bids: [], asks: [], seq, ts: 1 },
});
const price = (market_id: number, seq: number): ServerMessage => ({
  type: "PriceUpdate",
  data: { market_id, price: 1, best_bid: 1, best_ask: 2, seq, ts: 1 },
});
const trade = (market_id: number, seq: number): ServerMessage => ({
  type: "TradeExecution",
  data: {
    trade: { trade_id: "1", market_id, price: 1, quantity: 1, taker_side: "Buy", seq, ts: 1 },
  },
});

const CHANNELS: readonly Channel[] = [
  { type: "Market", params: { market_id: 7 } },
  { type: "PriceFeed", params: { market_ids: [7, 8] } },
  { type: "Trades", params: null },
];

function track(channels = CHANNELS): {
  tracker: SequenceTracker;
  subscriptions: Subscriptions;
  gaps: Gap[];
  take(...messages: ServerMessage[]): void;
} {
  const subscriptions = new Subscriptions();
  const gaps: Gap[] = [];
  const tracker = new SequenceTracker(subscriptions, (gap) => gaps.push(gap));
  subscriptions.add(channels);
  tracker.subscribed(channels);
  const take = (...messages: ServerMessage[]): void => {
    for (const message of messages) tracker.take(message);
  };
  return { tracker, subscriptions, gaps, take };
}

describe("sequence-tracker", () => {
  it("sequence-tracker - streams of a market are counted apart, and so are markets", () => {
    const { gaps, take } = track();
    take(snapshot(7, 40), book(7, 3), price(7, 90), price(8, 1), trade(7, 2), trade(8, 9));
    take(state(7, 41), book(7, 4), price(7, 91), price(8, 2), trade(7, 3), trade(8, 10));
    expect(gaps).toEqual([]);
    take(price(7, 95), trade(8, 12), book(7, 6), state(7, 43));
    const of = (
      stream: Gap["stream"],
      marketId: number,
      from: number,
      to: number,
      kind: Gap["kind"],
    ) => ({
      stream,
      marketId,
      from,
      to,
      missed: to - from - 1,
      kind,
    });
    expect(gaps).toEqual([
      of("price", 7, 91, 95, "conflated"),
      of("trade", 8, 10, 12, "lost"),
      of("book", 7, 4, 6, "conflated"),
      of("state", 7, 41, 43, "conflated"),
    ]);
  });

  it("sequence-tracker - first data after a subscription stand anywhere", () => {
    const { tracker, gaps, take } = track();
    take(snapshot(7, 1), book(7, 0), price(7, 1), price(8, 1));
    tracker.subscribed(CHANNELS);
    take(snapshot(7, 9), book(7, 9), price(7, 9), price(8, 1));
    take(state(7, 10), book(7, 10), price(7, 10), price(8, 2));
    expect(gaps).toEqual([]);
  });

  it("sequence-tracker - subscribing to trades again hides none that are lost", () => {
    const { tracker, gaps, take } = track();
    take(trade(7, 1));
    tracker.subscribed(CHANNELS);
    take(trade(7, 3));
    expect(gaps).toMatchObject([{ stream: "trade", from: 1, to: 3, kind: "lost" }]);
  });

  it("sequence-tracker - states of markets without a Market channel may jump", () => {
    const { gaps, take } = track();
    take(snapshot(8, 1), state(8, 9), state(9, 1), state(9, 5));
    expect(gaps).toEqual([]);
  });

  it("sequence-tracker - across a reconnect each stream is compared once with where it stood", () => {
    const { tracker, gaps, take } = track();
    take(snapshot(7, 1), book(7, 1), price(7, 1), price(8, 1), trade(7, 1));
    tracker.disconnected();
    // An attempt that failed brings nothing, and forgets nothing.
    tracker.disconnected();
    tracker.subscribed(CHANNELS);
    take(snapshot(7, 5), book(7, 2), price(7, 4), price(8, 1), trade(7, 2), trade(7, 3));
    expect(gaps).toMatchObject([
      { stream: "state", from: 1, to: 5, missed: 3, kind: "disconnected" },
      { stream: "price", marketId: 7, from: 1, to: 4, missed: 2, kind: "disconnected" },
    ]);
    tracker.subscribed(CHANNELS);
    take(price(7, 9));
    expect(gaps.length).toBe(2);
  });

  it("sequence-tracker - another epoch has nothing to compare with", () => {
    const { tracker, gaps, take } = track();
    take(price(7, 100), trade(7, 100), snapshot(7, 100));
    tracker.reset("b");
    take(price(7, 1), trade(7, 1), snapshot(7, 1), price(7, 2), trade(7, 2), state(7, 2));
    tracker.disconnected();
    tracker.reset("c");
    take(price(7, 50));
    expect(gaps).toEqual([]);
  });

  it("sequence-tracker - what was unsubscribed is forgotten", () => {
    const { tracker, subscriptions, gaps, take } = track();
    take(price(7, 1), price(8, 1), trade(7, 1), snapshot(7, 1), book(7, 1));
    subscriptions.remove([{ type: "PriceFeed", params: { market_ids: [7] } }]);
    subscriptions.remove([{ type: "Trades", params: null }]);
    subscriptions.remove([{ type: "Market", params: { market_id: 7 } }]);
    tracker.unsubscribed();
    subscriptions.add(CHANNELS);
    take(price(7, 9), price(8, 2), trade(7, 9), snapshot(7, 9), book(7, 9));
    expect(gaps).toEqual([]);
  });

  it("sequence-tracker - gaps and messages together are every number, in any history", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), (steps) => {
        const { gaps, take } = track();
        let seq = 10;
        take(price(7, seq));
        for (const step of steps) {
          seq += step;
          take(price(7, seq));
        }
        const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
        expect(missed + steps.length).toBe(seq - 10);
        expect(gaps.length).toBe(steps.filter((step) => step > 1).length);
      }),
    );
  });
});
