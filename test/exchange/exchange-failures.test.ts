import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";
import type { ContractOrder, ContractPosition } from "../../src/store/contract-form.js";
import { Store } from "../../src/store/store.js";
import type { ExchangeNews, ExchangeRequest } from "../../src/workers/messages.js";
import { KEEP_ALL, temporaryDirectory } from "../store/directories.js";
import { drawSeed } from "../support/seeds.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";
import type { ShardEnd } from "./shard-end.js";

const NO_SPACE = new Error("no space left on the device");
const DAY = 86_400_000_000;

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});

describe("exchange failures", () => {
  it("exchange failures - a store that works again before a batch is undone has none of it taken", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    world.store.failure = NO_SPACE;
    // The state is loaded, and not given out until a probe has found that all is well.
    let release = (): void => {};
    world.store.loading = new Promise((resolve) => {
      release = resolve;
    });
    world.store.probed = async () => {};
    const order = shard.place("w1", { client_order_id: "c" });
    const watch = shard.watch("w1");
    shard.send(order, watch);
    await until("the store is well", () => world.health.at(-1) === "ok" || undefined);
    world.store.failure = undefined;
    const later = shard.place("w1", { price: 0.4 });
    shard.send(later);
    await world.quiet();
    expect([shard.news, world.store.commits]).toEqual([[], []]);
    release();
    expect(await shard.answer(order)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect(await shard.answer(watch)).toMatchObject({ orders: [], positions: [] });
    expect(await shard.answer(later)).toMatchObject({ order: { order_id: "1", price: 0.4 } });
    expect(world.store.commits.map(({ orders }) => orders.length)).toEqual([1]);
  });

  it("exchange failures - a session that ended in a failed batch ends later, one that it made never was", async () => {
    const world = await ExchangeWorld.start(dir);
    const shard = world.shard();
    const bound = await shard.placed("w1", { side: "Sell" }, 7);
    world.store.failure = NO_SPACE;
    // The last order of session 7 is cancelled in the batch that its end comes with.
    const cancel = shard.cancel("w1", { order_id: bound.order_id });
    const fresh = shard.place("w1", { price: 0.1 }, 8);
    shard.send(cancel, { type: "ended", connection: 7 }, fresh, { type: "ended", connection: 8 });
    for (const one of [cancel, fresh])
      expect(await shard.answer(one)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect((await shard.snapshot("w1")).orders).toEqual([bound]);
    world.store.failure = undefined;
    await until(
      "the cancel",
      () =>
        shard.news.some((one) => one.type === "order" && one.order.status === "Cancelled") ||
        undefined,
    );
    expect(await shard.snapshot("w1")).toEqual({ orders: [], positions: [] });
    expect(world.store.commits.map(({ orders }) => orders.length)).toEqual([1, 1]);
  });

  it("exchange failures - simulated traders go on from what is stored, and nobody hears of what was not", async () => {
    const world = await ExchangeWorld.start(dir, "run-1", { simTraders: 3, feedRate: 2000 });
    await until("trades", () => world.published.trades.length > 5 || undefined);
    world.store.failure = NO_SPACE;
    await until("a failure", () => world.health.length > 0 || undefined);
    world.store.failure = undefined;
    await until("all is well", () => world.health.at(-1) === "ok" || undefined);
    const before = world.published.trades.length;
    await until("more trades", () => world.published.trades.length > before + 5 || undefined);
    await world.stop();
    const store = await Store.open(dir, KEEP_ALL);
    const stored = world.store.commits.flatMap(({ trades }) => trades);
    expect(world.published.trades.map(({ tradeId }) => tradeId)).toEqual(
      stored.map((_, at) => String(at + 1)),
    );
    expect((await store.load()).nextTradeId).toBe(stored.length + 1);
    await store.close();
  });

  it.each([
    ["half a character", "\ud800"],
    ["more than a key holds", "x".repeat(2000)],
    ["more than a key holds, in few characters", "😀".repeat(500)],
  ])(
    "exchange failures - a wallet of %s is refused alone, with all else of its batch taken",
    async (_, wallet) => {
      const world = await ExchangeWorld.start(dir);
      const shard = world.shard();
      const [before, broken, after] = [
        shard.place("w1", { side: "Sell" }),
        shard.place(wallet),
        shard.place("w2"),
      ];
      shard.send(before, broken, after);
      expect(await shard.answer(before)).toMatchObject({
        order: { order_id: "1", status: "Open" },
      });
      expect(await shard.answer(broken)).toMatchObject({
        refusal: {
          code: "ORDER_REJECTED",
          message: expect.stringMatching(/^the wallet cannot be stored: /),
        },
      });
      expect(await shard.answer(after)).toMatchObject({
        order: { order_id: "2", status: "Filled" },
      });
      expect(world.store.commits).toHaveLength(1);
      expect(world.health).toEqual([]);
      await world.stop();
      const again = await ExchangeWorld.start(dir, "run-2");
      expect((await again.shard().snapshot("w2")).positions).toMatchObject([{ quantity: 1 }]);
    },
  );

  it("exchange failures - whatever fails and however clocks are set, what is told is what is stored", async () => {
    const seed = drawSeed("exchange failures") % 1_000_000;
    const told = await history(dir, seed);
    expect({ seed, ...told }).toMatchObject({ seed, unanswered: 0 });
    expect(told.failures).toBeGreaterThan(1);
    expect(told.filled).toBeGreaterThan(5);
  });
});

const WALLETS = ["w1", "w2", "w3"];

/** What a shard knows of a wallet, from its snapshots and news alone. */
class Mirror {
  readonly orders = new Map<string, ContractOrder>();
  readonly positions = new Map<unknown, ContractPosition>();
  readonly ids = new Set<string>();
  readonly answers = new Map<number, ExchangeNews["type"]>();
  latestTs = 0;

  hear(news: ExchangeNews, wallets: ReadonlyMap<number, string>): void {
    if ("request" in news) {
      if (this.answers.has(news.request)) throw new Error(`request ${news.request}: two answers`);
      this.answers.set(news.request, news.type);
    }
    if (news.type === "snapshot") {
      const wallet = wallets.get(news.request);
      const open = new Map(news.orders.map((order) => [order.order_id, order]));
      // All that was told is there, and nothing that was not.
      for (const order of this.orders.values())
        if (order.wallet === wallet) expect(open.get(order.order_id)).toEqual(order);
      for (const order of news.orders) this.#take(order);
      for (const one of news.positions) this.positions.set(one.wallet, one);
    } else if (news.type === "order" || news.type === "reply") this.#take(news.order);
    else if (news.type === "position") this.positions.set(news.position.wallet, news.position);
  }

  #take(order: ContractOrder): void {
    this.ids.add(order.order_id);
    this.latestTs = Math.max(this.latestTs, order.updated_ts);
    const isOpen = order.status === "Open" || order.status === "PartiallyFilled";
    if (isOpen) this.orders.set(order.order_id, order);
    else this.orders.delete(order.order_id);
  }
}

/** Trades in a random way over failures of the store and jumps of the clock; checks all on the way. */
async function history(path: string, seed: number) {
  const random = new Random(seed);
  const world = await ExchangeWorld.start(path);
  const shard: ShardEnd = world.shard();
  const mirror = new Mirror();
  const watched = new Map<number, string>();
  let asked = 0;
  let failures = 0;
  const send = (...requests: readonly ExchangeRequest[]): void => {
    for (const request of requests) {
      if ("request" in request) asked++;
      if (request.type === "watch") watched.set(request.request, request.wallet);
    }
    shard.send(...requests);
  };
  const settled = () =>
    until("all answers", () => {
      for (const news of shard.news.splice(0)) mirror.hear(news, watched);
      return mirror.answers.size === asked || undefined;
    });
  send(...WALLETS.map((wallet) => shard.watch(wallet)));
  await settled();
  for (let step = 0; step < 150; step++) {
    const wallet = WALLETS[random.below(WALLETS.length)] as string;
    const requests = Array.from({ length: 1 + random.below(6) }, () => {
      const kind = random.below(10);
      if (kind === 0) return shard.watch(wallet);
      if (kind === 1) return shard.cancel(wallet, { order_id: String(1 + random.below(80)) });
      const client_order_id = `c${random.below(60)}`;
      const side = random.below(2) === 0 ? "Buy" : "Sell";
      const terms = {
        side,
        price: (40 + random.below(20)) / 100,
        quantity: 1 + random.below(3),
      } as const;
      return shard.place(
        WALLETS[random.below(3)] as string,
        random.below(3) === 0 ? { ...terms, client_order_id } : terms,
        random.below(4) === 0 ? random.below(5) : undefined,
      );
    });
    if (random.below(10) === 0) world.clocks.set((random.below(3) - 1) * 3 * DAY);
    if (step % 60 === 30) {
      world.store.failure = NO_SPACE;
      failures++;
    }
    send(
      ...requests,
      ...(random.below(8) === 0 ? [{ type: "ended", connection: random.below(5) } as const] : []),
    );
    if (random.below(3) > 0) await settled();
    if (step % 60 === 34) {
      world.store.failure = undefined;
      await settled();
      if (world.health.length > 0)
        await until("all is well", () => world.health.at(-1) === "ok" || undefined);
    }
  }
  await settled();
  send(...WALLETS.map((wallet) => shard.watch(wallet)));
  await settled();
  for (const news of shard.news.splice(0)) mirror.hear(news, watched);
  const heard = {
    open: [...mirror.orders.keys()].sort(),
    positions: [...mirror.positions.values()]
      .map(({ wallet, quantity }) => [wallet, quantity])
      .sort(),
  };
  const { openOrders, positions, nextOrderId } = await world.store.load();
  expect({ seed, ...heard }).toEqual({
    seed,
    open: [...openOrders].map(({ orderId }) => String(orderId)).sort(),
    positions: [...positions].map(({ wallet, quantity }) => [wallet, quantity]).sort(),
  });
  // Every id that was told was given once, and those that were given were told.
  expect(mirror.ids.size).toBe(nextOrderId - 1);
  const filled = world.store.commits.flatMap(({ trades }) => trades).length;
  expect(world.published.trades.length).toBe(filled);
  return { unanswered: asked - mirror.answers.size, failures, filled };
}
