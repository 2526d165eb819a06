import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Environment } from "../../../src/store/environment.js";
import { Store } from "../../../src/store/store.js";
import type { StoredTrades } from "../../../src/workers/archivist/stored-trades.js";

/** As it is built: it starts a process of its own. */
const BUILT = new URL("../../../dist/workers/archivist/stored-trades.js", import.meta.url).href;
const { storedTradesOf } = (await import(BUILT)) as {
  readonly storedTradesOf: (dir: string) => StoredTrades;
};

const TRADES = 2500;
const RETENTION = {
  orderRetentionMs: 1e12,
  clientOrderIdRetentionMs: 1e12,
  tradeRetentionMs: 1e12,
  maxStoredOrders: 1e9,
  maxStoredTrades: 1e9,
};
const isLinux = process.platform === "linux";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "stored-trades-"));
  const store = await Store.open(dir, RETENTION);
  await store.putMarkets([{ marketId: 1, title: "A", tickSize: 0.01, lotSize: 1 }]);
  await store.close();
  const environment = new Environment(dir);
  const puts = Array.from({ length: TRADES }, (_, at) => environment.trades.put(tradeOf(at + 1)));
  await Promise.all(puts.map(({ write }) => write()));
  await environment.close();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function tradeOf(tradeId: number) {
  return {
    tradeId,
    marketId: 1,
    price: 5,
    quantity: 2,
    takerSide: "Buy" as const,
    makerOrderId: 1,
    takerOrderId: 2,
    makerWallet: "a",
    takerWallet: "b",
    makerClientOrderId: undefined,
    takerClientOrderId: undefined,
    ts: 1_790_000_000_000_000 + tradeId,
  };
}

async function numbers(from: number, to: number): Promise<number[]> {
  const all: number[] = [];
  for await (const some of storedTradesOf(dir)(from, to))
    for (const { trade, market } of some) {
      expect(trade).toEqual(tradeOf(trade.tradeId));
      expect(market.tickSize).toBe(0.01);
      all.push(trade.tradeId);
    }
  return all;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

it("stored trades - come in their order, from one number to another, with those removed left out", async () => {
  expect(await numbers(1, TRADES)).toEqual(range(1, TRADES));
  expect(await numbers(700, 1900)).toEqual(range(700, 1900));
  expect(await numbers(TRADES + 1, TRADES + 5)).toEqual([]);
  const environment = new Environment(dir);
  await environment.trades.remove(3).write();
  await environment.close();
  expect(await numbers(1, 5)).toEqual([1, 2, 4, 5]);
});

it.runIf(isLinux)(
  "stored trades - whoever reads them has the store's file not open in this process, which may close and open it",
  async () => {
    const store = await Store.open(dir, RETENTION);
    const path = join(dir, "data.mdb");
    const isMapped = () => readFileSync("/proc/self/maps", "utf8").includes(path);
    expect(isMapped()).toBe(true);
    const reading = storedTradesOf(dir)(1, TRADES)[Symbol.asyncIterator]();
    const first = await reading.next();
    expect(first.done).toBe(false);
    await store.close();
    expect(isMapped()).toBe(false);
    const again = await Store.open(dir, RETENTION);
    await again.putMarkets([{ marketId: 2, title: "B", tickSize: 0.01, lotSize: 1 }]);
    let last = 0;
    for (let next = await reading.next(); next.done !== true; next = await reading.next())
      last = next.value.at(-1)?.trade.tradeId as number;
    expect(last).toBe(TRADES);
    await again.close();
  },
);

it("stored trades - where there is no store it is rejected", async () => {
  await rm(join(dir, "data.mdb"));
  await expect(numbers(1, 5)).rejects.toThrow(/\S/);
});
