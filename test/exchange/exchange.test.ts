import { beforeEach, describe, expect, it } from "vitest";
import { counted, ORDER_RESULTS, type OrderResult, PRODUCER } from "../../src/counters/counters.js";
import { Store } from "../../src/store/store.js";
import { KEEP_ALL, temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";
import type { ShardEnd } from "./shard-end.js";

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});

const NO_SPACE = new Error("no space left on the device");
const DISCONNECT = expect.stringContaining("the connection ended");
const RESTART = expect.stringContaining("the server was restarted");
const STOP = expect.stringContaining("the server stopped");

const held = (world: ExchangeWorld) =>
  until("a commit that is held back", () => world.store.waiting === 1 || undefined);

const resultsOf = ({ counters }: ExchangeWorld, result: OrderResult): number =>
  counted(counters, PRODUCER.ordersByResult + ORDER_RESULTS.indexOf(result));

/** The state of the last news of an order. */
const lastNewsOf = (shard: ShardEnd, order_id: string) =>
  shard.news
    .flatMap((one) => (one.type === "order" && one.order.order_id === order_id ? [one.order] : []))
    .at(-1);

const cancelled = (shard: ShardEnd, order_id: string) =>
  until(`the cancel of order ${order_id}`, () => {
    const order = lastNewsOf(shard, order_id);
    return order?.status === "Cancelled" ? order : undefined;
  });

/** Waits until the exchange has found out that its store works again. */
const recovered = (world: ExchangeWorld) =>
  until("orders are taken again", () => world.health.at(-1) === "ok" || undefined);

describe("exchange: nothing is told before it is on disk", () => {
  it("exchange - a level whose sum is no exact number is told as the largest that is", async () => {
    const world = await ExchangeWorld.start(dir, undefined, { maxQuantity: 1e16 });
    const shard = world.shard(0);
    const most = Number.MAX_SAFE_INTEGER;
    for (const wallet of ["w1", "w2"]) await shard.placed(wallet, { quantity: most });
    await world.quiet();
    const bids = world.published.books.at(-1)?.bids;
    expect([bids?.length, bids?.price[0], bids?.quantity[0]]).toEqual([1, 50, most]);
  });

  it("exchange - a commit that takes long is reported while it does", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard(0);
    world.store.hold();
    const order = shard.place("w1");
    shard.send(order);
    await until("the report", () => world.health.length > 0 || undefined);
    expect(world.health).toEqual([expect.stringMatching(/longer than 5000 ms/)]);
    world.store.release();
    await shard.answer(order);
    expect(world.health).toEqual([expect.any(String), "ok"]);
    await world.stop();
  });

  it("exchange - answers, news, trades, quotes and books wait for the flush, then all of them go out", async () => {
    const world = await ExchangeWorld.start(dir);
    const [maker, taker] = [world.shard(0), world.shard(1)];
    for (const wallet of ["w1", "w2"]) await maker.snapshot(wallet);
    const ask = await maker.placed("w1", { side: "Sell", quantity: 5 });
    await world.quiet();
    const before = world.published;
    expect(world.quote).toEqual([null, 50]);

    world.store.hold();
    const order = taker.place("w2", { quantity: 2 });
    taker.send(order);
    await held(world);
    await world.quiet();
    // It is on disk by now, and the engine has long been done.
    expect(world.store.order(2)).toMatchObject({ status: "Filled" });
    expect([maker.news, taker.news]).toEqual([[], []]);
    const { states, books, trades } = world.published;
    expect([states.length, books.length, trades.length]).toEqual([
      before.states.length,
      before.books.length,
      0,
    ]);
    expect(resultsOf(world, "filled")).toBe(0);

    world.store.release();
    expect(await taker.answer(order)).toMatchObject({
      type: "reply",
      changed: true,
      order: { order_id: "2", status: "Filled", filled_quantity: 2 },
    });
    await world.quiet();
    expect(maker.news).toMatchObject([
      { type: "fill", fill: { trade_id: "1", order_id: ask.order_id, wallet: "w1" } },
      { type: "fill", fill: { trade_id: "1", order_id: "2", wallet: "w2" } },
      { type: "order", order: { order_id: ask.order_id, filled_quantity: 2 } },
      { type: "order", order: { order_id: "2", status: "Filled" } },
      { type: "position", position: { wallet: "w2", quantity: 2 } },
      { type: "position", position: { wallet: "w1", quantity: -2 } },
    ]);
    expect(world.published.trades).toMatchObject([
      { tradeId: "1", price: 50, quantity: 2, takerSide: "Buy" },
    ]);
    expect(world.published.books.at(-1)?.asks).toMatchObject({ length: 1 });
    expect(Number(world.published.books.at(-1)?.asks.quantity[0])).toBe(3);
    expect(world.published.states.at(-1)).toMatchObject({ volume: 2, price: 50, bestAsk: 50 });
    expect(resultsOf(world, "filled")).toBe(1);
  });

  it("exchange - what is asked meanwhile waits for the next batch and shares one commit", async () => {
    const world = await ExchangeWorld.start(dir);
    const shards = [world.shard(0), world.shard(1)] as const;
    world.store.hold();
    const first = shards[0].place("w1");
    shards[0].send(first);
    await held(world);
    const later = Array.from({ length: 10 }, (_, at) => {
      const shard = shards[at % 2] as ShardEnd;
      const order = shard.place("w1");
      shard.send(order);
      return shard.answer(order);
    });
    const snapshot = shards[1].snapshot("w1");
    await world.quiet();
    expect(world.store.commits).toHaveLength(1);
    world.store.release();
    expect(await shards[0].answer(first)).toMatchObject({ order: { order_id: "1" } });
    await Promise.all(later);
    expect(world.store.commits.map(({ orders }) => orders.length)).toEqual([1, 10]);
    // It came with the second batch, so it has all of that.
    expect((await snapshot).orders).toHaveLength(11);
  });

  it("exchange - more than a batch takes several commits, and every request its answer", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const orders = Array.from({ length: 5000 }, (_, at) =>
      shard.place(`w${at % 7}`, { side: at % 2 === 0 ? "Buy" : "Sell" }),
    );
    shard.send(...orders);
    await until("all answers", () => shard.news.length === orders.length || undefined);
    const answered = shard.news.map((one) => (one.type === "reply" ? one.request : 0));
    expect(answered).toEqual(orders.map(({ request }) => request));
    expect(world.store.commits.length).toBe(2);
    expect(Math.max(...world.store.commits.map((one) => one.orders.length))).toBeLessThan(5000);
  });
});

describe("exchange: a commit that fails", () => {
  it("exchange - its orders are refused, nothing of them is published, and snapshots tell what is stored", async () => {
    const world = await ExchangeWorld.start(dir);
    const [maker, taker] = [world.shard(0), world.shard(1)];
    const ask = await maker.placed("w1", { side: "Sell", quantity: 5 }, 7);
    const before = await maker.snapshot("w1");
    await world.quiet();
    const published = world.published;
    const counts = [published.states.length, published.books.length];

    world.store.failure = NO_SPACE;
    const [trade, rest] = [taker.place("w2"), taker.place("w2", { client_order_id: "c" })];
    const cancel = maker.cancel("w1", { order_id: ask.order_id });
    const snapshot = taker.watch("w1");
    taker.send(trade, rest, snapshot);
    maker.send(cancel);
    for (const [shard, request] of [
      [taker, trade],
      [taker, rest],
      [maker, cancel],
    ] as const) {
      expect(await shard.answer(request)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    }
    expect(await taker.answer(snapshot)).toMatchObject(before);
    expect(world.health).toEqual([expect.stringContaining(NO_SPACE.message)]);

    // Refused at once, without another try; what does not change anything is still answered.
    expect(await taker.ask(taker.place("w2"))).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect(await maker.snapshot("w1")).toEqual(before);
    expect(await maker.snapshot("w2")).toEqual({ orders: [], positions: [] });
    // A connection that ends is not refused: it waits.
    maker.send({ type: "ended", connection: 7 });
    await world.quiet();
    expect([maker.news, taker.news]).toEqual([[], []]);
    const { states, books, trades } = world.published;
    expect([states.length, books.length, trades.length]).toEqual([...counts, 0]);
    expect(world.store.commits).toHaveLength(1);
    // With a cancel.
    expect(resultsOf(world, "unavailable")).toBe(4);

    world.store.failure = undefined;
    await recovered(world);
    expect(await cancelled(maker, ask.order_id)).toMatchObject({ reason: DISCONNECT });
    expect(world.health).toHaveLength(2);
    // The client order id of the refused order is free, and no id that was told comes again.
    const placed = await taker.placed("w2", { client_order_id: "c" });
    expect(placed).toMatchObject({ status: "Open", filled_quantity: 0 });
    expect(Number(placed.order_id)).toBeGreaterThan(Number(ask.order_id));
  });

  it("exchange - whoever watches in its batch, or in the next, hears nothing of it", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const stored = await shard.placed("w2", { side: "Sell", quantity: 5 });
    world.store.failure = NO_SPACE;
    const fresh = shard.place("w1", { price: 0.4, client_order_id: "c" });
    const trade = shard.place("w1");
    const own = [shard.watch("w1"), shard.watch("w1")] as const;
    const other = [shard.watch("w2"), shard.watch("w2")] as const;
    shard.send(own[0], other[0], fresh, trade, own[1], other[1]);
    for (const order of [fresh, trade])
      expect(await shard.answer(order)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    const next = [await shard.snapshot("w1"), await shard.snapshot("w2")];
    const nothing = { orders: [], positions: [] };
    const all = { orders: [stored], positions: [] };
    for (const watch of own) expect(await shard.answer(watch)).toMatchObject(nothing);
    for (const watch of other) expect(await shard.answer(watch)).toMatchObject(all);
    expect(next).toEqual([nothing, all]);
    expect(shard.news).toEqual([]);

    world.store.failure = undefined;
    await recovered(world);
    // Its id is given to another, and its client order id is free.
    expect(await shard.placed("w3", { price: 0.3 })).toMatchObject({ order_id: "2" });
    expect(await shard.placed("w1", { price: 0.4, client_order_id: "c" })).toMatchObject({
      order_id: "3",
      status: "Open",
    });
  });

  it("exchange - sessions that ended meanwhile are gone before anybody can trade with their orders", async () => {
    const first = await ExchangeWorld.start(dir);
    const bound = await first.shard().placed("w1", { side: "Sell" }, 7);
    // As after a kill: the order is there, its connection is not.
    first.store.failure = NO_SPACE;
    await first.stop();

    const world = await ExchangeWorld.open(dir, "run-2");
    world.store.failure = NO_SPACE;
    await world.exchange.recover();
    expect(world.health).toEqual([expect.stringContaining(NO_SPACE.message)]);
    world.run();
    const shard = world.shard();
    expect((await shard.snapshot("w1")).orders).toMatchObject([{ order_id: bound.order_id }]);
    world.store.failure = undefined;
    const order = await until("an order that is taken", async () => {
      const answer = await shard.ask(shard.place("w2"));
      return answer.type === "reply" ? answer.order : undefined;
    });
    expect(order).toMatchObject({ status: "Open", filled_quantity: 0 });
    expect(lastNewsOf(shard, bound.order_id)).toMatchObject({ reason: RESTART });
  });
});

describe("exchange: sessions", () => {
  it("exchange - recovery cancels what connections of an earlier run left, and publishes the books without it", async () => {
    const first = await ExchangeWorld.start(dir);
    const shard = first.shard();
    const bound = await shard.placed("w1", { price: 0.6 }, 7);
    const kept = await shard.placed("w1", { price: 0.5 });
    first.store.failure = NO_SPACE;
    await first.stop();

    const world = await ExchangeWorld.open(dir, "run-2");
    await world.exchange.recover();
    await world.quiet();
    expect(world.store.order(Number(bound.order_id))).toMatchObject({
      status: "Cancelled",
      reason: RESTART,
    });
    expect(world.quote).toEqual([50, null]);
    world.run();
    expect((await world.shard().snapshot("w1")).orders).toEqual([kept]);
  });

  it("exchange - another producer of the same run keeps what is bound to connections that are still there", async () => {
    const first = await ExchangeWorld.start(dir);
    const orders = [];
    for (const [number, connection] of [
      [0, 7],
      [0, 8],
      [1, 7],
    ] as const) {
      orders.push(await first.shard(number).placed("w1", {}, connection));
    }
    first.store.failure = NO_SPACE;
    await first.stop();

    const world = await ExchangeWorld.start(dir);
    const shard = world.shard(0);
    expect((await shard.snapshot("w1")).orders).toEqual(orders);
    shard.send({ type: "attach", sessions: [shard.claim(8)] });
    const [gone, ...kept] = orders;
    expect(await cancelled(shard, gone?.order_id as string)).toMatchObject({ reason: DISCONNECT });
    expect((await shard.snapshot("w1")).orders).toEqual(kept);
  });

  it("exchange - a shard that dies ends all of its sessions, behind what it asked while it lived", async () => {
    const world = await ExchangeWorld.start(dir);
    const [dying, staying] = [world.shard(0), world.shard(1)];
    await staying.snapshot("w1");
    const kept = [await dying.placed("w1"), await staying.placed("w1", {}, 7)];
    const bound = await dying.placed("w1", {}, 7);
    dying.send(dying.place("w1", {}, 8));
    dying.close();
    expect(await cancelled(staying, bound.order_id)).toMatchObject({ reason: DISCONNECT });
    expect(await cancelled(staying, String(Number(bound.order_id) + 1))).toBeTruthy();
    expect((await staying.snapshot("w1")).orders).toEqual(kept);
  });
});

describe("exchange: orders that are sent again", () => {
  const ONCE = { time_in_force: "IOC", client_order_id: "ioc" } as const;
  const RESTING = { client_order_id: "gtc" } as const;

  it("exchange - within the batch of the first they get the same order, open or finished", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const orders = [ONCE, ONCE, RESTING, RESTING].map((order) => shard.place("w1", order));
    const [ioc, again, gtc, gtcAgain] = await Promise.all([
      shard.ask(orders[0] as ReturnType<typeof shard.place>),
      ...orders.slice(1).map((order) => shard.ask(order)),
    ]);
    expect(ioc).toMatchObject({ changed: true, order: { status: "Cancelled", order_id: "1" } });
    expect(again).toEqual({ ...ioc, request: orders[1]?.request, changed: false, duplicate: true });
    expect(gtc).toMatchObject({ changed: true, order: { status: "Open", order_id: "2" } });
    expect(gtcAgain).toEqual({
      ...gtc,
      request: orders[3]?.request,
      changed: false,
      duplicate: true,
    });
    expect(resultsOf(world, "duplicate")).toBe(2);
  });

  it("exchange - later they get it as it is by then, also in another run", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const ioc = await shard.placed("w1", ONCE);
    await shard.placed("w1", RESTING);
    await shard.placed("w2", { side: "Sell" });
    const filled = { order_id: "2", status: "Filled", filled_quantity: 1 };
    expect(await shard.placed("w1", ONCE)).toEqual(ioc);
    expect(await shard.placed("w1", RESTING)).toMatchObject(filled);
    // With other terms it is another order.
    for (const other of [
      { price: -1 },
      { quantity: 2 },
      { side: "Sell" },
      { market_id: 2 },
    ] as const)
      expect(await shard.ask(shard.place("w1", { ...RESTING, ...other }))).toMatchObject({
        refusal: {
          code: "ORDER_REJECTED",
          details: { rule: "client_order_id_reused", field: "client_order_id", value: "gtc" },
        },
      });
    await world.stop();

    const other = (await ExchangeWorld.start(dir, "run-2")).shard();
    expect(await other.placed("w1", ONCE)).toEqual(ioc);
    expect(await other.placed("w1", RESTING)).toMatchObject(filled);
    expect(await other.placed("w2", RESTING)).toMatchObject({ order_id: "4", status: "Open" });
  });

  it("exchange - one that the store has lost is refused, and trading goes on", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    await shard.placed("w1", ONCE);
    world.store.lose(1);
    expect(await shard.ask(shard.place("w1", ONCE))).toMatchObject({
      refusal: { code: "INTERNAL", message: expect.stringContaining("order 1") },
    });
    expect(await shard.placed("w1", RESTING)).toMatchObject({ status: "Open" });
  });
});

describe("exchange: stopping", () => {
  it("exchange - everything asked is answered, sessions end on disk, and the store is free", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const bound = await shard.placed("w1", {}, 7);
    const kept = await shard.placed("w1");
    await shard.snapshot("w1");

    world.store.hold();
    const underWay = shard.place("w1");
    shard.send(underWay);
    await held(world);
    world.abort();
    const tooLate = shard.place("w1");
    const read = shard.watch("w1");
    shard.send(tooLate, read);
    await world.quiet();
    world.store.release();
    await world.running;

    expect(await shard.answer(underWay)).toMatchObject({ order: { status: "Open" } });
    expect(await shard.answer(tooLate)).toMatchObject({
      refusal: { code: "UNAVAILABLE", message: expect.stringContaining("stopping") },
    });
    expect(await shard.answer(read)).toMatchObject({ type: "snapshot" });
    expect(lastNewsOf(shard, bound.order_id)).toMatchObject({ status: "Cancelled", reason: STOP });
    await until("the port is closed", () => shard.closed || undefined);
    const store = await Store.open(dir, KEEP_ALL);
    expect([...(await store.load()).openOrders].map(({ orderId }) => orderId)).toEqual([
      Number(kept.order_id),
      3,
    ]);
    expect(store.order(Number(bound.order_id))).toMatchObject({ status: "Cancelled" });
    await store.close();
  });

  it("exchange - a store that fails keeps it from nothing", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const bound = await shard.placed("w1", {}, 7);
    world.store.failure = NO_SPACE;
    expect(await shard.ask(shard.place("w1"))).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    world.abort();
    await world.running;
    const store = await Store.open(dir, KEEP_ALL);
    // The next server cancels it.
    expect(store.order(Number(bound.order_id))).toMatchObject({ status: "Open" });
    await store.close();
  });
});

describe("exchange: simulated traders", () => {
  it("exchange - they trade through the same commits, and what they leave is withdrawn by an exchange without them", async () => {
    const world = await ExchangeWorld.start(dir, "run-1", { simTraders: 3 });
    await until("trades", () => world.published.trades.length > 5 || undefined);
    const stored = world.store.commits.flatMap(({ trades }) => trades);
    expect(world.published.trades.map(({ tradeId }) => tradeId)).toEqual(
      stored.slice(0, world.published.trades.length).map(({ tradeId }) => String(tradeId)),
    );
    const shard = world.shard();
    const own = await shard.placed("w1", { price: 0.01 });
    await world.stop();
    expect([...world.store.commits].length).toBeGreaterThan(1);

    const openIds = async ({ store }: ExchangeWorld) =>
      [...(await store.load()).openOrders].map(({ orderId }) => String(orderId));
    const without = await ExchangeWorld.open(dir, "run-2");
    const before = await openIds(without);
    without.store.failure = NO_SPACE;
    await without.exchange.recover();
    expect(await openIds(without)).toEqual(before);
    without.run();
    without.store.failure = undefined;
    await recovered(without);
    await until(
      "they are withdrawn",
      async () => (await openIds(without)).length === 1 || undefined,
    );
    expect(await openIds(without)).toEqual([own.order_id]);
    await until("the quote", () => without.quote[1] === null || undefined);
    expect(without.quote).toEqual([1, null]);
    await without.stop();

    const again = await ExchangeWorld.start(dir, "run-3", { simTraders: 3 });
    await until("an order", async () => (await openIds(again)).length > 1 || undefined);
    await again.stop();
    const last = await ExchangeWorld.open(dir, "run-4");
    await last.exchange.recover();
    expect(await openIds(last)).toEqual([own.order_id]);
    last.run();
  });
});
