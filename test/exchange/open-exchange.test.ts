import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Exchange } from "../../src/exchange/exchange.js";
import { openExchange } from "../../src/exchange/open-exchange.js";
import { FeedConfigurationError } from "../../src/feed/feed-configuration-error.js";
import { publishedMark } from "../../src/ring/published-mark.js";
import { createLogger } from "../../src/shared/log.js";
import { Store } from "../../src/store/store.js";
import { KEEP_ALL, temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { OPTIONS, publisherWorld } from "./exchange-world.js";
import { ShardEnd } from "./shard-end.js";

let dataDir: string;
let file: string;
beforeEach(() => {
  dataDir = temporaryDirectory();
  file = join(dataDir, "markets.json");
});

const writeMarkets = (...markets: readonly Readonly<Record<string, unknown>>[]) =>
  writeFile(
    file,
    JSON.stringify(
      markets.map((market) => ({
        market_id: 1,
        title: "One",
        status: "Active",
        tick_size: 0.01,
        lot_size: 1,
        ...market,
      })),
    ),
  );

afterEach(() => void vi.restoreAllMocks());

/** Opens an exchange on the directory and the file, uses it, and stops it. */
async function withExchange(
  use: (
    shard: ShardEnd,
    world: ReturnType<typeof publisherWorld>,
  ) => Promise<void> = async () => {},
  lastTrade?: number,
): Promise<void> {
  const world = publisherWorld();
  const exchange: Exchange = await openExchange(
    {
      options: { ...OPTIONS, dataDir, marketsFile: file },
      run: "run",
      lastTrade,
      counters: world.counters,
      log: createLogger({ level: "silent", format: "json" }, {}),
      position: world.position,
      storeHealth: () => {},
    },
    world.publisher,
  );
  const stop = new AbortController();
  const running = exchange.run(stop.signal);
  const shard = new ShardEnd();
  exchange.attach(0, shard.port);
  try {
    await use(shard, world);
  } finally {
    stop.abort();
    await running;
  }
}

it("open exchange - lists the file's markets, with what the store knows of their trading", async () => {
  await writeMarkets({}, { market_id: 2, title: "Two", status: "Halted" });
  await withExchange(async (shard) => {
    await shard.placed("w1", { side: "Sell", quantity: 3 });
    await shard.placed("w2", { quantity: 2 });
  });
  await withExchange(async (shard, { truth }) => {
    expect((await shard.snapshot("w1")).orders).toMatchObject([{ filled_quantity: 2 }]);
    truth.read();
    expect(truth.of(1).states[0]).toMatchObject({ price: 50, volume: 2, status: "Active" });
    expect(truth.of(1).states.at(-1)).toMatchObject({ bestAsk: 50 });
    expect(truth.of(2).states[0]).toMatchObject({ price: null, volume: 0, status: "Halted" });
  });
});

it.each([
  ["tick size", { tick_size: 0.001 }, /market 1 .*0\.001 .*0\.01 /],
  ["lot size", { lot_size: 10 }, /market 1 .*lot size 10,.* 1, /],
])(
  "open exchange - another %s is refused, naming both, and leaves the store free",
  async (_, change, message) => {
    await writeMarkets({});
    await withExchange();
    await writeMarkets(change);
    const opening = withExchange();
    await expect(opening).rejects.toBeInstanceOf(FeedConfigurationError);
    await expect(opening).rejects.toThrow(message);
    await writeMarkets({});
    await withExchange();
  },
);

it("open exchange - a market that is not in the file any more is closed: cancels, no orders", async () => {
  await writeMarkets({}, { market_id: 2 });
  let order_id = "";
  await withExchange(async (shard) => {
    order_id = (await shard.placed("w1", { market_id: 2 })).order_id;
  });
  await writeMarkets({});
  await withExchange(async (shard, { truth }) => {
    expect(await shard.ask(shard.place("w1", { market_id: 2 }))).toMatchObject({
      refusal: { code: "MARKET_NOT_ACTIVE" },
    });
    truth.read();
    expect(truth.of(2).states[0]).toMatchObject({ status: "Closed" });
    expect(await shard.ask(shard.cancel("w1", { order_id }))).toMatchObject({
      order: { status: "Cancelled" },
    });
  });
  // And it can come back.
  await writeMarkets({}, { market_id: 2 });
  await withExchange(async (shard) => {
    expect(await shard.placed("w1", { market_id: 2 })).toMatchObject({ status: "Open" });
  });
});

it("open exchange - a new title is taken", async () => {
  await writeMarkets({});
  await withExchange();
  await writeMarkets({ title: "Another" });
  await withExchange(async (_, { truth }) => {
    truth.readTable();
    expect(truth.of(1).definition.title).toBe("Another");
  });
});

it("open exchange - a store that cannot be opened is an error of the store", async () => {
  await writeMarkets({});
  const store = await Store.open(join(dataDir, "exchange"), KEEP_ALL);
  await expect(withExchange()).rejects.toMatchObject({ code: "STORE_LOCKED" });
  await store.close();
});

it("open exchange - begins behind what may have been told, and stands there while nothing can be stored", async () => {
  await writeMarkets({});
  await withExchange(async (shard) => void (await shard.placed("w1")));
  const store = await Store.open(join(dataDir, "exchange"), KEEP_ALL);
  const { latestTs, openOrders } = await store.load();
  await store.close();
  expect(latestTs).toBeGreaterThan([...openOrders].at(-1)?.updatedTs as number);
  // Every one until then: an exchange of another test may commit as it ends.
  const commit = vi.spyOn(Store.prototype, "commit").mockRejectedValue(new Error("no space"));
  await withExchange(async (shard, { truth, position }) => {
    await shard.snapshot("w1");
    truth.read();
    expect(truth.of(1).states.map(({ ts }) => ts)).toEqual([latestTs + 1, latestTs + 1]);
    commit.mockRestore();
    const { updated_ts } = await shard.placed("w1");
    expect(updated_ts).toBeGreaterThan(latestTs);
    expect(position.tell()).toBeGreaterThanOrEqual(updated_ts);
  });
});

it("open exchange - a file that will not do makes no store", async () => {
  await expect(withExchange()).rejects.toBeInstanceOf(FeedConfigurationError);
  await writeMarkets({});
  await withExchange();
});

it.each([
  ["--max-markets", Array.from({ length: 9 }, (_, at) => ({ market_id: at + 1 }))],
  ["--max-title-bytes", [{ title: "T".repeat(65) }]],
])(
  "open exchange - markets beyond %s are refused and leave nothing in the store",
  async (flag, markets) => {
    await writeMarkets(...markets);
    await expect(withExchange()).rejects.toThrow(flag);
    await writeMarkets({});
    await withExchange(async (_, { truth }) => {
      truth.read();
      expect([...truth.markets.keys()]).toEqual([1]);
    });
  },
);

it("open exchange - trades that an earlier producer of the run has not published come first, and once", async () => {
  await writeMarkets({}, { market_id: 2 });
  await withExchange(async (shard, { memory }) => {
    expect(publishedMark(memory.tradeRing)).toBe(0);
    await shard.placed("w1", { side: "Sell", quantity: 100 });
    await shard.placed("w1", { side: "Sell", quantity: 100, market_id: 2 });
    for (const [quantity, market_id] of [
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 1],
    ] as const)
      await shard.placed("w2", { quantity, market_id });
    await until("all are published", () => publishedMark(memory.tradeRing) === 4);
  });
  const tradesOf = ({ truth }: ReturnType<typeof publisherWorld>, market: number) =>
    truth.of(market).trades.map(({ seq, tradeId, quantity }) => [seq, tradeId, quantity]);

  await withExchange(async (shard, world) => {
    const { memory, truth } = world;
    await until("they are published, and the books", () => {
      truth.read();
      return publishedMark(memory.tradeRing) === 4 && truth.of(1).states.at(-1)?.bestAsk === 50;
    });
    expect(tradesOf(world, 1)).toEqual([
      [1, "2", 2],
      [2, "4", 4],
    ]);
    expect(tradesOf(world, 2)).toEqual([[1, "3", 3]]);
    // Volumes are what they would be if nobody had died.
    expect(truth.of(1).states[0]).toMatchObject({ price: 50, volume: 1 });
    expect(truth.of(1).states.at(-1)).toMatchObject({ price: 50, volume: 7, bestAsk: 50 });
    expect(truth.of(2).states.at(-1)).toMatchObject({ volume: 3 });
    await shard.placed("w2", { quantity: 5 });
    await until("the next one is published", () => publishedMark(memory.tradeRing) === 5);
    truth.read();
    expect(tradesOf(world, 1).at(-1)).toEqual([3, "5", 5]);
  }, 1);

  // All are published; and without an earlier producer there is nobody who has waited for them.
  for (const lastTrade of [5, undefined])
    await withExchange(async (shard, world) => {
      await shard.snapshot("w1");
      world.truth.read();
      expect(tradesOf(world, 1)).toEqual([]);
      expect(publishedMark(world.memory.tradeRing)).toBe(5);
    }, lastTrade);
});
