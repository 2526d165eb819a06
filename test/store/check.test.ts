import { truncateSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";
import { describe, expect, it } from "vitest";
import type { Order, Position, Trade } from "../../src/engine/order.js";
import { checkStore } from "../../src/store/check.js";
import { Environment } from "../../src/store/environment.js";
import type { Operation } from "../../src/store/table.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { ChangeLedger, engineRun, MARKETS, take } from "./engine-run.js";

/** A closed store with a history of trading. */
async function tradedStore(): Promise<{ dir: string; ledger: ChangeLedger }> {
  const dir = temporaryDirectory();
  const ledger = new ChangeLedger();
  const store = await openStore(dir);
  await store.putMarkets(MARKETS);
  for (const changes of take(engineRun(3, 100), 6)) {
    await store.commit(changes);
    ledger.add(changes);
  }
  // What is in the indexes by wallet has to be there.
  await store.prune(0);
  await store.close();
  return { dir, ledger };
}

async function problemsOf(dir: string): Promise<string[]> {
  return (await checkStore(dir)).flatMap(({ named }) => [...named]);
}

/** Writes to a store as no server would. */
async function plant(dir: string, operations: (tables: Environment) => Operation[]): Promise<void> {
  const environment = new Environment(dir);
  await Promise.all(operations(environment).map(({ write }) => write()));
  await environment.close();
}

function find<T>(values: Iterable<T>, wanted: (value: T) => boolean): T {
  const found = [...values].find(wanted);
  if (found === undefined) throw new Error("the history has none such");
  return found;
}

const isOpen = ({ status }: Order) => status === "Open";
const isFilled = ({ status }: Order) => status === "Filled";
const withId = (one: Order) => isFilled(one) && one.clientOrderId !== undefined;
const withoutId = (one: Order) => isFilled(one) && one.clientOrderId === undefined;

interface Planted {
  readonly damage: (tables: Environment, ledger: ChangeLedger) => Operation[];
  readonly problem: RegExp;
}

const order =
  (
    wanted: (order: Order) => boolean,
    changes: (order: Order) => Partial<Order>,
  ): Planted["damage"] =>
  (tables, ledger) => {
    const found = find(ledger.orders.values(), wanted);
    const table = isOpen(found) ? tables.openOrders : tables.finishedOrders;
    return [table.put({ ...found, ...changes(found) })];
  };

const trade =
  (changes: (trade: Trade) => Partial<Trade>): Planted["damage"] =>
  (tables, ledger) => {
    const found = find(ledger.trades.values(), () => true);
    return [tables.trades.put({ ...found, ...changes(found) })];
  };

const position =
  (changes: (position: Position) => Partial<Position>): Planted["damage"] =>
  (tables, ledger) => {
    const found = find(ledger.positions.values(), ({ quantity }) => quantity > 0);
    return [tables.positions.put({ ...found, ...changes(found) })];
  };

function administeredMarket(marketId: number) {
  return {
    marketId,
    status: "Halted",
    settlementPrice: 5,
    listing: undefined,
    updatedTs: 1,
  } as const;
}

const PLANTED: Readonly<Record<string, Planted>> = {
  "a market that is settled and open": {
    damage: ({ administered }) => [administered?.put(administeredMarket(1)) ?? []].flat(),
    problem: /^what was set of market 1 is Halted, and settled at 5 ticks$/,
  },
  "what was set of a market that is not listed": {
    damage: ({ administered }) => [administered?.put(administeredMarket(9)) ?? []].flat(),
    problem: /^what was set of market 9 is of market 9, which is not listed$/,
  },
  "an order that is filled beyond its quantity": {
    damage: order(isFilled, ({ quantity }) => ({ filled: quantity + 1 })),
    problem: /^finished order \d+ has \d+ filled of \d+$/,
  },
  "an order that is filled for nothing": {
    damage: order(isFilled, () => ({ filledValue: 0n })),
    problem: /^finished order \d+ has \d+ filled for 0$/,
  },
  "a finished order among the open ones": {
    damage: order(isOpen, ({ quantity }) => ({
      status: "Filled",
      filled: quantity,
      filledValue: 1n,
    })),
    problem: /^open order \d+ is Filled$/,
  },
  "an open order that may not rest": {
    damage: order(isOpen, () => ({ timeInForce: "IOC" })),
    problem: /^open order \d+ is open, and is a Limit IOC order$/,
  },
  "an order that was changed before it was made": {
    damage: order(isOpen, ({ createdTs }) => ({ updatedTs: createdTs - 1 })),
    problem: /^open order \d+ was changed before it was made$/,
  },
  "an order of an unknown market": {
    damage: order(isOpen, () => ({ marketId: 77 })),
    problem: /^open order \d+ is of market 77, which is not listed$/,
  },
  "an order cancelled without a reason": {
    damage: order(
      ({ status }) => status === "Cancelled",
      () => ({ reason: undefined }),
    ),
    problem: /^finished order \d+ is Cancelled by undefined$/,
  },
  "an order that is open and finished": {
    damage: ({ openOrders }, { orders }) => [
      openOrders.put({ ...find(orders.values(), withId), status: "Open" }),
    ],
    problem: /^finished order \d+ is among the open ones too$/,
  },
  "a crossed book": {
    damage: ({ openOrders }, { orders, nextOrderId }) => {
      const ask = find(orders.values(), (one) => isOpen(one) && one.side === "Sell");
      return [openOrders.put({ ...ask, orderId: nextOrderId - 1, side: "Buy" })];
    },
    problem: /^the book of market \d+ is crossed: bid \d+, ask \d+$/,
  },
  "an id that was not given yet": {
    damage: ({ counters }, { nextTradeId }) => [
      counters.put({ nextOrderId: 2, nextTradeId, stretches: [], latestTs: 0 }),
    ],
    problem: /^(open|finished) order \d+ has an id that the counter, 2, has yet to give$/,
  },
  "no counters": {
    damage: ({ counters }) => [counters.remove("counters")],
    problem: /^there are none$/,
  },
  "a finished order without its finish time": {
    damage: ({ finishTimes }, { orders }) => {
      const { updatedTs, orderId } = find(orders.values(), withoutId);
      return [finishTimes.remove([updatedTs, orderId])];
    },
    problem: /^finished order \d+ has no finish time$/,
  },
  "a finished order whose client order id is not remembered": {
    damage: ({ clientOrderIds }, { orders }) => {
      const { updatedTs, orderId } = find(orders.values(), withId);
      return [clientOrderIds.remove([updatedTs, orderId])];
    },
    problem: /^finished order \d+ has client order id c\d+, which is not remembered so$/,
  },
  "a finish time without its order": {
    damage: ({ finishedOrders }, { orders }) => [
      finishedOrders.remove(find(orders.values(), withoutId).orderId),
    ],
    problem: /^finish-times has order \d+ at \d+, which is not so$/,
  },
  "a client order id without its order": {
    damage: ({ finishedOrders }, { orders }) => [
      finishedOrders.remove(find(orders.values(), withId).orderId),
    ],
    problem: /^client-order-ids has order \d+ at \d+, which is not so$/,
  },
  "a trade of a wallet with itself": {
    damage: trade(({ makerWallet }) => ({ takerWallet: makerWallet })),
    problem: /^trade 1 is of wallet-\d with itself$/,
  },
  "a trade of an order that is not there yet": {
    damage: trade(() => ({ takerOrderId: 999_999 })),
    problem: /^trade 1 is of order 999999, which the counter has yet to give$/,
  },
  "trades of more than the volume": {
    damage: trade(() => ({ quantity: 1_000_000 })),
    problem: /^market \d+ has volume \d+ < \d+$/,
  },
  "another last price than the last trade's": {
    damage: ({ totals }, ledger) => {
      const found = find(ledger.totals.values(), ({ volume }) => volume > 0);
      return [totals.put({ ...found, lastPrice: 999 })];
    },
    problem: /^market \d+ has last price 999, its last trade \d+$/,
  },
  "trades in a market without a total": {
    damage: ({ totals }) => [totals.remove("1")],
    problem: /^market 1 has no total$/,
  },
  "positions that do not cancel out": {
    damage: position(({ quantity }) => ({ quantity: quantity + 1 })),
    problem: /^the positions in market \d+ add up to 1 lots$/,
  },
  "profit from nowhere": {
    damage: position(({ realizedPnl }) => ({ realizedPnl: realizedPnl + 5n })),
    problem: /^the positions in market \d+ were paid 5 in all, in ticks × lots$/,
  },
  "a long position that cost less than nothing": {
    damage: position(() => ({ cost: -1n })),
    problem: /^position of "wallet-\d" in market \d+ is long and cost -1$/,
  },
  "a market with a tick size that is none": {
    damage: ({ markets }) => [
      markets.put({ marketId: 1, title: "One", tickSize: 1e-30, lotSize: 1 }),
    ],
    problem: /^market 1 has tick size 1e-30$/,
  },
  "an order that its wallet would not find": {
    damage: (tables, ledger) => {
      const { wallet, orderId } = find(ledger.orders.values(), isFilled);
      return [tables.wallets?.orders.remove(wallet, orderId) as Operation];
    },
    problem: /finished order \d+ is not in wallet-orders of "/,
  },
  "a finished order that its wallet would not be told of": {
    damage: (tables, ledger) => {
      const { wallet, orderId, updatedTs } = find(ledger.orders.values(), isFilled);
      return [tables.wallets?.finishes.remove(wallet, updatedTs, orderId) as Operation];
    },
    problem: /finished order \d+ is not in wallet-finishes of "/,
  },
  "a trade that one of its wallets would not find": {
    damage: (tables, ledger) => {
      const { takerWallet, tradeId } = find(ledger.trades.values(), () => true);
      return [tables.wallets?.trades.remove(takerWallet, tradeId) as Operation];
    },
    problem: /trade \d+ is not in wallet-trades of "/,
  },
  "an unknown schema version": {
    damage: ({ schema }) => [schema.put(9)],
    problem: /data\.mdb has schema version 9/,
  },
};

describe("check", () => {
  it("check - finds nothing in a store that an engine has filled, also beside a server", async () => {
    const { dir, ledger } = await tradedStore();
    const results = await checkStore(dir);
    expect(results.flatMap(({ named }) => named)).toEqual([]);
    expect(results.map(({ name, examined }) => [name, examined])).toEqual([
      ["file", 1],
      ["counters", 1],
      ["markets", 3],
      ["open orders, and books that do not cross", ledger.state.openOrders.length],
      [
        "finished orders, each with its finish time",
        ledger.orders.size - ledger.state.openOrders.length,
      ],
      ["finish times, each with its order", ledger.orders.size - ledger.state.openOrders.length],
      ["trades", ledger.trades.size],
      ["positions, which cancel out in each market", ledger.positions.size],
      ["totals, which agree with the trades", ledger.totals.size],
      ["sessions", 0],
      ["wallets whose orders are to be cancelled", ledger.timers.size],
      ["markets that were administered", ledger.markets.size],
    ]);
    await openStore(dir);
    expect(await problemsOf(dir)).toEqual([]);
  });

  it.each(Object.entries(PLANTED))("check - finds %s", async (_, { damage, problem }) => {
    const { dir, ledger } = await tradedStore();
    await plant(dir, (tables) => damage(tables, ledger));
    expect(await problemsOf(dir)).toContainEqual(expect.stringMatching(problem));
  });

  it("check - takes the largest volume that is counted for that of any more trades", async () => {
    const { dir, ledger } = await tradedStore();
    const { marketId } = find(ledger.trades.values(), () => true);
    const quantity = Number.MAX_SAFE_INTEGER;
    const total = find(ledger.totals.values(), (one) => one.marketId === marketId);
    await plant(dir, ({ trades, totals }) => [
      ...[...ledger.trades.values()]
        .filter((one) => one.marketId === marketId)
        .map((one) => trades.put({ ...one, quantity })),
      totals.put({ ...total, volume: quantity }),
    ]);
    expect(await problemsOf(dir)).toEqual([]);
    await plant(dir, ({ totals }) => [totals.put({ ...total, volume: quantity - 1 })]);
    expect(await problemsOf(dir)).toEqual([
      `market ${marketId} has volume ${quantity - 1} < ${quantity}`,
    ]);
  });

  it("check - names every damaged record, and goes on", async () => {
    const { dir, ledger } = await tradedStore();
    const environment = open({ path: dir, overlappingSync: false, maxDbs: 16 });
    const trades = environment.openDB<Buffer, number>("trades", { encoding: "binary" });
    const [first, second] = [...ledger.trades.keys()];
    await Promise.all([first, second].map((id) => trades.put(id ?? 0, Buffer.from("garbage"))));
    await environment.close();
    const problems = (await problemsOf(dir)).filter((problem) => problem.includes("of trades"));
    expect(problems).toHaveLength(2);
    expect(problems[1]).toContain(`record ${second} of trades: its checksum does not fit`);
  });

  it("check - counts problems beyond those that it names", async () => {
    const { dir, ledger } = await tradedStore();
    await plant(dir, ({ markets }) => MARKETS.map(({ marketId }) => markets.remove(`${marketId}`)));
    const results = await checkStore(dir);
    const trades = results.find(({ name }) => name === "trades");
    expect(trades?.problems).toBe(ledger.trades.size);
    expect(trades?.named).toHaveLength(20);
  });

  it("check - finds a file that is cut off, and looks no further", async () => {
    const { dir } = await tradedStore();
    truncateSync(join(dir, "data.mdb"), 12_288);
    const results = await checkStore(dir);
    expect(results.map(({ name, problems }) => [name, problems])).toEqual([["file", 1]]);
  });

  it("check - refuses a directory without a store, and makes none", async () => {
    const dir = temporaryDirectory();
    await expect(problemsOf(dir)).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: `${dir}/data.mdb is not there; name the server's data directory with --data-dir`,
    });
  });
});
