import { setImmediate as nextTurn } from "node:timers/promises";
import type { Key, Transaction } from "lmdb";
import { DecimalScale } from "../shared/decimal-scale.js";
import type { MarketId } from "../shared/market-id.js";
import { isOpen } from "../shared/order.js";
import type { Environment } from "./environment.js";
import { openComplete } from "./open-complete.js";
import { marketProblems, orderProblems, positionProblems, tradeProblems } from "./record-rules.js";
import type { Counters } from "./records.js";
import { StoreError } from "./store-error.js";
import type { Table } from "./table.js";
import type { WalletIndexName } from "./wallet-entries.js";
import { INDEXED_KEY, type Indexed } from "./wallet-marks.js";

/** Records between two turns of the event loop, in which signals are heard. */
const RECORDS_PER_TURN = 2000;

/** Problems of one check that are named; the others are counted. */
const NAMED_PROBLEMS_MAX = 20;

/** What one check found. */
interface CheckResult {
  readonly name: string;
  /** How many things it looked at. */
  readonly examined: number;
  /** How many problems there are. */
  readonly problems: number;
  /** The first of them. */
  readonly named: readonly string[];
}

/**
 * Checks all that must hold in a store, and tells what each check found. Reads one state of it, also
 * while a server writes, and holds that no longer than it reads: what it found is told at the end.
 * Rejects with STORE_UNREADABLE where there is no store, and with the signal's reason when that aborts.
 */
export async function checkStore(
  dir: string,
  signal?: AbortSignal,
): Promise<readonly CheckResult[]> {
  const file = new Check("file");
  let environment: Environment;
  try {
    environment = await openComplete(dir, signal);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code === "STORE_UNREADABLE") throw error;
    file.problem(error.message);
    return [file.result];
  }
  file.examined++;
  const transaction = environment.snapshot();
  try {
    return [file.result, ...(await new StoreCheck(environment, transaction, signal).run())];
  } finally {
    transaction.done();
    await environment.close();
  }
}

/** A check while it runs. */
class Check {
  readonly #name: string;
  readonly #named: string[] = [];
  #count = 0;
  examined = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Problems that all begin with the name of one thing. */
  problems(name: string, whats: readonly string[]): void {
    for (const what of whats) this.problem(`${name} ${what}`);
  }

  problem(what: string): void {
    this.#count++;
    if (this.#named.length < NAMED_PROBLEMS_MAX) this.#named.push(what);
  }

  get result(): CheckResult {
    return {
      name: this.#name,
      examined: this.examined,
      problems: this.#count,
      named: this.#named,
    };
  }
}

/** What is added up of a market, to be compared with what else is known of it. */
interface MarketSums {
  bestBid: number;
  bestAsk: number;
  /** Of all positions. */
  quantity: bigint;
  /** Realized profit less the cost of what is open, over all positions: what they were paid. */
  paid: bigint;
  /** Of the trades that are stored. */
  traded: number;
  lastPrice: number | undefined;
  /** The engine counts the volume no further. */
  readonly volumeMax: number;
}

/** The checks of what the records say, on one state of the store. */
class StoreCheck {
  readonly #tables: Environment;
  readonly #transaction: Transaction;
  readonly #signal: AbortSignal | undefined;
  readonly #markets = new Map<MarketId, MarketSums>();
  /** Up to where the indexes by wallet are written. */
  readonly #indexed: Indexed | undefined;
  /** Where they cannot be read, no id is beyond them. */
  #counters: Counters = {
    nextOrderId: Infinity,
    nextTradeId: Infinity,
    stretches: [],
    latestTs: 0,
  };

  constructor(tables: Environment, transaction: Transaction, signal: AbortSignal | undefined) {
    this.#tables = tables;
    this.#transaction = transaction;
    this.#signal = signal;
    const { indexed } = tables;
    this.#indexed = indexed && this.#get(indexed, INDEXED_KEY);
  }

  async run(): Promise<readonly CheckResult[]> {
    return [
      await this.#checkCounters(),
      await this.#checkMarkets(),
      await this.#checkOpenOrders(),
      await this.#checkFinishedOrders(),
      await this.#checkFinishTimes(),
      await this.#checkTrades(),
      await this.#checkPositions(),
      await this.#checkTotals(),
      await this.#checkSessions(),
      await this.#checkTimers(),
      await this.#checkAdministered(),
    ];
  }

  async #checkCounters(): Promise<CheckResult> {
    const check = new Check("counters");
    await this.#each(check, this.#tables.counters, (counters) => {
      this.#counters = counters;
    });
    if (check.examined === 0) check.problem("there are none");
    return check.result;
  }

  async #checkMarkets(): Promise<CheckResult> {
    const check = new Check("markets");
    await this.#each(check, this.#tables.markets, (market) => {
      this.#markets.set(market.marketId, {
        bestBid: -Infinity,
        bestAsk: Infinity,
        quantity: 0n,
        paid: 0n,
        traded: 0,
        lastPrice: undefined,
        volumeMax: DecimalScale.of(market.lotSize)?.countMax ?? Infinity,
      });
      check.problems(`market ${market.marketId}`, marketProblems(market));
    });
    return check.result;
  }

  async #checkOpenOrders(): Promise<CheckResult> {
    const check = new Check("open orders, and books that do not cross");
    await this.#each(check, this.#tables.openOrders, (order) => {
      const name = `open order ${order.orderId}`;
      check.problems(name, orderProblems(order, this.#counters));
      if (!isOpen(order)) check.problem(`${name} is ${order.status}`);
      this.#checkIndexed(check, name, "orders", order.wallet, order.orderId);
      const sums = this.#sumsOf(check, name, order.marketId);
      const { price } = order;
      if (sums === undefined || price === undefined) return;
      if (order.side === "Buy") sums.bestBid = Math.max(sums.bestBid, price);
      else sums.bestAsk = Math.min(sums.bestAsk, price);
    });
    for (const [marketId, { bestBid, bestAsk }] of this.#markets) {
      if (bestBid < bestAsk) continue;
      check.problem(`the book of market ${marketId} is crossed: bid ${bestBid}, ask ${bestAsk}`);
    }
    return check.result;
  }

  async #checkFinishedOrders(): Promise<CheckResult> {
    const { openOrders, finishedOrders, finishTimes, clientOrderIds } = this.#tables;
    const check = new Check("finished orders, each with its finish time");
    await this.#each(check, finishedOrders, (order) => {
      const { orderId, wallet, clientOrderId, updatedTs } = order;
      const name = `finished order ${orderId}`;
      check.problems(name, orderProblems(order, this.#counters));
      if (isOpen(order)) check.problem(`${name} is ${order.status}`);
      this.#sumsOf(check, name, order.marketId);
      if (this.#has(openOrders, orderId)) check.problem(`${name} is among the open ones too`);
      this.#checkIndexed(check, name, "orders", wallet, orderId);
      this.#checkIndexed(check, name, "finishes", wallet, updatedTs, orderId);
      const key = [updatedTs, orderId];
      if (clientOrderId === undefined) {
        if (!this.#has(finishTimes, key)) check.problem(`${name} has no finish time`);
        return;
      }
      const remembered = this.#get(clientOrderIds, key);
      if (remembered?.wallet !== wallet || remembered.clientOrderId !== clientOrderId) {
        check.problem(`${name} has client order id ${clientOrderId}, which is not remembered so`);
      }
    });
    return check.result;
  }

  async #checkFinishTimes(): Promise<CheckResult> {
    const { finishedOrders, finishTimes, clientOrderIds } = this.#tables;
    const check = new Check("finish times, each with its order");
    for (const table of [finishTimes, clientOrderIds]) {
      await this.#each(check, table, ({ orderId, finishedTs }) => {
        const order = this.#get(finishedOrders, orderId);
        const hasId = order?.clientOrderId !== undefined;
        if (order?.updatedTs === finishedTs && hasId === (table === clientOrderIds)) return;
        check.problem(`${table.name} has order ${orderId} at ${finishedTs}, which is not so`);
      });
    }
    return check.result;
  }

  async #checkTrades(): Promise<CheckResult> {
    const check = new Check("trades");
    await this.#each(check, this.#tables.trades, (trade) => {
      const name = `trade ${trade.tradeId}`;
      check.problems(name, tradeProblems(trade, this.#counters));
      for (const wallet of [trade.makerWallet, trade.takerWallet])
        this.#checkIndexed(check, name, "trades", wallet, trade.tradeId);
      const sums = this.#sumsOf(check, name, trade.marketId);
      if (sums === undefined) return;
      sums.traded += trade.quantity;
      sums.lastPrice = trade.price;
    });
    return check.result;
  }

  async #checkPositions(): Promise<CheckResult> {
    const check = new Check("positions, which cancel out in each market");
    await this.#each(check, this.#tables.positions, (position) => {
      const { wallet, marketId, quantity, cost, realizedPnl } = position;
      const name = `position of ${JSON.stringify(wallet)} in market ${marketId}`;
      check.problems(name, positionProblems(position));
      const sums = this.#sumsOf(check, name, marketId);
      if (sums === undefined) return;
      sums.quantity += BigInt(quantity);
      sums.paid += realizedPnl - cost;
    });
    for (const [marketId, { quantity, paid }] of this.#markets) {
      const name = `the positions in market ${marketId}`;
      if (quantity !== 0n) check.problem(`${name} add up to ${quantity} lots`);
      if (paid !== 0n) check.problem(`${name} were paid ${paid} in all, in ticks × lots`);
    }
    return check.result;
  }

  async #checkTotals(): Promise<CheckResult> {
    const check = new Check("totals, which agree with the trades");
    const known = new Set<MarketId>();
    await this.#each(check, this.#tables.totals, ({ marketId, volume, lastPrice }) => {
      known.add(marketId);
      const name = `market ${marketId}`;
      const sums = this.#sumsOf(check, `the total of ${name}`, marketId);
      // Trades are pruned, so there may be fewer.
      if (sums === undefined || sums.traded === 0) return;
      const least = Math.min(sums.traded, sums.volumeMax);
      if (volume < least) check.problem(`${name} has volume ${volume} < ${least}`);
      if (lastPrice !== sums.lastPrice) {
        check.problem(`${name} has last price ${lastPrice}, its last trade ${sums.lastPrice}`);
      }
    });
    for (const [marketId, { traded }] of this.#markets) {
      if (traded > 0 && !known.has(marketId)) check.problem(`market ${marketId} has no total`);
    }
    return check.result;
  }

  async #checkSessions(): Promise<CheckResult> {
    const check = new Check("sessions");
    const { sessions } = this.#tables;
    if (sessions !== undefined) await this.#each(check, sessions, () => {});
    return check.result;
  }

  async #checkTimers(): Promise<CheckResult> {
    const check = new Check("wallets whose orders are to be cancelled");
    const { timers } = this.#tables;
    if (timers !== undefined)
      await this.#each(check, timers, ({ wallet, setTs, triggerTs }) => {
        if (triggerTs > setTs) return;
        check.problem(`${JSON.stringify(wallet)} asked at ${setTs} for ${triggerTs}`);
      });
    return check.result;
  }

  async #checkAdministered(): Promise<CheckResult> {
    const check = new Check("markets that were administered");
    const { administered } = this.#tables;
    if (administered !== undefined)
      await this.#each(check, administered, ({ marketId, status, settlementPrice }) => {
        const name = `what was set of market ${marketId}`;
        this.#sumsOf(check, name, marketId);
        if (settlementPrice !== undefined && status !== "Closed")
          check.problem(`${name} is ${status}, and settled at ${settlementPrice} ticks`);
      });
    return check.result;
  }

  /** Looks at every record of a table, some thousands in a turn; a damaged one is a problem. */
  async #each<T>(check: Check, table: Table<Key, T>, visit: (value: T) => void): Promise<void> {
    for (const { value } of table.inspect({ transaction: this.#transaction })) {
      if (++check.examined % RECORDS_PER_TURN === 0) {
        await nextTurn();
        this.#signal?.throwIfAborted();
      }
      if (value instanceof StoreError) check.problem(value.message);
      else visit(value);
    }
  }

  /**
   * A wallet's history is what its indexes lead to. A store of version 1 has none, and what was stored last may not
   * have come to them.
   */
  #checkIndexed(
    check: Check,
    name: string,
    kind: WalletIndexName,
    wallet: string,
    ...numbers: readonly [number, ...number[]]
  ): void {
    const index = this.#tables.wallets?.[kind];
    const { orderId = 0, tradeId = 0, finishedTs = 0 } = this.#indexed ?? {};
    const written = { orders: orderId, finishes: finishedTs - 1, trades: tradeId }[kind];
    if (index === undefined || numbers[0] > written) return;
    if (index.has(this.#transaction, wallet, ...numbers)) return;
    check.problem(`${name} is not in ${index.name} of ${JSON.stringify(wallet)}`);
  }

  #sumsOf(check: Check, name: string, marketId: MarketId): MarketSums | undefined {
    const sums = this.#markets.get(marketId);
    if (sums === undefined) check.problem(`${name} is of market ${marketId}, which is not listed`);
    return sums;
  }

  /** Undefined for a damaged record too, which the check of its own table names. */
  #get<K extends Key, T>(table: Table<K, T>, key: K): T | undefined {
    try {
      return table.get(key, { transaction: this.#transaction });
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  #has<K extends Key, T>(table: Table<K, T>, key: K): boolean {
    return this.#get(table, key) !== undefined;
  }
}
