import { describe, expect, it } from "vitest";
import type { Order, Trade } from "../../src/engine/order.js";
import { isOpen } from "../../src/shared/order.js";
import { Random } from "../../src/shared/random.js";
import { checkStore } from "../../src/store/check.js";
import type { Store } from "../../src/store/store.js";
import { drawSeed } from "../support/seeds.js";
import { KEEP_ALL, openStore, overwrite, temporaryDirectory } from "./directories.js";
import { ChangeLedger, engineRun, MARKETS, take } from "./engine-run.js";

const SEED = drawSeed("wallet records");

const byId = (a: Order, b: Order): number => b.orderId - a.orderId;
const byEnd = (a: Order, b: Order): number => a.updatedTs - b.updatedTs || a.orderId - b.orderId;

/** What a store must have of a wallet: the obvious way. */
function modelOf(orders: Iterable<Order>, trades: Iterable<Trade>, wallet: string) {
  const own = [...orders].filter((order) => order.wallet === wallet);
  return {
    orders: own.sort(byId),
    finished: own.filter((order) => !isOpen(order)).sort(byEnd),
    trades: [...trades].filter(
      ({ makerWallet, takerWallet }) => makerWallet === wallet || takerWallet === wallet,
    ),
  };
}

/** What a store has of a wallet, in parts of `size`, both ways. */
async function storedOf(store: Store, wallet: string, size: number) {
  const orders: Order[] = [];
  const finished: Order[] = [];
  const backwards: Trade[] = [];
  const forwards: Trade[] = [];
  await store.read((records) => {
    for (let before: number | undefined, done = false; !done; ) {
      const part = records.ordersBefore(wallet, before, size);
      orders.push(...part.records);
      before = part.last?.[0];
      done = part.read < size;
    }
    for (let ts = 0, id = 0, done = false; !done; ) {
      const part = records.finishedFrom(wallet, ts, id, size);
      finished.push(...part.records);
      [ts, id] = [part.last?.[0] ?? 0, (part.last?.[1] ?? 0) + 1];
      done = part.read < size;
    }
    for (let before: number | undefined, done = false; !done; ) {
      const part = records.tradesBefore(wallet, before, size);
      backwards.push(...part.records);
      before = part.last?.[0];
      done = part.read < size;
    }
    for (let from = 0, done = false; !done; ) {
      const part = records.tradesFrom(wallet, from, size);
      forwards.push(...part.records);
      from = (part.last?.[0] ?? 0) + 1;
      done = part.read < size;
    }
  });
  expect(backwards).toEqual(forwards.toReversed());
  return { orders, finished, trades: forwards };
}

async function history(seed: number, batches: number, retention = KEEP_ALL, flushes = true) {
  const dir = temporaryDirectory();
  const ledger = new ChangeLedger();
  const store = await openStore(dir, retention);
  await store.putMarkets(MARKETS);
  const random = new Random(seed);
  for (const changes of take(engineRun(seed, 60), batches)) {
    await store.commit(changes);
    ledger.add(changes);
    // Brings the indexes up to date, and removes nothing.
    if (flushes && random.below(4) === 0) await store.prune(0);
  }
  const wallets = [...new Set([...ledger.orders.values()].map(({ wallet }) => wallet))];
  return { dir, ledger, store, wallets };
}

describe("wallet records", () => {
  it(`wallet records - of each wallet its own orders and trades, in parts of any size, also after a restart (seed ${SEED})`, async () => {
    const { dir, ledger, store, wallets } = await history(SEED, 12);
    const random = new Random(SEED);
    const compare = async (of: Store): Promise<void> => {
      for (const wallet of wallets)
        expect(await storedOf(of, wallet, 1 + random.below(40))).toEqual(
          modelOf(ledger.orders.values(), ledger.trades.values(), wallet),
        );
      expect(await storedOf(of, `${wallets[0]}x`, 10)).toEqual(modelOf([], [], ""));
    };
    expect(ledger.trades.size).toBeGreaterThan(50);
    await compare(store);
    await store.close();
    await compare(await openStore(dir));
  });

  it(`wallet records - what was committed and is in no index yet is found by who opens the store (seed ${SEED})`, async () => {
    for (let batches = 1; batches <= 5; batches++) {
      const { dir, ledger, store, wallets } = await history(SEED + batches, batches);
      await store.close();
      const again = await openStore(dir);
      const more = [...ledger.orders.values()].filter(isOpen).slice(0, 3);
      // Orders of before that end now are among the finished ones, once.
      const ended = more.map((order) => ({
        ...order,
        status: "Cancelled" as const,
        reason: "asked for",
        updatedTs: order.updatedTs + 10_000_000,
      }));
      const changes = {
        orders: ended,
        trades: [],
        positions: [],
        totals: [],
        timers: [],
        markets: [],
      };
      const { nextOrderId, nextTradeId } = ledger;
      await again.commit({ ...changes, nextOrderId, nextTradeId });
      for (const order of ended) ledger.orders.set(order.orderId, order);
      for (const when of ["pending", "written"]) {
        for (const wallet of wallets)
          expect(await storedOf(again, wallet, 9), when).toEqual(
            modelOf(ledger.orders.values(), ledger.trades.values(), wallet),
          );
        await again.prune(0);
      }
      await again.close();
      expect((await checkStore(dir)).flatMap(({ named }) => named)).toEqual([]);
    }
  });

  it(`wallet records - the first trade since a moment is found between pruned and damaged ones (seed ${SEED})`, async () => {
    const retention = { ...KEEP_ALL, maxStoredTrades: 40 };
    const { dir, ledger, store } = await history(SEED, 6, retention, false);
    const trades = [...ledger.trades.values()];
    await store.prune(0);
    const kept = trades.slice(-40);
    const damaged = kept[7] as Trade;
    await store.close();
    await overwrite(dir, "trades", damaged.tradeId, Buffer.from("nonsense"));
    const again = await openStore(dir);
    const readable = kept.filter((trade) => trade !== damaged);
    for (const ts of [0, ...readable.flatMap((trade) => [trade.ts, trade.ts + 1])]) {
      const id = await again.read((records) => records.firstTradeSince(ts));
      // Any id between the last one before and the first one since will do.
      expect(readable.filter(({ tradeId }) => tradeId >= id)).toEqual(
        readable.filter((trade) => trade.ts >= ts),
      );
    }
  });

  it("wallet records - pruning leaves nothing of what it removes, and says from when on all is there", async () => {
    const retention = { ...KEEP_ALL, maxStoredOrders: 30, maxStoredTrades: 25 };
    const { dir, ledger, store, wallets } = await history(
      5,
      8,
      { ...retention, clientOrderIdRetentionMs: 0 },
      false,
    );
    const completeFrom = () =>
      store.read((records) => [records.completeFrom("orders"), records.completeFrom("trades")]);
    expect(await completeFrom()).toEqual([0, 0]);
    const orders = [...ledger.orders.values()];
    const finished = orders.filter((order) => !isOpen(order)).sort(byEnd);
    const trades = [...ledger.trades.values()];
    const now = Math.max(...orders.map(({ updatedTs }) => updatedTs));
    expect(await store.prune(now)).toBeGreaterThan(50);
    const left = [...orders.filter(isOpen), ...finished.slice(-30)];
    for (const wallet of wallets)
      expect(await storedOf(store, wallet, 7)).toEqual(modelOf(left, trades.slice(-25), wallet));
    expect(await completeFrom()).toEqual([
      (finished.at(-31) as Order).updatedTs + 1,
      (trades.at(-26) as Trade).ts + 1,
    ]);
    await store.close();
    expect((await checkStore(dir)).flatMap(({ named }) => named)).toEqual([]);
  });

  it("wallet records - a key of an index that leads to somebody else's order or trade gives nothing away", async () => {
    const { dir, ledger, store, wallets } = await history(5, 2);
    const [wallet = ""] = wallets;
    const others = [...ledger.orders.values()].find((order) => order.wallet !== wallet) as Order;
    const trade = [...ledger.trades.values()].find(
      ({ makerWallet, takerWallet }) => makerWallet !== wallet && takerWallet !== wallet,
    ) as Trade;
    const before = await storedOf(store, wallet, 100);
    await store.close();
    const key = (id: number): string => JSON.stringify(wallet) + id.toString(36).padStart(11, "0");
    await overwrite(dir, "wallet-orders", key(others.orderId), Buffer.alloc(1));
    await overwrite(dir, "wallet-trades", key(trade.tradeId), Buffer.alloc(1));
    expect(await storedOf(await openStore(dir), wallet, 100)).toEqual(before);
  });
});
