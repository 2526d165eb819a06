import { describe, expect, it } from "vitest";
import { Deliveries } from "../../../src/cli/doctor/deliveries.js";
import type { ServerMessage } from "../../../src/client/node.js";
import { nowMicros } from "../../../src/shared/clock.js";

const price = (market_id: number, seq: number, ageMs = 0): ServerMessage => {
  const ts = nowMicros() - ageMs * 1000;
  return {
    type: "PriceUpdate",
    data: { market_id, price: 1, best_bid: 1, best_ask: 2, seq, ts },
  };
};
const trade = (seq: number): ServerMessage => ({
  type: "TradeExecution",
  data: {
    trade: {
      ...{ trade_id: String(seq), market_id: 1, price: 1, quantity: 1, taker_side: "Buy", seq },
      ts: nowMicros(),
    },
  },
});

describe("deliveries", () => {
  it("deliveries - prices may skip numbers, which are counted", () => {
    const deliveries = new Deliveries(0);
    for (const seq of [4, 5, 8, 9]) deliveries.take(price(1, seq));
    deliveries.take(price(2, 7));
    expect([deliveries.streams, deliveries.conflated, deliveries.faults]).toEqual([1, 2, 0]);
  });

  it.each([
    ["trades that skip one", [trade(1), trade(3), trade(4)], "trade of market 1: #3 after #1"],
    ["trades that come twice", [trade(1), trade(1)], "trade of market 1: #1 after #1"],
    ["prices that go back", [price(1, 5), price(1, 4)], "price of market 1: #4 after #5"],
  ])("deliveries - %s are a fault", (_what, messages, fault) => {
    const deliveries = new Deliveries(0);
    for (const message of messages) deliveries.take(message);
    expect([deliveries.faults, deliveries.firstFault]).toEqual([1, fault]);
  });

  it("deliveries - numbers start again in another epoch", () => {
    const deliveries = new Deliveries(0);
    deliveries.take(trade(8));
    deliveries.take({ type: "EpochChanged", data: { epoch: "2" } });
    deliveries.take(trade(1));
    expect(deliveries.faults).toBe(0);
  });

  it("deliveries - only news is measured, by the server's clock", () => {
    const deliveries = new Deliveries(200);
    deliveries.take(price(1, 1, 50_000));
    deliveries.measure();
    expect(deliveries.count).toBe(0);
    // Stamped by a clock that is 200 ms ahead, 100 ms ago.
    deliveries.take(price(1, 2, -100));
    expect(deliveries.count).toBe(1);
    expect(deliveries.ageMs(50)).toBeGreaterThan(99);
    expect(deliveries.ageMs(50)).toBeLessThan(200);
  });
});
