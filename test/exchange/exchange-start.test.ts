import { beforeEach, describe, expect, it } from "vitest";
import type { Order, Position } from "../../src/engine/order.js";
import { Store } from "../../src/store/store.js";
import { KEEP_ALL, temporaryDirectory } from "../store/directories.js";
import { ExchangeWorld, MARKET, TestClocks } from "./exchange-world.js";

/** Records that one turn of the event loop may take: a heart that beats twice a second is not kept. */
const PER_TURN_MAX = 5000;

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});

function openOrder(orderId: number, changes: Partial<Order> = {}): Order {
  return {
    orderId,
    marketId: 1,
    wallet: `w${orderId % 100}`,
    clientOrderId: undefined,
    side: "Buy",
    orderType: "Limit",
    timeInForce: "GTC",
    postOnly: false,
    selfTrade: "CancelTaker",
    expiresTs: undefined,
    price: 1 + (orderId % 50),
    quantity: 1,
    session: undefined,
    priority: orderId,
    original: undefined,
    filled: 0,
    filledValue: 0n,
    status: "Open",
    reason: undefined,
    reasonCode: undefined,
    createdTs: 1,
    updatedTs: 1,
    ...changes,
  };
}

/** Leaves open orders in the store, as a server that was killed does. */
async function leave(orders: readonly Order[]): Promise<void> {
  const store = await Store.open(dir, KEEP_ALL);
  await store.putMarkets([MARKET]);
  await store.commit({
    orders,
    trades: [],
    positions: [],
    totals: [],
    timers: [],
    markets: [],
    nextOrderId: orders.length + 1,
    nextTradeId: 1,
  });
  await store.close();
}

/** Values that tell how many of them are taken in a turn of the event loop at most. */
class Metered<T> {
  static most = 0;
  static #taken = 0;
  readonly #values: readonly T[];

  constructor(values: readonly T[]) {
    this.#values = values;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const value of this.#values) {
      if (Metered.#taken++ === 0)
        setImmediate(() => {
          Metered.#taken = 0;
        });
      Metered.most = Math.max(Metered.most, Metered.#taken);
      yield value;
    }
  }
}

describe("exchange start", () => {
  it("exchange start - an engine is rebuilt in turns, with time for other things in between", async () => {
    const count = 30_000;
    const numbers = Array.from({ length: count }, (_, at) => at + 1);
    const world = await ExchangeWorld.open(dir, "run-1", {}, new TestClocks(), (state) => ({
      ...state,
      nextOrderId: 2 * count + 1,
      latestTs: 2,
      openOrders: new Metered(numbers.map((n) => openOrder(n + count))),
      clientOrderIds: new Metered(
        numbers.map((orderId) => ({
          wallet: `w${orderId % 10}`,
          clientOrderId: `c${orderId}`,
          orderId,
          finishedTs: 2,
        })),
      ),
      positions: new Metered(
        numbers.map((n): Position => {
          const wallet = `w${n}`;
          return { wallet, marketId: 1, quantity: 0, cost: 0n, realizedPnl: 0n, updatedTs: 1 };
        }),
      ),
    }));
    expect(Metered.most).toBeGreaterThan(0);
    expect(Metered.most).toBeLessThan(PER_TURN_MAX);
    await world.exchange.recover();
    world.run();
    expect((await world.shard().snapshot("w7")).orders).toHaveLength(count / 100);
  });

  it("exchange start - what sessions of an earlier run left is cancelled in pieces, before anybody trades", async () => {
    const sessions = 3000;
    await leave(
      Array.from({ length: 4 * sessions }, (_, at) =>
        openOrder(at + 1, { side: "Sell", session: `run-1/0/${at % sessions}` }),
      ),
    );
    const world = await ExchangeWorld.open(dir, "run-2");
    const shard = world.shard();
    const order = shard.place("other", { price: 0.5 });
    shard.send(order);
    await world.exchange.recover();
    world.run();
    expect(await shard.answer(order)).toMatchObject({ order: { status: "Open" } });
    const cancelled = world.store.commits.map(({ orders }) => orders.length);
    // The last of them with the order, which nothing was left for to trade with.
    expect(cancelled.slice(0, 3)).toEqual([4096, 4096, 4 * sessions - 2 * 4096 + 1]);
    expect(world.store.commits.flatMap(({ trades }) => trades)).toEqual([]);
  });

  it("exchange start - orders of wallets that no token can name any more are cancelled, with the reason", async () => {
    const kept = openOrder(2, { wallet: "w1" });
    await leave([
      // What a wallet with half a character was read as, once it was stored.
      openOrder(1, { wallet: "\ufffd\ufffd\ufffd", side: "Sell", price: 90 }),
      kept,
      openOrder(3, { wallet: " w1", price: 20 }),
    ]);
    const world = await ExchangeWorld.start(dir, "run-2");
    const shard = world.shard();
    for (const orderId of [1, 3])
      expect(world.store.order(orderId)).toMatchObject({
        status: "Cancelled",
        reason: expect.stringContaining("name is not taken"),
      });
    expect((await shard.snapshot("w1")).orders).toMatchObject([{ order_id: "2" }]);
    await world.quiet();
    expect(world.quote).toEqual([kept.price, null]);
  });
});
