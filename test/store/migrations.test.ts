import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Order, Trade } from "../../src/engine/order.js";
import { isOpen } from "../../src/shared/order.js";
import { checkStore } from "../../src/store/check.js";
import { Environment } from "../../src/store/environment.js";
import { exportLines } from "../../src/store/export.js";
import { migrate } from "../../src/store/migrations.js";
import { openForReading } from "../../src/store/store-file.js";
import { openStore, overwrite, temporaryDirectory } from "./directories.js";

/** A store as version 0.1.0 wrote it, after some pruning: 3 wallets, client order ids, 50 trades. */
const VERSION_1 = readFileSync(new URL("fixtures/store-version-1.mdb.gz", import.meta.url));
const WALLETS = ["alice", "bob", "wället \u{1F600}"];

function version1(): string {
  const dir = join(temporaryDirectory(), "exchange");
  mkdirSync(dir);
  writeFileSync(join(dir, "data.mdb"), gunzipSync(VERSION_1));
  return dir;
}

async function tablesOf(dir: string): Promise<{ orders: Order[]; trades: Trade[] }> {
  const tables = await openForReading(dir);
  const orders = [...(await tables.openOrders.all()), ...(await tables.finishedOrders.all())];
  const trades = await tables.trades.all();
  await tables.close();
  return { orders, trades };
}

const problemsOf = async (dir: string): Promise<string[]> =>
  (await checkStore(dir)).flatMap(({ named }) => [...named]);

describe("migrations", () => {
  it("migrations - a store of version 1 is checked and exported as it is, and carried over by who opens it", async () => {
    const dir = version1();
    expect(await problemsOf(dir)).toEqual([]);
    const before = await tablesOf(dir);
    expect(before.trades.length).toBe(50);
    expect(before.trades.every((trade) => trade.makerClientOrderId === undefined)).toBe(true);
    const reading = await openForReading(dir);
    const lines = [...exportLines(reading, dir, ["orders", "trades"])];
    await reading.close();

    const store = await openStore(dir);
    const idOf = (id: number) => before.orders.find((one) => one.orderId === id)?.clientOrderId;
    const trades = before.trades.map((trade) => ({
      ...trade,
      makerClientOrderId: idOf(trade.makerOrderId),
      takerClientOrderId: idOf(trade.takerOrderId),
    }));
    expect(trades.some(({ makerClientOrderId: id }) => id !== undefined)).toBe(true);
    for (const wallet of WALLETS) {
      const own = before.orders.filter((order) => order.wallet === wallet);
      const [stored, finished, fills] = await store.read((records) => [
        records.ordersBefore(wallet, undefined, 1000).records,
        records.finishedFrom(wallet, 0, 0, 1000).records,
        records.tradesFrom(wallet, 0, 1000).records,
      ]);
      expect(own.length).toBeGreaterThan(20);
      expect(stored).toEqual(own.toSorted((a, b) => b.orderId - a.orderId));
      expect(finished).toEqual(
        own
          .filter((order) => !isOpen(order))
          .sort((a, b) => a.updatedTs - b.updatedTs || a.orderId - b.orderId),
      );
      expect(fills).toEqual(
        trades.filter((one) => one.makerWallet === wallet || one.takerWallet === wallet),
      );
    }
    // What was pruned before nobody knows but by what is left.
    const oldest = Math.min(...before.orders.filter((one) => !isOpen(one)).map((o) => o.updatedTs));
    const [orders, complete] = await store.read((records) => [
      records.completeFrom("orders"),
      records.completeFrom("trades"),
    ]);
    expect(orders).toBeGreaterThan(oldest);
    expect(complete).toBe((before.trades[0] as Trade).ts + 1);
    await store.close();
    expect(await problemsOf(dir)).toEqual([]);
    const after = await openForReading(dir);
    expect([...exportLines(after, dir, ["orders", "trades"])]).toEqual(lines);
    await after.close();
  });

  it("migrations - one that was cut short after any of its writes is done again, with the same end", async () => {
    const whole = version1();
    await (await openStore(whole)).close();
    const expected = await keysOf(whole);
    for (let writes = 0, cut = true; cut; writes++) {
      const dir = version1();
      const environment = new Environment(dir);
      let left = writes;
      cut = await migrate(async (operations) => {
        if (left-- === 0) throw new Error("cut");
        await Promise.all(operations(environment).map(({ write }) => write()));
      }).then(
        () => false,
        () => true,
      );
      await environment.close();
      await (await openStore(dir)).close();
      expect(await keysOf(dir)).toEqual(expected);
    }
  });

  it("migrations - damaged orders and trades keep nobody from opening it", async () => {
    const dir = version1();
    const { orders, trades } = await tablesOf(dir);
    const finished = orders.find((order) => !isOpen(order)) as Order;
    const trade = trades[3] as Trade;
    await overwrite(dir, "finished-orders", finished.orderId, Buffer.from("nonsense"));
    await overwrite(dir, "trades", trade.tradeId, Buffer.from("nonsense"));
    const store = await openStore(dir);
    const left = await store.read((records) =>
      WALLETS.flatMap((wallet) => records.ordersBefore(wallet, undefined, 1000).records),
    );
    expect(left.length).toBe(orders.length - 1);
  });
});

/** All entries of the indexes, and the version. */
async function keysOf(dir: string): Promise<unknown[]> {
  const tables = await openForReading(dir);
  const wallets = tables.wallets as NonNullable<typeof tables.wallets>;
  const keys = WALLETS.map((wallet) => [
    wallets.orders.below(wallet, undefined, 1000),
    wallets.finishes.from(wallet, [0, 0], 1000),
    wallets.trades.below(wallet, undefined, 1000),
  ]);
  const rest = [tables.schema.get("schema"), await tables.pruned?.all(), await tables.trades.all()];
  await tables.close();
  return [...keys, ...rest];
}
