import { beforeEach, describe, expect, it } from "vitest";
import type { MarketAction } from "../../src/workers/producer/messages.js";
import { temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";
import type { ShardEnd } from "./shard-end.js";

const NEW: MarketAction = {
  type: "list",
  marketId: 2,
  title: "Two",
  tickSize: 0.5,
  lotSize: 1,
  maxPrice: 10,
};
const SETTLE: MarketAction = { type: "settle", marketId: 1, price: 0.75 };

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});

/** So many wallets buy a lot each of one seller at 0.5. */
async function trade(shard: ShardEnd, buyers: number): Promise<void> {
  await shard.placed("seller", { side: "Sell", quantity: buyers });
  const orders = Array.from({ length: buyers }, (_, at) => shard.place(`buyer-${at}`));
  shard.send(...orders);
  for (const order of orders) await shard.answer(order);
}

const statusOf = (world: ExchangeWorld) => world.published.states.at(-1)?.status;

describe("administration desk", () => {
  it("administration desk - what is asked is answered and told when it is on disk, not before", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    await trade(shard, 2);
    await shard.snapshot("seller");
    world.store.hold();
    let answered = false;
    const outcome = world.exchange.administer(SETTLE).finally(() => {
      answered = true;
    });
    await until("the commit", () => world.store.waiting || undefined);
    await world.quiet();
    expect([answered, statusOf(world), shard.news]).toEqual([false, "Active", []]);
    world.store.release();
    expect(await outcome).toEqual({
      change: {
        market: {
          market_id: 1,
          title: "One",
          status: "Closed",
          tick_size: 0.01,
          lot_size: 1,
          settlement_price: 0.75,
        },
        changed: true,
        orders_cancelled: 0,
        positions_paid: 3,
      },
    });
    await world.quiet();
    expect(statusOf(world)).toBe("Closed");
    expect(shard.news).toMatchObject([
      { type: "position", position: { wallet: "seller", quantity: 0, realized_pnl: -0.5 } },
    ]);
  });

  it("administration desk - what cannot be stored is refused, and nothing of it has happened", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const order = await shard.placed("w1");
    world.store.failure = new Error("no space left on the device");
    for (const action of [SETTLE, NEW])
      expect(await world.exchange.administer(action)).toMatchObject({
        refusal: { code: "UNAVAILABLE" },
      });
    expect((await shard.snapshot("w1")).orders).toEqual([order]);
    expect(statusOf(world)).toBe("Active");
    world.store.failure = undefined;
    await until("all is well", () => world.health.at(-1) === "ok" || undefined);
    expect(await world.exchange.administer(NEW)).toMatchObject({ change: { changed: true } });
    expect(await shard.placed("w1", { market_id: 2 })).toMatchObject({ status: "Open" });
    expect(await world.exchange.administer(SETTLE)).toMatchObject({
      change: { changed: true, orders_cancelled: 1, positions_paid: 0 },
    });
  });

  it("administration desk - a settlement that the store's failure cuts short goes on by itself", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    // More than one batch cancels.
    const orders = Array.from({ length: 5000 }, () => shard.place("w1", { price: 0.1 }));
    shard.send(...orders);
    for (const order of orders) await shard.answer(order);
    await trade(shard, 3);
    const commits = world.store.commits.length;
    world.store.hold();
    const outcome = world.exchange.administer(SETTLE);
    await until("its first commit", () => world.store.waiting || undefined);
    world.store.failure = new Error("no space left on the device");
    world.store.release();
    expect(await outcome).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect(world.store.commits.length).toBe(commits + 1);
    const left = (await shard.snapshot("w1")).orders.length;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(5000);
    world.store.failure = undefined;
    // Who asks again is answered when all of it is done.
    await until("all is well", () => world.health.at(-1) === "ok" || undefined);
    expect(await world.exchange.administer(SETTLE)).toMatchObject({ change: { changed: false } });
    expect((await shard.snapshot("w1")).orders).toEqual([]);
    expect((await shard.snapshot("seller")).positions).toMatchObject([
      { quantity: 0, realized_pnl: -0.75 },
    ]);
  });

  it("administration desk - another exchange on the same store goes on with a settlement", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    await trade(shard, 3);
    const resting = await shard.placed("w1");
    // As a process leaves it that was killed behind the first commit.
    const { store } = world;
    await world.stop();
    const state = {
      marketId: 1,
      status: "Closed",
      settlementPrice: 75,
      listing: undefined,
    } as const;
    const again = await ExchangeWorld.open(dir, "run-2", {}, undefined, (stored) => ({
      ...stored,
      markets: [{ ...state, updatedTs: stored.latestTs }],
    }));
    expect(store).not.toBe(again.store);
    await again.exchange.recover();
    again.run();
    const next = again.shard();
    expect(await next.snapshot("w1")).toEqual({ orders: [], positions: [] });
    expect(again.store.commits.flatMap(({ orders }) => orders)).toMatchObject([
      { orderId: Number(resting.order_id), reasonCode: "market_settled" },
    ]);
    const { positions } = await next.snapshot("seller");
    expect(positions).toMatchObject([{ quantity: 0, realized_pnl: -0.75 }]);
  });

  it("administration desk - simulated traders take up a market that is listed", async () => {
    const world = await ExchangeWorld.start(dir, "run-1", { simTraders: 3, feedRate: 2000 });
    const shard = world.shard();
    await world.exchange.administer(NEW);
    await until(
      "their orders in it",
      () =>
        world.store.commits.some(({ orders }) => orders.some(({ marketId }) => marketId === 2)) ||
        undefined,
    );
    await world.exchange.administer({ type: "close", marketId: 2 });
    for (const wallet of ["sim-1", "sim-2", "sim-3"])
      expect(
        (await shard.snapshot(wallet)).orders.filter(({ market_id }) => market_id === 2),
      ).toEqual([]);
  });

  it("administration desk - simulated traders keep to numbers that are exact in a market of a long tick size", async () => {
    const world = await ExchangeWorld.start(dir, "run-1", { simTraders: 3, feedRate: 2000 });
    // Of ticks with 15 digits 72 at most are exact, and of such lots as many.
    const long = 0.123456789012345;
    await world.exchange.administer({
      ...NEW,
      tickSize: long,
      lotSize: long,
      maxPrice: undefined,
    });
    const traded = await until("a trade in it", () => {
      const trades = world.store.commits.flatMap((changes) => changes.trades);
      return trades.find(({ marketId }) => marketId === 2);
    });
    expect(traded.price).toBeLessThanOrEqual(72);
    expect(traded.quantity).toBeLessThanOrEqual(72);
  });

  it("administration desk - a listing that has no room is refused, with the bound", async () => {
    const world = await ExchangeWorld.start(dir);
    for (let marketId = 2; marketId <= 8; marketId++)
      expect(await world.exchange.administer({ ...NEW, marketId })).toMatchObject({
        change: { changed: true },
      });
    expect(await world.exchange.administer({ ...NEW, marketId: 9 })).toEqual({
      refusal: {
        code: "TABLE_FULL",
        message: "market 9: the table is full with 8 markets; see --max-markets",
      },
    });
  });

  it("administration desk - many that ask at once are answered in their order, each as things are then", async () => {
    const world = await ExchangeWorld.start(dir);
    const halt: MarketAction = { type: "halt", marketId: 1 };
    const outcomes = await Promise.all(
      [halt, halt, SETTLE, halt].map((action) => world.exchange.administer(action)),
    );
    expect(outcomes).toMatchObject([
      { change: { changed: true } },
      { change: { changed: false } },
      { change: { changed: true } },
      {
        refusal: {
          code: "MARKET_SETTLED",
          message: "market 1 is settled at 0.75, and cannot be Halted again",
        },
      },
    ]);
  });

  it("administration desk - what a market's file says already is set, and no change", async () => {
    const world = await ExchangeWorld.start(dir);
    const ask = (type: "resume" | "halt") => world.exchange.administer({ type, marketId: 1 });
    expect(await ask("resume")).toMatchObject({
      change: { changed: false, market: { status: "Active" } },
    });
    expect(await ask("halt")).toMatchObject({ change: { changed: true } });
    expect(await ask("halt")).toMatchObject({ change: { changed: false } });
    expect(await ask("resume")).toMatchObject({ change: { changed: true } });
  });
});
