import { beforeEach, describe, expect, it } from "vitest";
import { counted, PRODUCER } from "../../src/counters/counters.js";
import { temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld, TestClocks } from "./exchange-world.js";

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const DAY_MS = 86_400_000;
/** After so long a clock that has leapt ahead is followed. */
const FOLLOWED = 61 * SECOND;

/** What the shipped configuration keeps: client order ids for a day, orders for a week. */
const RETENTION = { clientOrderIdRetentionMs: DAY_MS, orderRetentionMs: 7 * DAY_MS };
const ONCE = { time_in_force: "IOC", client_order_id: "once" } as const;

let dir: string;
let clocks: TestClocks;
beforeEach(() => {
  dir = temporaryDirectory();
  clocks = new TestClocks();
});

const start = (run = "run-1", options = {}) =>
  ExchangeWorld.start(dir, run, { ...RETENTION, ...options }, clocks);

/** Waits until the store has been pruned. */
async function pruned(world: ExchangeWorld): Promise<void> {
  const { prunings } = world.store;
  await until("a pruning", () => world.store.prunings > prunings || undefined);
}

describe("exchange: a wall clock that is set ahead and back", () => {
  it("exchange clock - an id is remembered over a jump of a month, and forgotten when its day has passed", async () => {
    let world = await start();
    let shard = world.shard();
    const first = await shard.placed("w1", ONCE);
    clocks.wind(HOUR);
    clocks.set(30 * DAY);
    expect(await shard.placed("w1", ONCE)).toEqual(first);
    await shard.placed("w1", { time_in_force: "IOC" });
    clocks.wind(FOLLOWED);
    const ahead = await shard.placed("w1", { ...ONCE, client_order_id: "ahead" });
    await pruned(world);
    clocks.set(-30 * DAY);
    expect(await shard.placed("w1", ONCE)).toEqual(first);
    await pruned(world);

    // Whatever the exchange remembers itself, a restart finds in the store.
    await world.stop();
    world = await start("run-2");
    shard = world.shard();
    expect(await shard.placed("w1", ONCE)).toEqual(first);
    expect(await shard.placed("w1", { ...ONCE, client_order_id: "ahead" })).toEqual(ahead);
    clocks.wind(DAY - HOUR - FOLLOWED - 30 * SECOND);
    expect(await shard.placed("w1", ONCE)).toEqual(first);
    clocks.wind(60 * SECOND);
    expect((await shard.placed("w1", ONCE)).order_id).not.toBe(first.order_id);
    // The one from the time that was wrongly ahead is no younger than it is.
    expect(await shard.placed("w1", { ...ONCE, client_order_id: "ahead" })).toEqual(ahead);
    clocks.wind(HOUR + FOLLOWED);
    expect((await shard.placed("w1", { ...ONCE, client_order_id: "ahead" })).order_id).not.toBe(
      ahead.order_id,
    );
  });

  it("exchange clock - its time goes on, and never back, over restarts too", async () => {
    const told: number[] = [];
    let world = await start();
    const place = async () => {
      const { updated_ts } = await world.shard().placed("w1", { time_in_force: "IOC" });
      told.push(updated_ts);
      return updated_ts;
    };
    const before = await place();
    clocks.set(HOUR);
    const ahead = await place();
    expect(ahead - before).toBeGreaterThanOrEqual(HOUR);
    clocks.set(-HOUR);
    await place();
    clocks.wind(10 * SECOND);
    // It all but stands still.
    expect((await place()) - ahead).toBeLessThan(SECOND);
    await world.stop();
    world = await start("run-2");
    await place();
    // It has caught up, and is the wall clock's again.
    clocks.wind(2 * HOUR);
    const wall = clocks.now();
    expect((await place()) - wall).toBeLessThan(SECOND);
    expect(told.every((ts, at) => at === 0 || ts >= (told[at - 1] as number))).toBe(true);
  });

  it("exchange clock - nothing is pruned for a jump, and all in its time", async () => {
    const world = await start("run-1", {
      orderRetentionMs: 3_600_000,
      tradeRetentionMs: 3_600_000,
    });
    const shard = world.shard();
    await shard.placed("w1", { side: "Sell", quantity: 2 });
    const early = await shard.placed("w2", { time_in_force: "IOC" });
    clocks.set(300 * DAY);
    await shard.placed("w2", { time_in_force: "IOC" });
    clocks.wind(FOLLOWED);
    const ahead = await shard.placed("w2", { time_in_force: "IOC" });
    await pruned(world);
    clocks.set(-300 * DAY);
    await pruned(world);
    const stored = (order_id: string) => world.store.order(Number(order_id)) !== undefined;
    expect([stored(early.order_id), stored(ahead.order_id)]).toEqual([true, true]);
    clocks.wind(HOUR + 2 * SECOND);
    await until("they are pruned", () => {
      return (!stored(early.order_id) && !stored(ahead.order_id)) || undefined;
    });
  });

  it("exchange clock - ids that are over after a jump back make room again", async () => {
    const world = await start("run-1", { maxClientOrderIds: 2 });
    const shard = world.shard();
    clocks.set(30 * DAY);
    for (const client_order_id of ["a", "b"])
      await shard.placed("w1", { ...ONCE, client_order_id });
    clocks.set(-30 * DAY);
    const more = { ...ONCE, client_order_id: "c" };
    expect(await shard.ask(shard.place("w1", more))).toMatchObject({
      refusal: { code: "ORDER_REJECTED", details: { rule: "max_client_order_ids", limit: 2 } },
    });
    clocks.wind(DAY);
    expect(await shard.placed("w1", more)).toMatchObject({ status: "Cancelled" });
  });
});

describe("exchange: client order ids of all wallets", () => {
  it("exchange clock - one wallet cannot use up all, and the metric tells how many there are", async () => {
    const world = await start("run-1", { maxAllClientOrderIds: 20 });
    const shard = world.shard();
    const use = async (wallet: string): Promise<number> => {
      for (let used = 0; ; used++) {
        const order = { ...ONCE, client_order_id: `c${used}` };
        const answer = await shard.ask(shard.place(wallet, order));
        if (answer.type !== "refusal") continue;
        expect(answer.refusal).toMatchObject({
          code: "ORDER_REJECTED",
          message: expect.stringContaining("its share of the 20 client order ids"),
          details: { rule: "max_all_client_order_ids", limit: 20 },
        });
        return used;
      }
    };
    expect([await use("w1"), await use("w2"), await use("w3")]).toEqual([10, 5, 3]);
    expect(counted(world.counters, PRODUCER.clientOrderIds)).toBe(18);
    // Without an id an order is taken, and one that is known is answered.
    expect(await shard.placed("w1", { time_in_force: "IOC" })).toMatchObject({ wallet: "w1" });
    expect(await shard.placed("w1", { ...ONCE, client_order_id: "c3" })).toMatchObject({
      order_id: "4",
    });
    clocks.wind(DAY);
    expect(await shard.placed("w1", { ...ONCE, client_order_id: "c0" })).toMatchObject({
      client_order_id: "c0",
    });
    await until("they are forgotten", async () => {
      await shard.placed("w1", { time_in_force: "IOC" });
      return counted(world.counters, PRODUCER.clientOrderIds) === 1 || undefined;
    });
  });
});
