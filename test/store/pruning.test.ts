import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineChanges } from "../../src/engine/commands.js";
import type { Order, Trade } from "../../src/engine/order.js";
import { Environment } from "../../src/store/environment.js";
import type { Retention } from "../../src/store/pruning.js";
import type { Store } from "../../src/store/store.js";
import { KEEP_ALL, openStore, overwrite, temporaryDirectory } from "./directories.js";

const MS = 1000;

/** An order that ended so many ms after the beginning, with a client order id or without. */
function finished(orderId: number, finishedMs: number, clientOrderId?: string): Order {
  return {
    orderId,
    marketId: 1,
    wallet: "alice",
    clientOrderId,
    side: "Buy",
    orderType: "Limit",
    timeInForce: "GTC",
    postOnly: false,
    selfTrade: "CancelTaker",
    expiresTs: undefined,
    price: 520,
    quantity: 10,
    session: undefined,
    priority: orderId,
    original: undefined,
    filled: 0,
    filledValue: 0n,
    status: "Cancelled",
    reason: "asked for",
    reasonCode: "requested",
    createdTs: 0,
    updatedTs: finishedMs * MS,
  };
}

function trade(tradeId: number, tsMs: number): Trade {
  return {
    tradeId,
    marketId: 1,
    price: 520,
    quantity: 1,
    takerSide: "Buy",
    makerOrderId: 1,
    takerOrderId: 2,
    makerWallet: "alice",
    takerWallet: "bob",
    makerClientOrderId: undefined,
    takerClientOrderId: undefined,
    ts: tsMs * MS,
  };
}

function changesOf(orders: readonly Order[], trades: readonly Trade[] = []): EngineChanges {
  return {
    orders,
    trades,
    positions: [],
    totals: [],
    timers: [],
    markets: [],
    nextOrderId: 1_000_000,
    nextTradeId: 2_000_000,
  };
}

async function storeOf(retention: Partial<Retention>, changes: EngineChanges): Promise<Store> {
  const store = await openStore(temporaryDirectory(), { ...KEEP_ALL, ...retention });
  await store.commit(changes);
  return store;
}

function keptOf(store: Store, orders: readonly Order[]): number[] {
  return orders.map(({ orderId }) => orderId).filter((id) => store.order(id) !== undefined);
}

describe("pruning", () => {
  it("pruning - removes orders that ended before the retention, and no others", async () => {
    const orders = [finished(3, 10), finished(1, 20), finished(4, 30), finished(2, 40)];
    const store = await storeOf({ orderRetentionMs: 100 }, changesOf(orders));
    expect(await store.prune(110 * MS)).toBe(0);
    expect(await store.prune(130 * MS)).toBe(2);
    expect(keptOf(store, orders)).toEqual([4, 2]);
  });

  it("pruning - removes the oldest orders beyond the number", async () => {
    const orders = [finished(3, 10), finished(1, 20), finished(4, 30, "c"), finished(2, 40)];
    const retention = { maxStoredOrders: 2, clientOrderIdRetentionMs: 0 };
    const store = await storeOf(retention, changesOf(orders));
    expect(await store.prune(50 * MS)).toBe(2);
    expect(keptOf(store, orders)).toEqual([4, 2]);
  });

  it("pruning - keeps an order with a client order id for that id's retention", async () => {
    const orders = [finished(1, 10, "a"), finished(2, 20, "b"), finished(3, 30), finished(4, 40)];
    const retention = { maxStoredOrders: 0, orderRetentionMs: 1, clientOrderIdRetentionMs: 100 };
    const store = await storeOf(retention, changesOf(orders));
    expect(await store.prune(110 * MS)).toBe(2);
    expect(keptOf(store, orders)).toEqual([1, 2]);
    expect([...(await store.load()).clientOrderIds].map(({ orderId }) => orderId)).toEqual([1, 2]);
    expect(await store.prune(115 * MS)).toBe(1);
    expect(await store.prune(121 * MS)).toBe(1);
    expect(keptOf(store, orders)).toEqual([]);
    expect([...(await store.load()).clientOrderIds]).toEqual([]);
  });

  it("pruning - never touches open orders", async () => {
    const open: Order = { ...finished(1, 0), status: "Open", reason: undefined };
    const retention = { maxStoredOrders: 0, orderRetentionMs: 1 };
    const store = await storeOf(retention, changesOf([open]));
    expect(await store.prune(1_000_000 * MS)).toBe(0);
    expect(store.order(1)).toEqual(open);
  });

  it("pruning - removes trades by age and by number", async () => {
    const trades = [trade(1, 10), trade(2, 20), trade(3, 30), trade(4, 40)];
    const byAge = await storeOf({ tradeRetentionMs: 100 }, changesOf([], trades));
    expect([await byAge.prune(125 * MS), await byAge.prune(125 * MS)]).toEqual([2, 0]);
    const byNumber = await storeOf({ maxStoredTrades: 1 }, changesOf([], trades));
    expect([await byNumber.prune(50 * MS), await byNumber.prune(50 * MS)]).toEqual([3, 0]);
  });

  it("pruning - trades behind the last that was published stay, whatever their age and number", async () => {
    const trades = [trade(1, 10), trade(2, 20), trade(3, 30), trade(4, 40)];
    const store = await storeOf({ maxStoredTrades: 0, tradeRetentionMs: 1 }, changesOf([], trades));
    expect(await store.prune(1000 * MS, [], 2)).toBe(2);
    expect(store.tradesAfter(0)).toEqual(trades.slice(2));
    expect(store.tradesAfter(3)).toEqual(trades.slice(3));
    expect(await store.prune(1000 * MS, [], 4)).toBe(2);
    expect(store.tradesAfter(0)).toEqual([]);
  });

  it("pruning - ids go on where all that had them is gone", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir, { ...KEEP_ALL, maxStoredOrders: 0, maxStoredTrades: 0 });
    await store.commit(changesOf([finished(999_999, 1)], [trade(1_999_999, 1)]));
    expect(await store.prune(2 * MS)).toBe(2);
    await store.close();
    const again = await openStore(dir);
    expect(await again.load()).toMatchObject({ nextOrderId: 1_000_000, nextTradeId: 2_000_000 });
    expect(again.order(999_999)).toBeUndefined();
  });

  it("pruning - of many takes turns with commits, and is one at a time", async () => {
    const orders = Array.from({ length: 3000 }, (_, index) => finished(index + 1, index));
    const store = await storeOf({ maxStoredOrders: 0 }, changesOf(orders));
    const prunings = [store.prune(10_000 * MS), store.prune(10_000 * MS)];
    let commits = 0;
    let pruned = false;
    const done = Promise.all(prunings).then((counts) => {
      pruned = true;
      return counts;
    });
    for (; !pruned; commits++) await store.commit(changesOf([], [trade(commits + 1, 1)]));
    expect(await done).toEqual([3000, 3000]);
    // A step removes a few hundred, so a pruning of thousands lets several commits through.
    expect(commits).toBeGreaterThan(5);
    expect(keptOf(store, orders)).toEqual([]);
  });

  it("pruning - ends when the store is closed", async () => {
    const orders = Array.from({ length: 3000 }, (_, index) => finished(index + 1, index));
    const store = await storeOf({ maxStoredOrders: 0 }, changesOf(orders));
    const pruning = store.prune(10_000 * MS);
    await store.close();
    expect(await pruning).toBeLessThan(3000);
  });

  it.each([
    ["age", { orderRetentionMs: 100, tradeRetentionMs: 100, clientOrderIdRetentionMs: 0 }],
    ["number", { maxStoredOrders: 2, maxStoredTrades: 1, clientOrderIdRetentionMs: 0 }],
  ])("pruning - by %s removes damaged records in their turn", async (_, retention) => {
    const dir = temporaryDirectory();
    const orders = [finished(1, 10), finished(2, 20, "c"), finished(3, 30), finished(4, 150)];
    const trades = [trade(1, 10), trade(2, 20), trade(3, 150)];
    const store = await openStore(dir);
    await store.commit(changesOf([...orders, finished(5, 160, "d")], trades));
    await store.close();
    const garbage = Buffer.from("garbage");
    await overwrite(dir, "finished-orders", 1, garbage);
    await overwrite(dir, "finish-times", [10 * MS, 1], garbage);
    await overwrite(dir, "client-order-ids", [20 * MS, 2], garbage);
    await overwrite(dir, "trades", 1, garbage);

    const again = await openStore(dir, { ...KEEP_ALL, ...retention });
    expect(await again.prune(200 * MS)).toBe(5);
    expect(await again.prune(200 * MS)).toBe(0);
    await again.close();
    const environment = new Environment(dir);
    const { finishedOrders, finishTimes, clientOrderIds } = environment;
    const kept = [finishedOrders, finishTimes, clientOrderIds].map((table) =>
      [...table.values()].map(({ orderId }) => orderId),
    );
    expect(kept).toEqual([[4, 5], [4], [5]]);
    expect([...environment.trades.values()]).toEqual([trades[2]]);
    await environment.close();
  });

  it("pruning - leaves what the rules say, whatever was stored", async () => {
    const order = fc.record({ ended: fc.nat(100), hasId: fc.boolean() });
    const limits = fc.record({
      orderRetentionMs: fc.nat(100),
      maxStoredOrders: fc.nat(20),
      clientOrderIdRetentionMs: fc.nat(100),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(order, { maxLength: 30 }), limits, async (all, retention) => {
        const orders = all.map(({ ended, hasId }, index) =>
          finished(index + 1, ended, hasId ? `c${index}` : undefined),
        );
        const store = await storeOf(retention, changesOf(orders));
        await store.prune(100 * MS);

        const isProtected = (one: Order) =>
          one.clientOrderId !== undefined &&
          one.updatedTs >= (100 - retention.clientOrderIdRetentionMs) * MS;
        const unprotected = orders
          .filter((one) => !isProtected(one))
          .sort((a, b) => a.updatedTs - b.updatedTs);
        const surplus = Math.max(0, orders.length - retention.maxStoredOrders);
        const young = unprotected
          .slice(surplus)
          .filter((one) => one.updatedTs >= (100 - retention.orderRetentionMs) * MS);
        // Which of two that ended at the same moment goes first is open.
        const times = (ids: Iterable<number>) =>
          [...ids].map((id) => orders[id - 1]?.updatedTs ?? -1).sort((a, b) => a - b);
        const expected = [...orders.filter(isProtected), ...young].map(({ orderId }) => orderId);
        expect(times(keptOf(store, orders))).toEqual(times(expected));
        await store.close();
      }),
      { numRuns: 25 },
    );
  });
});
