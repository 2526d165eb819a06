import type { Order, Trade } from "../engine/order.js";
import type { Environment } from "./environment.js";
import { PendingEntries } from "./pending-entries.js";
import { COUNTERS_KEY, SCHEMA_KEY, SCHEMA_VERSION } from "./records.js";
import { StoreError } from "./store-error.js";
import type { Operation, Table } from "./table.js";
import { entriesOfOrder, entriesOfTrade, putEntries, type WalletEntry } from "./wallet-entries.js";
import type { PrunedKind } from "./wallet-marks.js";
import { WalletRecords } from "./wallet-records.js";

/** Records that are carried over in one transaction, and entries of indexes that are written in one. */
const RECORDS_PER_STEP = 2000;
const ENTRIES_PER_STEP = 5000;
/** Records whose entries are gathered: many together lie close to each other in the indexes. */
const RECORDS_GATHERED = 40_000;

/** Has operations that a state of the store asks for written, in one transaction. */
type Write = (operations: (environment: Environment) => readonly Operation[]) => Promise<void>;

/**
 * Carries a store of an earlier version over to the present one, some records at a time. The version is
 * written last, so a migration that was cut short begins anew; what it writes it may write again.
 *
 * Version 1 has no indexes by wallet, no client order ids in its trades, and does not know what was pruned.
 * Damaged records are left as they are.
 */
export async function migrate(write: Write): Promise<void> {
  let version: number | undefined = SCHEMA_VERSION;
  await write(({ schema }) => {
    version = schema.get(SCHEMA_KEY);
    return [];
  });
  if (version === SCHEMA_VERSION) return;
  const ofOrder = (order: Order): WalletEntry[] => entriesOfOrder(order, true);
  await carryOver(write, ({ openOrders }) => openOrders, ofOrder);
  await carryOver(write, ({ finishedOrders }) => finishedOrders, ofOrder);
  await carryOver(write, ({ trades }) => trades, entriesOfTrade, tradeWrites);
  await write((environment) => [
    ...markWrites(environment),
    environment.schema.put(SCHEMA_VERSION),
  ]);
}

async function carryOver<T>(
  write: Write,
  tableOf: (environment: Environment) => Table<number, T>,
  entriesOf: (value: T) => readonly WalletEntry[],
  writesOf: (environment: Environment, value: T) => readonly Operation[] = () => [],
): Promise<void> {
  const pending = new PendingEntries();
  let gathered = 0;
  for (let last: number | undefined, first = true; first || last !== undefined; first = false) {
    const start = last;
    last = undefined;
    await write((environment) => {
      const range = { limit: RECORDS_PER_STEP, exclusiveStart: true };
      const after = start === undefined ? range : { ...range, start };
      const records = [...tableOf(environment).inspect(after)];
      last = records.at(-1)?.key;
      const values = records.flatMap(({ value }) => (value instanceof StoreError ? [] : [value]));
      for (const value of values) pending.add(entriesOf(value));
      return values.flatMap((value) => writesOf(environment, value));
    });
    gathered += RECORDS_PER_STEP;
    if (gathered < RECORDS_GATHERED && last !== undefined) continue;
    for (const step of pending.steps(ENTRIES_PER_STEP)) {
      await write((environment) => putEntries(environment, step));
      pending.remove(step);
    }
    gathered = 0;
  }
}

function tradeWrites(environment: Environment, trade: Trade): Operation[] {
  const records = new WalletRecords(environment);
  const idOf = (orderId: number): string | undefined => records.order(orderId)?.clientOrderId;
  const makerClientOrderId = idOf(trade.makerOrderId);
  const takerClientOrderId = idOf(trade.takerOrderId);
  return [environment.trades.put({ ...trade, makerClientOrderId, takerClientOrderId })];
}

/**
 * Up to where the indexes are written, which is all there is, and what may have been pruned already: each table from
 * its old end, whatever is older than what is left.
 */
function markWrites(environment: Environment): Operation[] {
  const { counters, openOrders, finishedOrders, finishTimes, clientOrderIds, trades } = environment;
  const { nextOrderId, nextTradeId, latestTs } = counters.get(COUNTERS_KEY) ?? {
    nextOrderId: 1,
    nextTradeId: 1,
    latestTs: 0,
  };
  const latest = Math.max(
    latestTs,
    ...[...finishTimes.values(NEWEST)].map((one) => one.finishedTs),
  );
  const oldest = (table: Iterable<number>): number => [...table][0] ?? latest;
  const indexed = { orderId: nextOrderId - 1, tradeId: nextTradeId - 1, finishedTs: latest };
  const writes: Operation[] = [environment.indexed?.put(indexed) ?? []].flat();
  const pruned = (kind: PrunedKind, to: number): void => {
    const put = environment.pruned?.put({ kind, to });
    if (put !== undefined) writes.push(put);
  };
  if (openOrders.size + finishedOrders.size < nextOrderId - 1) {
    const ends = [finishTimes, clientOrderIds].map((table) =>
      oldest([...table.values({ limit: 1 })].map(({ finishedTs }) => finishedTs)),
    );
    pruned("orders", Math.max(...ends));
  }
  if (trades.size < nextTradeId - 1)
    pruned("trades", oldest([...trades.values({ limit: 1 })].map(({ ts }) => ts)));
  return writes;
}

const NEWEST = { reverse: true, limit: 1 };
