import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readJournal } from "../../src/journal/journal-reader.js";
import { checkStore } from "../../src/store/check.js";
import { Environment } from "../../src/store/environment.js";
import { openComplete } from "../../src/store/open-complete.js";
import { SCHEMA_KEY } from "../../src/store/records.js";
import type { Store } from "../../src/store/store.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { byJson, ChangeLedger, engineRun, MARKETS, take } from "./engine-run.js";

async function loaded(store: Store) {
  const { positions, totals, markets, ...rest } = await store.load();
  const lists = { positions: byJson(positions), totals: byJson(totals), markets: byJson(markets) };
  return { ...rest, ...lists };
}

/** What a process that is killed now would leave. */
function left(dir: string): string {
  const copy = join(temporaryDirectory(), "exchange");
  cpSync(dir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  return copy;
}

/** A store with some batches in it, the last ones in its journal only, and what they have said. */
async function filled(batches: number) {
  const dir = temporaryDirectory();
  const store = await openStore(dir);
  await store.putMarkets(MARKETS);
  const ledger = new ChangeLedger();
  for (const changes of take(engineRun(11, 20), batches)) {
    await store.commit(changes);
    ledger.add(changes);
  }
  return { dir, store, ledger };
}

const journalFile = (dir: string): string => {
  const names = readdirSync(join(dir, "journal")).filter((name) => name.endsWith(".journal"));
  return join(dir, "journal", names.sort()[0] as string);
};

describe("store journal", () => {
  it("store journal - what is in the journal alone is there after a kill, for whoever opens or reads", async () => {
    const { dir, ledger } = await filled(5);
    for (const look of ["open", "check", "read"]) {
      const copy = left(dir);
      if (look === "check") {
        const results = await checkStore(copy);
        expect(results.flatMap(({ named }) => named)).toEqual([]);
        const trades = results.find(({ name }) => name === "trades");
        expect(trades?.examined).toBe(ledger.trades.size);
      } else if (look === "read") {
        const environment = await openComplete(copy);
        expect(environment.trades.size).toBe(ledger.trades.size);
        expect([...environment.openOrders.values()]).toEqual(ledger.state.openOrders);
        await environment.close();
      }
      expect(await loaded(await openStore(copy))).toEqual(ledger.state);
    }
  });

  it("store journal - each commit is a record on disk, and what is loaded has it at once", async () => {
    const { dir, store } = await filled(3);
    let trades = 0;
    for (const changes of take(engineRun(12, 30), 6)) {
      await store.commit({
        ...changes,
        trades: [],
        orders: [],
        totals: [],
      });
      trades = changes.nextTradeId;
      // LMDB opens a file once in a process: what the trees contain is looked at through the store.
      const state = await store.load();
      expect(state.nextTradeId).toBe(trades);
    }
    const numbers: number[] = [];
    for await (const { number } of readJournal(join(dir, "journal"), 0)) numbers.push(number);
    expect(numbers.length).toBe(9);
  });

  it("store journal - a store that was closed has all in its trees", async () => {
    const { dir, store, ledger } = await filled(5);
    await store.close();
    const environment = new Environment(dir);
    expect(environment.journaled?.get("journaled")).toBe(5);
    expect(environment.trades.size).toBe(ledger.trades.size);
    await environment.close();
  });

  it("store journal - orders and trades that are not in the trees yet are found", async () => {
    const { store, ledger } = await filled(4);
    for (const order of ledger.orders.values()) expect(store.order(order.orderId)).toEqual(order);
    expect(store.tradesAfter(2)).toEqual([...ledger.trades.values()].slice(2));
  });

  it("store journal - a batch larger than a segment is stored as any other", async () => {
    const { dir, store, ledger } = await filled(2);
    const { nextOrderId } = ledger;
    const [order] = ledger.orders.values();
    if (order === undefined) throw new Error("no order");
    const orders = Array.from({ length: 5000 }, (_, at) => ({
      ...order,
      orderId: nextOrderId + at,
      clientOrderId: `${at}`.padEnd(900, "c"),
    }));
    const changes = {
      orders,
      trades: [],
      positions: [],
      totals: [],
      timers: [],
      markets: [],
      nextOrderId: nextOrderId + orders.length,
      nextTradeId: ledger.nextTradeId,
    };
    await store.commit(changes);
    ledger.add(changes);
    const after = await openStore(left(dir));
    expect(await loaded(after)).toEqual(ledger.state);
    await store.commit({ ...changes, orders: [] });
    expect(await loaded(store)).toEqual(ledger.state);
  });

  it("store journal - when its file vanishes, commits go on after a probe, and nothing is lost", async () => {
    const { dir, store, ledger } = await filled(3);
    rmSync(journalFile(dir));
    const [changes] = take(engineRun(13, 5), 1);
    if (changes === undefined) throw new Error("no changes");
    const { nextOrderId, nextTradeId } = ledger;
    const harmless = {
      ...changes,
      orders: [],
      trades: [],
      positions: [],
      nextOrderId,
      nextTradeId,
    };
    await expect(store.commit(harmless)).rejects.toMatchObject({
      code: "STORE_WRITE_FAILED",
      message: expect.stringMatching(/\.journal is gone/),
    });
    expect(await loaded(store)).toEqual(ledger.state);
    await store.probe();
    await store.commit(harmless);
    ledger.add(harmless);
    expect(await loaded(await openStore(left(dir)))).toEqual(ledger.state);
  });

  it("store journal - damage in it is told with its file, by a start and by a check", async () => {
    const { dir } = await filled(3);
    const copy = left(dir);
    const path = journalFile(copy);
    const bytes = readFileSync(path);
    bytes.writeUInt8((bytes[600] as number) ^ 1, 600);
    writeFileSync(path, bytes);
    const message = expect.stringMatching(/0000000001\.journal is damaged at byte 512: /);
    await expect(openStore(copy)).rejects.toMatchObject({ code: "STORE_DAMAGED", message });
    expect(await checkStore(copy)).toEqual([
      { name: "file", examined: 0, problems: 1, named: [message] },
    ]);
  });

  it("store journal - a directory of version 1 is opened, marked as of this one, and goes on", async () => {
    const { dir, store, ledger } = await filled(3);
    await store.close();
    const environment = new Environment(dir);
    await Promise.all([
      environment.schema.put(1).write(),
      environment.journaled?.remove("journaled").write(),
    ]);
    await environment.close();
    rmSync(join(dir, "journal"), { recursive: true });
    expect((await checkStore(dir)).flatMap(({ named }) => named)).toEqual([]);
    const again = await openStore(dir);
    expect(await loaded(again)).toEqual(ledger.state);
    await again.close();
    const marked = new Environment(dir);
    expect(marked.schema.get(SCHEMA_KEY)).toBe(2);
    await marked.close();
  });

  it("store journal - trees without the journal that they are behind are not taken for whole", async () => {
    const { dir } = await filled(3);
    const copy = left(dir);
    const store = await openStore(copy);
    await store.close();
    rmSync(join(copy, "journal"), { recursive: true });
    await expect(openStore(copy)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringMatching(/journal lacks records/),
    });
  });
});
