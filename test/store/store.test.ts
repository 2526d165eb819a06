import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { open } from "lmdb";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import type { EngineChanges } from "../../src/engine/commands.js";
import type { Order } from "../../src/engine/order.js";
import { checkStore } from "../../src/store/check.js";
import { Environment } from "../../src/store/environment.js";
import type { Store } from "../../src/store/store.js";
import { walletFault } from "../../src/store/wallet-fault.js";
import { engineCommands } from "../support/engine-commands.js";
import { KEEP_ALL, openStore, overwrite, temporaryDirectory } from "./directories.js";
import { byJson, ChangeLedger, createEngine, engineRun, MARKETS, take } from "./engine-run.js";

const NOTHING: EngineChanges = {
  orders: [],
  trades: [],
  positions: [],
  totals: [],
  timers: [],
  markets: [],
  nextOrderId: 1,
  nextTradeId: 1,
};

const ORDER: Order = {
  orderId: 1,
  marketId: 1,
  wallet: "alice",
  clientOrderId: undefined,
  side: "Buy",
  orderType: "Limit",
  timeInForce: "GTC",
  postOnly: false,
  selfTrade: "CancelTaker",
  expiresTs: undefined,
  price: 520,
  quantity: 10,
  session: undefined,
  priority: 1,
  original: undefined,
  filled: 0,
  filledValue: 0n,
  status: "Open",
  reason: undefined,
  reasonCode: undefined,
  createdTs: 1_000,
  updatedTs: 1_000,
};

async function loaded(store: Store) {
  const state = await store.load();
  return {
    ...state,
    openOrders: [...state.openOrders],
    clientOrderIds: [...state.clientOrderIds],
    positions: byJson(state.positions),
    totals: byJson(state.totals),
    markets: byJson(state.markets),
  };
}

describe("store", () => {
  it("store - a new one is empty, counts from 1, and is readable by its owner alone", async () => {
    const dir = join(temporaryDirectory(), "data", "exchange");
    const store = await openStore(dir);
    const { openOrders, clientOrderIds, positions, totals, ...others } = await store.load();
    expect([openOrders, clientOrderIds, positions, totals].map((all) => [...all])).toEqual([
      [],
      [],
      [],
      [],
    ]);
    expect(others).toEqual({
      nextOrderId: 1,
      nextTradeId: 1,
      latestTs: 0,
      timers: [],
      markets: [],
      stretches: [],
      sessions: [],
    });
    expect([await store.markets(), store.order(1)]).toEqual([[], undefined]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "data.mdb")).mode & 0o777).toBe(0o600);
    await store.close();
    expect(readdirSync(dir).sort()).toEqual(["data.mdb", "journal", "lock.mdb"]);
  });

  it("store - gives back all that an engine changed, also when it is opened again", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 40 }), async (seed, batch) => {
        const dir = temporaryDirectory();
        const ledger = new ChangeLedger();
        let store = await openStore(dir);
        for (const changes of take(engineRun(seed, batch), 10)) {
          await store.commit(changes);
          ledger.add(changes);
        }
        expect(await loaded(store)).toEqual(ledger.state);
        await store.close();
        store = await openStore(dir);
        expect(await loaded(store)).toEqual(ledger.state);
        for (const order of ledger.orders.values()) {
          expect(store.order(order.orderId)).toEqual(order);
        }
        expect(store.order(ledger.nextOrderId)).toBeUndefined();
        await store.close();
      }),
      { numRuns: 20 },
    );
  });

  it("store - an engine rebuilt from it does what the first one would have done", async () => {
    const store = await openStore(temporaryDirectory());
    const first = createEngine();
    // A store has positions in an order of its own, in which they would be paid.
    const commands = engineCommands(5, { endings: false });
    for (const { command, ts } of take(commands, 2000)) first.execute(command, ts);
    await store.commit(first.takeChanges());
    const second = createEngine();
    second.restore(await store.load());
    for (const { marketId } of MARKETS)
      expect(second.marketStatus(marketId)).toBe(first.marketStatus(marketId));
    for (const { command, ts } of take(commands, 2000)) {
      expect(second.execute(command, ts)).toEqual(first.execute(command, ts));
    }
    expect(second.takeChanges()).toEqual(first.takeChanges());
  });

  it("store - keeps the largest of everything", async () => {
    const dir = temporaryDirectory();
    const order: Order = {
      ...ORDER,
      orderId: Number.MAX_SAFE_INTEGER - 1,
      marketId: "340282366920938463463374607431768211455",
      // The control character takes six bytes in JSON, the others three and four in UTF-8.
      wallet: "\u0000€💰".repeat(32),
      clientOrderId: "_".repeat(36),
      price: Number.MAX_SAFE_INTEGER,
      quantity: Number.MAX_SAFE_INTEGER,
      session: "s".repeat(200),
      priority: Number.MAX_SAFE_INTEGER - 1,
      original: undefined,
      filled: 1,
      filledValue: 2n ** 127n,
      status: "PartiallyFilled",
      createdTs: 2 ** 52,
      updatedTs: 2 ** 52,
    };
    const { wallet, marketId } = order;
    const changes: EngineChanges = {
      ...NOTHING,
      orders: [order],
      positions: [
        { wallet, marketId, quantity: -1, cost: -(2n ** 200n), realizedPnl: -1n, updatedTs: 7 },
        {
          wallet: "\u0001".repeat(128),
          marketId,
          quantity: 0,
          cost: 0n,
          realizedPnl: 2n ** 200n,
          updatedTs: 7,
        },
      ],
      nextOrderId: Number.MAX_SAFE_INTEGER,
      nextTradeId: 2 ** 40,
    };
    const store = await openStore(dir);
    await store.commit(changes);
    await store.close();
    const again = await openStore(dir);
    const ledger = new ChangeLedger();
    ledger.add(changes);
    expect(await loaded(again)).toEqual(ledger.state);
  });

  it("store - lists open orders by id beyond 2^32 too", async () => {
    const store = await openStore(temporaryDirectory());
    const ids = [2 ** 40, 2, 2 ** 32 + 1, 256, 1, 2 ** 32 - 1, 2 ** 31, 255];
    const orders = ids.map((orderId) => ({ ...ORDER, orderId }));
    await store.commit({ ...NOTHING, orders, nextOrderId: 2 ** 41 });
    expect([...(await store.load()).openOrders].map(({ orderId }) => orderId)).toEqual(
      ids.sort((a, b) => a - b),
    );
  });

  it("store - forgets client order ids that finished before the retention", async () => {
    const retention = { ...KEEP_ALL, clientOrderIdRetentionMs: 1000 };
    const store = await openStore(temporaryDirectory(), retention);
    const orders = [0, 999_999, 1_000_000, 2_000_000].map(
      (updatedTs, index): Order => ({
        ...ORDER,
        orderId: index + 1,
        clientOrderId: `c${index + 1}`,
        status: "Cancelled",
        updatedTs,
      }),
    );
    await store.commit({ ...NOTHING, orders, nextOrderId: 5 });
    expect([...(await store.load()).clientOrderIds].map(({ orderId }) => orderId)).toEqual([3, 4]);
  });

  it("store - keeps how its time has gone, and remembers ids by the time that has passed", async () => {
    const retention = { ...KEEP_ALL, clientOrderIdRetentionMs: 1000 };
    const dir = temporaryDirectory();
    const store = await openStore(dir, retention);
    const stretches = [
      { ts: 0, passed: 0, pace: 1 },
      { ts: 50_000_000, passed: 1_500_000, pace: 0.5 },
    ];
    // They finished 1.2 s, 1 s, 0.4 s ago and now, though the clock says that most of a minute has gone.
    const orders = [500_000, 700_000, 1_300_000, 50_100_000].map(
      (updatedTs, index): Order => ({
        ...ORDER,
        orderId: index + 1,
        clientOrderId: `c${index + 1}`,
        status: "Cancelled",
        reason: "asked for",
        reasonCode: "requested",
        createdTs: 0,
        updatedTs,
      }),
    );
    await store.commit({ ...NOTHING, orders, nextOrderId: 5 }, stretches);
    await store.close();
    const again = await openStore(dir, retention);
    const state = await again.load();
    expect([state.stretches, state.latestTs]).toEqual([stretches, 50_100_000]);
    expect([...state.clientOrderIds].map(({ orderId }) => orderId)).toEqual([2, 3, 4]);
    expect(await again.prune(50_100_000, stretches)).toBe(0);
    const short = { ...retention, clientOrderIdRetentionMs: 900, maxStoredOrders: 0 };
    await again.close();
    const pruning = await openStore(dir, short);
    expect(await pruning.prune(50_100_000, stretches)).toBe(2);
    expect(await pruning.prune(50_600_000, stretches)).toBe(2);
  });

  it("store - the latest time is that of whatever changed last", async () => {
    const store = await openStore(temporaryDirectory());
    const latest = async () => (await store.load()).latestTs;
    await store.commit({ ...NOTHING, orders: [{ ...ORDER, updatedTs: 5_000 }], nextOrderId: 2 });
    expect(await latest()).toBe(5_000);
    const position = { wallet: "a", marketId: 1, quantity: 0, cost: 0n, realizedPnl: 0n };
    await store.commit({ ...NOTHING, positions: [{ ...position, updatedTs: 7_000 }] });
    expect(await latest()).toBe(7_000);
    const finished = {
      ...ORDER,
      orderId: 2,
      status: "Cancelled",
      reason: "r",
      reasonCode: "requested",
      updatedTs: 9_000,
    } as const;
    await store.commit({ ...NOTHING, orders: [finished], nextOrderId: 3 });
    expect(await latest()).toBe(9_000);
  });

  it.each([
    ["half a character", { wallet: "a\ud800" }, /^'a\\ud800' would be read as/],
    [
      "a key that is too long",
      { wallet: "x".repeat(1980) },
      /^its key has \d+ bytes; at most 1976/,
    ],
  ])(
    "store - a record with %s is refused before anything is written",
    async (_, change, message) => {
      const store = await openStore(temporaryDirectory());
      const position = {
        wallet: "alice",
        marketId: 1,
        quantity: 1,
        cost: 1n,
        realizedPnl: 0n,
        updatedTs: 1,
      };
      const positions = [position, { ...position, ...change }];
      await expect(store.commit({ ...NOTHING, orders: [ORDER], positions })).rejects.toThrow(
        message,
      );
      expect(walletFault(change.wallet)).toMatch(message);
      expect(await loaded(store)).toMatchObject({ openOrders: [], positions: [] });
      await store.commit({ ...NOTHING, positions: [position] });
    },
  );

  it("store - what can be stored of a wallet, and what is refused, is all there is", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((u) => String.fromCharCode(u)), maxLength: 128 }),
        (wallet) => {
          expect(walletFault(wallet) === undefined).toBe(wallet.isWellFormed());
        },
      ),
    );
  });

  it("store - a wallet with half a character that an earlier version stored is read as what it was", async () => {
    const dir = temporaryDirectory();
    await (await openStore(dir)).close();
    const wallet = "a\ud800";
    const fields = [wallet, 1, -3, "-30", "5", 1_000];
    const packed = new Packr({ useRecords: false }).pack(fields);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32(packed));
    await overwrite(
      dir,
      "positions",
      JSON.stringify([wallet, 1]),
      Buffer.concat([checksum, packed]),
    );
    const store = await openStore(dir);
    const { positions } = await loaded(store);
    expect(positions).toEqual([
      { wallet, marketId: 1, quantity: -3, cost: -30n, realizedPnl: 5n, updatedTs: 1_000 },
    ]);
    await store.close();
    // Of somebody else's record in its place it is told.
    await overwrite(
      dir,
      "positions",
      JSON.stringify(["b\ud800", 1]),
      Buffer.concat([checksum, packed]),
    );
    await expect((await openStore(dir)).load()).rejects.toThrow("it is another record");
  });

  it("store - what is asked of wallets waits for no write of the trees", async () => {
    const store = await openStore(temporaryDirectory());
    const done: string[] = [];
    const markets = Array.from({ length: 5000 }, (_, at) => ({
      ...(MARKETS[0] as (typeof MARKETS)[number]),
      marketId: at + 10,
    }));
    const written = store.putMarkets(markets).then(() => done.push("written"));
    const read = store
      .read((records) => records.ordersBefore("w1", undefined, 10).records)
      .then((records) => done.push(`read ${records.length}`));
    await Promise.all([written, read]);
    expect(done).toEqual(["read 0", "written"]);
  });

  it("store - loads much in several turns of the event loop, as one state", async () => {
    const dir = temporaryDirectory();
    const before = await openStore(dir);
    const orders = Array.from({ length: 9000 }, (_, index): Order => {
      const orderId = index + 1;
      const common = { ...ORDER, orderId, updatedTs: orderId };
      if (index % 2 === 0) return common;
      return { ...common, clientOrderId: `c${orderId}`, status: "Cancelled", reason: "asked for" };
    });
    await before.commit({ ...NOTHING, orders, nextOrderId: 9001 });
    // What the journal alone has is in memory.
    await before.close();
    const store = await openStore(dir);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const loading = loaded(store);
    const later = store.commit({
      ...NOTHING,
      orders: [{ ...ORDER, orderId: 9001 }],
      nextOrderId: 9002,
    });
    const { openOrders, clientOrderIds, nextOrderId } = await loading;
    clearInterval(counting);
    expect(turns).toBeGreaterThan(1);
    expect(openOrders).toEqual(orders.filter(({ status }) => status === "Open"));
    expect(clientOrderIds.map(({ orderId }) => orderId)).toEqual(
      orders.filter(({ status }) => status !== "Open").map(({ orderId }) => orderId),
    );
    expect(nextOrderId).toBe(9001);
    await later;
    expect((await store.load()).nextOrderId).toBe(9002);
  });

  it("store - keeps markets as they were last put", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    await store.putMarkets(MARKETS);
    await store.putMarkets([{ marketId: 1, title: "Other", tickSize: 0.5, lotSize: 2 }]);
    await store.close();
    const again = await openStore(dir);
    expect(byJson(await again.markets())).toEqual(
      byJson([{ marketId: 1, title: "Other", tickSize: 0.5, lotSize: 2 }, ...MARKETS.slice(1)]),
    );
  });

  it("store - keeps sessions with the batch that puts them, until one removes them", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    const waits = { session: "s1", userId: "u", wallet: null, waitMs: 5000, run: "r", shard: 1 };
    const bound = { session: "s2", userId: "ü", wallet: "w", waitMs: 0, run: "r", shard: 0 };
    await store.commit(NOTHING, [], 0, { put: [waits, bound], removed: [] });
    await store.close();
    const again = await openStore(dir);
    expect((await again.load()).sessions).toEqual([waits, bound]);
    await again.commit(NOTHING, [], 0, { put: [{ ...bound, shard: 3 }], removed: ["s1"] });
    expect((await again.load()).sessions).toEqual([{ ...bound, shard: 3 }]);
  });

  it("store - a directory of a version without sessions is read, and opened", async () => {
    const dir = temporaryDirectory();
    await (await openStore(dir)).close();
    const root = open(dir, { noSubdir: false, maxDbs: 16, overlappingSync: false });
    await root.openDB({ name: "sessions" }).drop();
    await root.close();
    const results = await checkStore(dir);
    expect(results.flatMap(({ named }) => named)).toEqual([]);
    const sessions = results.find(({ name }) => name === "sessions");
    expect(sessions).toMatchObject({ examined: 0, problems: 0 });
    const store = await openStore(dir);
    expect((await store.load()).sessions).toEqual([]);
    await store.close();
    expect((await checkStore(dir)).every(({ problems }) => problems === 0)).toBe(true);
  });

  it("store - a probe leaves nothing behind", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    const before = await loaded(store);
    await store.probe();
    expect(await loaded(store)).toEqual(before);
    expect(readdirSync(dir)).not.toContain("probe");
  });

  it("store - close waits for writes, and then nothing is taken any more", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    const commit = store.commit({ ...NOTHING, orders: [ORDER], nextOrderId: 2 });
    await Promise.all([store.close(), store.close()]);
    await commit;
    await expect(store.load()).rejects.toThrow("the store is closed");
    await expect(store.commit(NOTHING)).rejects.toThrow("the store is closed");
    const again = await openStore(dir);
    expect(again.order(1)).toEqual(ORDER);
  });

  it("store - refuses a schema version that it does not know", async () => {
    const dir = temporaryDirectory();
    await (await openStore(dir)).close();
    const environment = new Environment(dir);
    await environment.schema.put(3).write();
    await environment.close();
    await expect(openStore(dir)).rejects.toMatchObject({
      code: "STORE_VERSION",
      message: expect.stringMatching(
        /data\.mdb has schema version 3, and .* knows none above 2; run /,
      ),
    });
  });

  it.each([
    ["bytes of another kind", Buffer.from("hello, world"), "its checksum does not fit"],
    ["too few bytes", Buffer.from([1]), "it is too short"],
  ])("store - tells of %s in the place of a record", async (_, bytes, reason) => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    await store.commit({ ...NOTHING, orders: [ORDER], nextOrderId: 2 });
    await store.close();
    await overwrite(dir, "open-orders", 1, bytes);
    const again = await openStore(dir);
    const error = expect.objectContaining({
      code: "STORE_DAMAGED",
      message: expect.stringContaining(`${dir} is damaged: record 1 of open-orders: ${reason}`),
    });
    await expect(again.load()).rejects.toThrow(error);
    expect(() => again.order(1)).toThrow(error);
  });

  it("store - tells of a sound record in another one's place", async () => {
    const dir = temporaryDirectory();
    const store = await openStore(dir);
    await store.commit({ ...NOTHING, orders: [ORDER], nextOrderId: 2 });
    await store.close();
    const environment = open({ path: dir, overlappingSync: false, maxDbs: 16 });
    const orders = environment.openDB<Buffer>("open-orders", { encoding: "binary" });
    await orders.put(2, orders.get(1) ?? Buffer.alloc(0));
    await environment.close();
    const again = await openStore(dir);
    await expect(again.load()).rejects.toThrow("record 2 of open-orders: it is another record");
  });

  it("store - tells of a directory that cannot be one", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    await expect(openStore(join(file, "exchange"))).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringContaining(`${file}/exchange cannot be opened: ENOTDIR`),
    });
  });

  it("store - one that was left half-made is made anew", async () => {
    const dir = temporaryDirectory();
    mkdirSync(join(dir, "new"));
    writeFileSync(join(dir, "new", "data.mdb"), "half");
    const store = await openStore(dir);
    expect((await store.load()).nextOrderId).toBe(1);
    expect(readdirSync(dir)).not.toContain("new");
  });
});
