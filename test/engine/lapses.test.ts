import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/engine/commands.js";
import { orderTerms } from "../support/order-terms.js";
import { ids, outcome, rejection, Venue } from "../support/venue.js";

const lapsed = (events: readonly EngineEvent[]) =>
  events.flatMap((event) =>
    event.type === "lapsed" ? [[event.order.orderId, event.order.reasonCode]] : [],
  );

describe("lapses", () => {
  it("lapses - a GTD order rests until its time, and nobody trades with it from then on", () => {
    const venue = new Venue();
    const expiresTs = venue.ts + 100;
    venue.place({ wallet: "a", timeInForce: "GTD", expiresTs });
    venue.ts = expiresTs - 2;
    expect(venue.isDue(expiresTs - 1, 0)).toBe(false);
    const met = venue.place({ wallet: "b", side: "Sell", quantity: 4 });
    expect(outcome(met)).toMatchObject({ status: "Filled" });
    const late = venue.place({ wallet: "b", side: "Sell", quantity: 4 });
    expect(lapsed(late)).toEqual([[1, "expired"]]);
    expect(late.at(0)).toMatchObject({
      order: { status: "Cancelled", filled: 4, reason: "expired", updatedTs: expiresTs },
    });
    expect(outcome(late)).toMatchObject({ orderId: 3, status: "Open" });
  });

  it("lapses - an order whose time is over is refused, as is one that comes too late", () => {
    const venue = new Venue();
    expect(rejection(venue.place({ timeInForce: "GTD", expiresTs: venue.ts + 1 }))).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "expired", field: "expires_ts", value: venue.ts, limit: venue.ts },
    });
    const terms = orderTerms({ clientOrderId: "c" });
    const until = (validUntilTs: number) => venue.tell({ type: "place", terms, validUntilTs });
    expect(rejection(until(venue.ts))).toMatchObject({
      details: { rule: "expired", field: "valid_until_ts", value: venue.ts - 1, limit: venue.ts },
    });
    expect(outcome(until(venue.ts + 1))).toMatchObject({ orderId: 1, status: "Open" });
    // One that stands is told of, however late it is asked again.
    expect(until(1)).toMatchObject([{ type: "duplicate", orderId: 1 }]);
  });

  it("lapses - an amended GTD order expires when it would have, a finished one never", () => {
    const venue = new Venue();
    const gtd = { timeInForce: "GTD", expiresTs: venue.ts + 100 } as const;
    venue.place({ wallet: "a", ...gtd });
    venue.place({ wallet: "a", ...gtd, price: 49 });
    venue.cancel("a", 2);
    expect(outcome(venue.amend(1, { price: 48, quantity: 20 }, "a"))).toMatchObject(gtd);
    venue.ts = gtd.expiresTs;
    expect(lapsed(venue.tell({ type: "expire", most: 10 }))).toEqual([[1, "expired"]]);
    expect(venue.hasDeadlines).toBe(false);
  });

  it("lapses - a wallet's orders are cancelled once when its time has passed, by whatever clock", () => {
    const venue = new Venue();
    venue.place({ wallet: "a" });
    venue.place({ wallet: "a", marketId: 2 });
    venue.place({ wallet: "b" });
    const set = (timeoutMs: number, ts: number, passed: number) =>
      venue.execute({ type: "cancel-after", wallet: "a", timeoutMs }, ts, passed);
    const { ts } = venue;
    expect(set(1000, ts, 0)).toEqual([
      { type: "timer", timer: { wallet: "a", setTs: ts, triggerTs: ts + 1_000_000 } },
    ]);
    // Somebody sets the clock ahead: no time has passed by that.
    expect(venue.execute({ type: "expire", most: 10 }, ts + 9_000_000, 999_999)).toEqual([]);
    expect(set(1000, ts + 9_000_000, 999_999)).toHaveLength(1);
    expect(venue.isDue(ts, 1_000_000)).toBe(false);
    const events = venue.execute({ type: "expire", most: 10 }, ts + 9_000_001, 1_999_999);
    expect(lapsed(events)).toEqual([
      [1, "cancel_after"],
      [2, "cancel_after"],
    ]);
    expect(venue.takeChanges().timers).toMatchObject([{ wallet: "a", triggerTs: undefined }]);
    venue.ts = ts + 99_000_000;
    expect(outcome(venue.place({ wallet: "a" })).status).toBe("Open");
    expect(ids(venue.openOrders("b"))).toEqual([3]);
  });

  it("lapses - a timer that was ended, or renewed, is over", () => {
    const venue = new Venue();
    venue.place({ wallet: "a" });
    const renew = (timeoutMs: number) =>
      venue.tell({ type: "cancel-after", wallet: "a", timeoutMs });
    renew(1000);
    expect(renew(0)).toMatchObject([{ timer: { triggerTs: undefined } }]);
    expect(venue.hasDeadlines).toBe(false);
    renew(1000);
    venue.ts += 900_000;
    renew(1000);
    venue.ts += 900_000;
    expect(lapsed(venue.tell({ type: "expire", most: 10 }))).toEqual([]);
    venue.ts += 200_000;
    expect(lapsed(venue.tell({ type: "expire", most: 10 }))).toEqual([[1, "cancel_after"]]);
  });

  it("lapses - no more is begun than is asked for, and a command has the rest of it happen", () => {
    const venue = new Venue();
    const gtd = { timeInForce: "GTD", expiresTs: venue.ts + 100 } as const;
    for (let count = 0; count < 4; count++) venue.place({ wallet: "a", ...gtd });
    venue.ts = gtd.expiresTs;
    expect(lapsed(venue.tell({ type: "expire", most: 2 }))).toEqual([
      [1, "expired"],
      [2, "expired"],
    ]);
    expect(venue.isDue(venue.ts, venue.ts)).toBe(true);
    const rejected = venue.cancel("a", 3);
    expect(lapsed(rejected)).toHaveLength(2);
    expect(rejection(rejected)).toMatchObject({ code: "ORDER_NOT_FOUND" });
  });
});
