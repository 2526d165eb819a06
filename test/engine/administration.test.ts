import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../src/engine/commands.js";
import type { AdministeredMarket } from "../../src/engine/market.js";
import type { Position } from "../../src/engine/order.js";
import { Random } from "../../src/shared/random.js";
import { instrument } from "../support/engine-commands.js";
import { EngineRecord } from "../support/engine-record.js";
import { drawSeed } from "../support/seeds.js";
import { outcome, rejection, Venue } from "../support/venue.js";

const LISTING = { title: "New", tickSize: 0.01, lotSize: 0.1, maxPrice: undefined };
const SEED = drawSeed("administration");

function list(venue: Venue, listing: Partial<typeof LISTING> = {}): readonly EngineEvent[] {
  return venue.tell({
    type: "list",
    instrument: instrument(3, 0.01, 0.1),
    listing: { ...LISTING, ...listing },
  });
}

const settle = (venue: Venue, price: number, marketId = 1) =>
  venue.tell({ type: "settle", marketId, price });
const setStatus = (venue: Venue, status: AdministeredMarket["status"], marketId = 1) =>
  venue.tell({ type: "set-status", marketId, status });
const windUp = (venue: Venue, most = 1000) => venue.tell({ type: "wind-up", most });

/** Has a buyer and a seller trade so many lots, in ticks. */
function trade(venue: Venue, buyer: string, seller: string, price: number, quantity: number): void {
  venue.place({ wallet: seller, side: "Sell", price, quantity });
  venue.place({ wallet: buyer, side: "Buy", price, quantity, timeInForce: "IOC" });
}

function positionOf(venue: Venue, wallet: string): Position | undefined {
  return [...venue.positions(wallet)].find(({ marketId }) => marketId === 1);
}

describe("administration", () => {
  it("administration - a listed market takes orders, and listing it again as it is changes nothing", () => {
    const venue = new Venue();
    expect(list(venue)).toEqual([
      {
        type: "market",
        market: {
          marketId: 3,
          status: "Active",
          settlementPrice: undefined,
          listing: LISTING,
          updatedTs: venue.ts,
        },
      },
    ]);
    expect(outcome(venue.place({ marketId: 3 })).status).toBe("Open");
    venue.takeChanges();
    expect(list(venue)).toEqual([]);
    expect(venue.takeChanges().markets).toEqual([]);
    expect(list(venue, { title: "Another" })).toMatchObject([
      {
        type: "conflict",
        code: "MARKET_EXISTS",
        message: "market 3 is listed already; it is Active",
      },
    ]);
    expect(
      venue.tell({ type: "list", instrument: instrument(1, 0.01, 0.1), listing: LISTING }),
    ).toMatchObject([{ type: "conflict", code: "MARKET_EXISTS" }]);
  });

  it("administration - a market is halted and resumed, which is told once", () => {
    const venue = new Venue();
    for (const status of ["Halted", "Active"] as const) {
      expect(setStatus(venue, status)).toMatchObject([{ type: "market", market: { status } }]);
      expect(setStatus(venue, status)).toEqual([]);
      expect(venue.marketStatus(1)).toBe(status);
    }
    expect(venue.isWindingUp()).toBe(false);
  });

  it("administration - a market that is not listed is told so", () => {
    const venue = new Venue();
    for (const events of [settle(venue, 1, 9), setStatus(venue, "Halted", 9)])
      expect(rejection(events)).toEqual({
        code: "MARKET_NOT_FOUND",
        message: "market 9 is not listed",
      });
  });

  it("administration - a closed market has its orders cancelled step by step, and stays closed", () => {
    const venue = new Venue();
    for (const price of [40, 41]) venue.place({ price });
    venue.place({ wallet: "bob", side: "Sell", price: 60 });
    venue.place({ marketId: 2 });
    trade(venue, "carol", "dave", 50, 3);
    expect(setStatus(venue, "Closed")).toMatchObject([{ type: "market" }]);
    expect([venue.isWindingUp(), venue.isWindingUp(1), venue.isWindingUp(2)]).toEqual([
      ...[true, true, false],
    ]);
    expect(rejection(venue.place())).toMatchObject({ code: "MARKET_NOT_ACTIVE" });
    expect(outcome(windUp(venue, 1))).toMatchObject({
      price: 41,
      status: "Cancelled",
      reason: "the market was closed",
      reasonCode: "market_closed",
    });
    // What is left may be cancelled by its owner as well.
    expect(outcome(venue.cancel("bob", 3)).reasonCode).toBe("requested");
    expect(windUp(venue)).toHaveLength(1);
    expect(venue.isWindingUp()).toBe(false);
    expect([...venue.openOrders("alice")]).toMatchObject([{ marketId: 2 }]);
    // Positions stay until it is settled.
    expect(positionOf(venue, "carol")?.quantity).toBe(3);
    for (const status of ["Active", "Halted"] as const)
      expect(setStatus(venue, status)).toMatchObject([
        {
          type: "conflict",
          code: "MARKET_CLOSED",
          message: `market 1 is Closed, and cannot be ${status} again`,
        },
      ]);
    expect(setStatus(venue, "Closed")).toEqual([]);
  });

  it("administration - a settled market pays its positions at the price, and they sum to zero", () => {
    const venue = new Venue();
    trade(venue, "long", "short", 40, 10);
    trade(venue, "late", "short", 55, 5);
    trade(venue, "short", "flat", 50, 2);
    trade(venue, "flat", "late", 30, 2);
    const resting = outcome(venue.place({ wallet: "rests", price: 20 }));
    venue.takeChanges();
    settle(venue, 70);
    const events = windUp(venue);
    expect(outcome(events)).toMatchObject({
      orderId: resting.orderId,
      reasonCode: "market_settled",
    });
    expect(venue.isWindingUp()).toBe(false);
    // Ten bought at 40 are worth 70 each; three of five bought at 55 are left, two went at 30.
    expect(positionOf(venue, "long")).toMatchObject({ quantity: 0, cost: 0n, realizedPnl: 300n });
    expect(positionOf(venue, "late")).toMatchObject({ quantity: 0, realizedPnl: -50n + 45n });
    expect(positionOf(venue, "flat")).toMatchObject({ quantity: 0, realizedPnl: 40n });
    const wallets = ["long", "short", "late", "flat"];
    const all = wallets.map((wallet) => positionOf(venue, wallet));
    expect(all.reduce((sum, one) => sum + (one?.realizedPnl ?? 0n), 0n)).toBe(0n);
    // Who was flat already is told nothing.
    const told = events.flatMap((one) => (one.type === "position" ? [one.position.wallet] : []));
    expect(told.sort()).toEqual(["late", "long", "short"]);
    const { positions, markets, trades, totals } = venue.takeChanges();
    expect(positions.map(({ wallet }) => wallet).sort()).toEqual(["late", "long", "short"]);
    expect(markets).toMatchObject([{ marketId: 1, status: "Closed", settlementPrice: 70 }]);
    expect([trades, totals]).toEqual([[], []]);
    expect(settle(venue, 70)).toEqual([]);
    expect(settle(venue, 71)).toMatchObject([
      {
        type: "conflict",
        code: "MARKET_SETTLED",
        message: "market 1 is settled at 0.7, and cannot be at 0.71",
      },
    ]);
    expect(setStatus(venue, "Active")).toMatchObject([
      {
        code: "MARKET_SETTLED",
        message: "market 1 is settled at 0.7, and cannot be Active again",
      },
    ]);
  });

  it("administration - a market that was closed is settled later, at nothing too", () => {
    const venue = new Venue();
    trade(venue, "long", "short", 40, 10);
    setStatus(venue, "Closed");
    windUp(venue);
    expect(settle(venue, 0)).toMatchObject([{ type: "market", market: { settlementPrice: 0 } }]);
    windUp(venue);
    expect(positionOf(venue, "long")?.realizedPnl).toBe(-400n);
    expect(positionOf(venue, "short")?.realizedPnl).toBe(400n);
  });

  it(`administration - wherever a settlement stops it goes on after a restore, to the same end (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const whole = new Venue({ maxOpenOrders: 1000 });
    const stopped = new Venue({ maxOpenOrders: 1000 });
    const wallets = Array.from({ length: 30 }, (_, at) => `w${at}`);
    for (let at = 0; at < 300; at++) {
      const buyer = random.below(30);
      const seller = (buyer + 1 + random.below(29)) % 30;
      const figures = [1 + random.below(99), 1 + random.below(1000)] as const;
      for (const venue of [whole, stopped]) trade(venue, `w${buyer}`, `w${seller}`, ...figures);
    }
    settle(whole, 63);
    windUp(whole, 100_000);
    settle(stopped, 63);
    const record = new EngineRecord();
    let venue = stopped;
    for (let steps = 0; venue.isWindingUp(); steps++) {
      expect(steps).toBeLessThan(2000);
      windUp(venue, 1 + random.below(4));
      record.apply(venue.takeChanges());
      const sum = record.positions.reduce(
        (before, { quantity, cost, realizedPnl }) => ({
          lots: before.lots + quantity,
          paid: before.paid + realizedPnl - cost,
        }),
        { lots: 0, paid: 0n },
      );
      expect(sum).toEqual({ lots: 0, paid: 0n });
      if (random.below(10) > 0) continue;
      const restored = new Venue({ maxOpenOrders: 1000 });
      restored.restore(record.state());
      restored.ts = venue.ts;
      expect(restored.marketStatus(1)).toBe("Closed");
      venue = restored;
      // It looks at all of them again, so it must get further than that at a time.
      windUp(venue, 40);
      record.apply(venue.takeChanges());
    }
    for (const wallet of wallets) {
      const { updatedTs: _, ...expected } = positionOf(whole, wallet) as Position;
      expect(positionOf(venue, wallet)).toMatchObject(expected);
      expect(expected.quantity).toBe(0);
    }
  });

  it("administration - a restored market is what was set, but closed where it is listed so", () => {
    const first = new Venue();
    for (const marketId of [1, 2]) first.tell({ type: "set-status", marketId, status: "Halted" });
    list(first);
    const record = new EngineRecord();
    record.apply(first.takeChanges());
    const second = new Venue();
    second.list({ ...instrument(3, 0.01, 0.1), status: "Closed" });
    second.restore(record.state());
    expect([1, 2, 3].map((marketId) => second.marketStatus(marketId))).toEqual([
      ...["Halted", "Halted", "Closed"],
    ]);
    expect(second.administered(3)).toMatchObject({ status: "Active", listing: LISTING });
    expect(second.isWindingUp()).toBe(false);
  });
});
