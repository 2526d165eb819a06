import { beforeEach, describe, expect, it } from "vitest";
import { ORDER_RESULTS, PRODUCER } from "../../src/counters/counters.js";
import { JournalError } from "../../src/journal/journal-error.js";
import { StoreError } from "../../src/store/store-error.js";
import type { ExchangeNews } from "../../src/workers/messages.js";
import { temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld, TestClocks } from "./exchange-world.js";
import { limitOrder, type ShardEnd } from "./shard-end.js";

const SECOND = 1_000_000;

let dir: string;
let clocks: TestClocks;
beforeEach(() => {
  dir = temporaryDirectory();
  clocks = new TestClocks();
});

const start = (run = "run-1", options = {}) => ExchangeWorld.start(dir, run, options, clocks);

/** What a shard has been told of orders: their ids, statuses and reasons. */
const ordersTold = ({ news }: ShardEnd) =>
  news.flatMap((one) =>
    one.type === "order" ? [[one.order.order_id, one.order.status, one.order.reason_code]] : [],
  );

/** The data of an answer that is no order. */
function dataOf(answer: ExchangeNews): unknown {
  if (answer.type !== "answer") throw new Error(`no such answer: ${JSON.stringify(answer)}`);
  return answer.message.data;
}

const counted = (world: ExchangeWorld, result: (typeof ORDER_RESULTS)[number]) =>
  world.counters[PRODUCER.ordersByResult + ORDER_RESULTS.indexOf(result)];

describe("order desk", () => {
  it("order desk - orders of a batch share a commit, and each has its result, as it is behind the last", async () => {
    const world = await start();
    const shard = world.shard();
    const watcher = world.shard(1);
    await watcher.snapshot("w1");
    await shard.snapshot("w1");
    await shard.placed("w1", { client_order_id: "known" });
    await until("the news", () => watcher.news.length === 1 || undefined);
    watcher.news.length = 0;
    const { length } = world.store.commits;
    const fault = { code: "INVALID_MESSAGE", message: "no", details: { field: "f" } } as const;
    const answer = await shard.about({
      type: "place-all",
      wallet: "w1",
      orders: [
        limitOrder({ side: "Sell", price: 0.6 }),
        { refusal: fault },
        limitOrder({ price: -1 }),
        limitOrder({ client_order_id: "known" }),
        limitOrder({ client_order_id: "known", price: 0.4 }),
        limitOrder({ price: 0.6, self_trade: "CancelMaker" }),
      ],
      boundTo: undefined,
    });
    expect(dataOf(answer)).toMatchObject({
      results: [
        { order: { order_id: "2", status: "Cancelled", reason_code: "self_trade" } },
        { error: fault },
        { error: { code: "ORDER_REJECTED", details: { rule: "positive_price", value: -1 } } },
        { order: { order_id: "1", status: "Open" }, duplicate: true },
        { error: { details: { rule: "client_order_id_reused", value: "known" } } },
        { order: { order_id: "3", status: "Open", price: 0.6 } },
      ],
    });
    expect(world.store.commits.length - length).toBe(1);
    const told = [
      ["2", "Open", undefined],
      ["2", "Cancelled", "self_trade"],
      ["3", "Open", undefined],
    ];
    await until("the news", () => watcher.news.length === told.length || undefined);
    expect(ordersTold(watcher)).toEqual(told);
    expect(ordersTold(shard)).toEqual(told);
    // Who asked is told of its orders by the answer, and only of the one that another ended beside it.
    const own = shard.news.filter((one) => one.type === "order" && one.beside !== undefined);
    expect(own).toHaveLength(2);
    expect([counted(world, "rejected"), counted(world, "duplicate")]).toEqual([3, 1]);
  });

  it("order desk - an amend is admitted by the market's steps, answered, and stored", async () => {
    let world = await start();
    let shard = world.shard();
    const first = await shard.placed("w1", { quantity: 5 });
    await shard.placed("w2", { quantity: 5 });
    const amend = (price?: number, quantity?: number) =>
      shard.about({
        type: "amend",
        wallet: "w1",
        order: { order_id: first.order_id },
        price,
        quantity,
      });
    expect(await amend(0.505)).toMatchObject({ refusal: { details: { rule: "tick_size" } } });
    expect(await amend(undefined, 0)).toMatchObject({
      refusal: { details: { rule: "positive_quantity", field: "quantity", value: 0 } },
    });
    expect(await amend(undefined, 5)).toMatchObject({ type: "reply", changed: false });
    const moved = await amend(undefined, 6);
    expect(moved).toMatchObject({ type: "reply", changed: true, order: { quantity: 6 } });
    expect(moved).not.toHaveProperty("duplicate");
    await world.stop();

    world = await start("run-2");
    shard = world.shard();
    // It has lost its place, and what it was placed as is known.
    const sold = await shard.placed("w3", { side: "Sell", quantity: 6 });
    expect(sold.status).toBe("Filled");
    expect((await shard.snapshot("w1")).orders).toMatchObject([{ filled_quantity: 1 }]);
    expect((await shard.snapshot("w2")).orders).toEqual([]);
  });

  it("order desk - an order that was amended is the same still when it is sent again", async () => {
    const world = await start();
    const shard = world.shard();
    await shard.placed("w1", { client_order_id: "c", quantity: 5 });
    const order = { client_order_id: "c" };
    await shard.about({ type: "amend", wallet: "w1", order, price: 0.4, quantity: 3 });
    expect(await shard.ask(shard.place("w1", { client_order_id: "c", quantity: 5 }))).toMatchObject(
      { duplicate: true, order: { price: 0.4, quantity: 3 } },
    );
    expect(
      await shard.ask(shard.place("w1", { client_order_id: "c", price: 0.4, quantity: 3 })),
    ).toMatchObject({ refusal: { details: { rule: "client_order_id_reused" } } });
  });

  it("order desk - a mass cancel is one commit, told to everybody, and counted", async () => {
    const world = await start();
    const shard = world.shard();
    await shard.snapshot("w1");
    for (const side of ["Buy", "Sell", "Buy"] as const)
      await shard.placed("w1", { side, price: side === "Buy" ? 0.5 : 0.6 });
    await shard.placed("w2");
    shard.news.length = 0;
    const { length } = world.store.commits;
    const answer = await shard.about({ type: "cancel-all", wallet: "w1", side: "Buy" });
    expect(dataOf(answer)).toEqual({ count: 2 });
    expect(world.store.commits.length - length).toBe(1);
    expect(ordersTold(shard)).toEqual([
      ["1", "Cancelled", "requested"],
      ["3", "Cancelled", "requested"],
    ]);
    const none = await shard.about({ type: "cancel-all", wallet: "w1", marketId: 2 });
    expect(dataOf(none)).toEqual({ count: 0 });
    expect((await shard.snapshot("w2")).orders).toHaveLength(1);
  });

  it("order desk - a validated order is told as it was understood, and leaves nothing", async () => {
    const world = await start();
    const shard = world.shard();
    const order = { market_id: 1, side: "Buy", order_type: "Limit", price: 0.5 } as const;
    const validate = (given: object) =>
      shard.about({
        type: "place",
        wallet: "w1",
        order: { ...order, quantity: 1, client_order_id: "c", ...given },
        boundTo: undefined,
        validateOnly: true,
      });
    expect(dataOf(await validate({}))).toEqual({
      order: {
        ...order,
        quantity: 1,
        client_order_id: "c",
        time_in_force: "GTC",
        post_only: false,
        self_trade: "CancelTaker",
      },
    });
    expect(await validate({ quantity: 0.5 })).toMatchObject({
      refusal: { details: { rule: "lot_size" } },
    });
    expect(await validate({ valid_until_ts: 1 })).toMatchObject({
      refusal: { details: { rule: "expired", field: "valid_until_ts", value: 1 } },
    });
    expect(world.store.commits).toEqual([]);
    expect(await shard.placed("w1", { client_order_id: "c" })).toMatchObject({ order_id: "1" });
    expect(counted(world, "rejected")).toBe(0);
  });

  it("order desk - what cannot be stored has not happened: amends, batches, timers neither", async () => {
    const world = await start();
    const shard = world.shard();
    await shard.placed("w1", { quantity: 5 });
    world.store.failure = new Error("disk full");
    const order = { order_id: "1" };
    const answers = await Promise.all([
      shard.about({ type: "amend", wallet: "w1", order, price: 0.4, quantity: undefined }),
      shard.about({ type: "place-all", wallet: "w1", orders: [limitOrder()], boundTo: undefined }),
      shard.about({ type: "cancel-all", wallet: "w1" }),
      shard.about({ type: "cancel-after", wallet: "w1", timeoutMs: 1000 }),
    ]);
    for (const answer of answers)
      expect(answer).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    clocks.wind(2 * SECOND);
    world.store.failure = undefined;
    await until("it trades again", () => (world.health.at(-1) === "ok" ? true : undefined));
    expect((await shard.snapshot("w1")).orders).toMatchObject([
      { order_id: "1", price: 0.5, quantity: 5, status: "Open" },
    ]);
  });
});

describe("order desk: an uncertain disk", () => {
  it("order desk - where the disk may have an order it is said, and by a certain failure nothing is promised", async () => {
    const world = await start();
    const shard = world.shard();
    const cause = new JournalError("JOURNAL_WRITE_FAILED", "no answer", { maybeStored: true });
    world.store.failure = new StoreError("STORE_WRITE_FAILED", "no answer", { cause });
    const messages: string[] = [];
    for (let at = 0; at < 2; at++) {
      const answer = await shard.ask(shard.place("w1"));
      if (answer.type !== "refusal") throw new Error(JSON.stringify(answer));
      expect(answer.refusal.code).toBe("UNAVAILABLE");
      messages.push(answer.refusal.message);
    }
    // The second one was not written at all.
    expect(messages).toEqual([
      expect.stringContaining("it may be there when the server starts again"),
      expect.stringContaining("orders cannot be stored at the moment"),
    ]);
  });
});

describe("order desk: time", () => {
  const gtd = (after: number) =>
    ({ time_in_force: "GTD", expires_ts: clocks.now() + after }) as const;

  it("order desk - a GTD order expires without anybody asking, and is told", async () => {
    const world = await start();
    const shard = world.shard();
    await shard.snapshot("w1");
    const order = await shard.placed("w1", gtd(60 * SECOND));
    expect(order).toMatchObject({ status: "Open", expires_ts: expect.any(Number) });
    clocks.wind(61 * SECOND);
    await until("it is told", () => ordersTold(shard)[0]);
    expect(ordersTold(shard)).toEqual([["1", "Cancelled", "expired"]]);
  });

  it("order desk - what fell due while no server ran is cancelled before anybody trades", async () => {
    let world = await start();
    let shard = world.shard();
    await shard.placed("w1", gtd(60 * SECOND));
    await shard.placed("w2", { price: 0.49 });
    await shard.placed("w3", { price: 0.48 });
    await shard.placed("w3", { price: 0.47, ...gtd(600 * SECOND) });
    const setTimer = (wallet: string, timeoutMs: number) =>
      shard.about({ type: "cancel-after", wallet, timeoutMs });
    const { trigger_ts } = dataOf(await setTimer("w2", 30_000)) as { trigger_ts: number };
    expect(trigger_ts - clocks.now()).toBeGreaterThan(29 * SECOND);
    await setTimer("w3", 300_000);
    await world.stop();

    clocks.wind(100 * SECOND);
    world = await start("run-2");
    shard = world.shard();
    expect(
      await shard.placed("w9", { side: "Sell", price: 0.47, time_in_force: "IOC", quantity: 9 }),
    ).toMatchObject({ filled_quantity: 2 });
    const [first, second] = [world.store.order(1), world.store.order(2)];
    expect(first).toMatchObject({ status: "Cancelled", reasonCode: "expired" });
    expect(second).toMatchObject({ status: "Cancelled", reasonCode: "cancel_after" });

    // The other timer goes on where it was.
    await shard.snapshot("w3");
    await shard.placed("w3", { price: 0.3 });
    clocks.wind(190 * SECOND);
    await world.quiet();
    expect((await shard.snapshot("w3")).orders).toHaveLength(1);
    clocks.wind(20 * SECOND);
    await until("it is cancelled", () => ordersTold(shard)[0]);
    expect((await shard.snapshot("w3")).orders).toEqual([]);
  });

  it("order desk - a switch that is renewed or ended cancels nothing, whatever the wall clock does", async () => {
    const world = await start();
    const shard = world.shard();
    await shard.placed("w1");
    const setTimer = (timeoutMs: number) =>
      shard.about({ type: "cancel-after", wallet: "w1", timeoutMs });
    await setTimer(60_000);
    clocks.wind(50 * SECOND);
    await setTimer(60_000);
    clocks.wind(50 * SECOND);
    clocks.set(3600 * SECOND);
    await world.quiet();
    expect((await shard.snapshot("w1")).orders).toHaveLength(1);
    expect(dataOf(await setTimer(0))).toEqual({ trigger_ts: null });
    clocks.wind(500 * SECOND);
    await shard.placed("w2");
    expect((await shard.snapshot("w1")).orders).toHaveLength(1);
  });

  it("order desk - many that expire at once take several batches, and nobody trades with them", async () => {
    const world = await start();
    const shard = world.shard();
    const count = 5000;
    const terms = gtd(60 * SECOND);
    for (let at = 0; at < count; at += 50)
      await shard.about({
        type: "place-all",
        wallet: "w1",
        orders: Array.from({ length: 50 }, () => limitOrder(terms)),
        boundTo: undefined,
      });
    const { length } = world.store.commits;
    clocks.wind(61 * SECOND);
    const sold = await shard.placed("w2", { side: "Sell", quantity: 3 });
    expect(sold).toMatchObject({ filled_quantity: 0, status: "Open" });
    const batches = world.store.commits.slice(length).map(({ orders }) => orders.length);
    expect(Math.max(...batches)).toBeLessThanOrEqual(4097);
    expect(batches.reduce((sum, one) => sum + one, 0)).toBe(count + 1);
  });
});
