import type { Order, Trade } from "../engine/order.js";
import type { Environment } from "./environment.js";
import type { PendingEntries } from "./pending-entries.js";
import { COUNTERS_KEY } from "./records.js";
import { StoreError } from "./store-error.js";
import { compareNumbers, type WalletIndexName } from "./wallet-entries.js";
import type { PrunedKind } from "./wallet-marks.js";

/** Some records of a wallet, in the order that was asked for. */
interface WalletPart<T> {
  /** Those that can be read. */
  readonly records: readonly T[];
  /** How many were looked at: fewer than were asked for where there are no more. */
  readonly read: number;
  /** Where the last one looked at stands; undefined where there was none. */
  readonly last: readonly number[] | undefined;
}

/** What is stored and not in the trees yet. */
interface WaitingRecords {
  order(orderId: number): Order | undefined;
  trade(tradeId: number): Trade | undefined;
  /** By ascending id. */
  tradesAfter(tradeId: number): readonly Trade[];
}

/**
 * What the store has of wallets, in one state of it, a bounded part with each call. Damaged records, and what
 * an index says and is not so, are left out.
 */
export class WalletRecords {
  readonly #environment: Environment;
  readonly #pending: PendingEntries | undefined;
  readonly #waiting: WaitingRecords | undefined;

  /**
   * @param pending what is to be read beside the indexes; where there is none, nothing of wallets can be
   * @param waiting what is to be read beside the trees, where that may be something
   */
  constructor(environment: Environment, pending?: PendingEntries, waiting?: WaitingRecords) {
    this.#environment = environment;
    this.#pending = pending;
    this.#waiting = waiting;
  }

  /** An order that is open, or finished and not yet pruned; undefined for one that cannot be read. */
  order(orderId: number): Order | undefined {
    const { openOrders, finishedOrders } = this.#environment;
    return (
      this.#waiting?.order(orderId) ??
      readable(() => openOrders.get(orderId) ?? finishedOrders.get(orderId))
    );
  }

  /** A wallet's orders, the latest first, with ids below one. */
  ordersBefore(wallet: string, orderId: number | undefined, limit: number): WalletPart<Order> {
    const before = orderId === undefined ? undefined : [orderId];
    return this.#orders(wallet, this.#below("orders", wallet, before, limit));
  }

  /** A wallet's finished orders, the first to finish first, from a `ts` and an id on. */
  finishedFrom(wallet: string, ts: number, orderId: number, limit: number): WalletPart<Order> {
    const entries = this.#from("finishes", wallet, [ts, orderId], limit);
    const part = this.#orders(
      wallet,
      entries.map(([, id = 0]) => [id]),
    );
    return { ...part, last: entries.at(-1) };
  }

  /** A wallet's trades, the latest first, with ids below one. */
  tradesBefore(wallet: string, tradeId: number | undefined, limit: number): WalletPart<Trade> {
    const before = tradeId === undefined ? undefined : [tradeId];
    return this.#trades(wallet, this.#below("trades", wallet, before, limit));
  }

  /** A wallet's trades, the first first, from an id on. */
  tradesFrom(wallet: string, tradeId: number, limit: number): WalletPart<Trade> {
    return this.#trades(wallet, this.#from("trades", wallet, [tradeId], limit));
  }

  /** The ids of a wallet's trades, the first first, from one on. */
  tradeKeys(wallet: string, from: readonly number[], limit: number): (readonly number[])[] {
    return this.#from("trades", wallet, from, limit);
  }

  /** When a wallet's orders finished, and their ids, the first first, from a place on. */
  finishKeys(wallet: string, from: readonly number[], limit: number): (readonly number[])[] {
    return this.#from("finishes", wallet, from, limit);
  }

  /** The first id that no trade from before a `ts` has: trades follow one another in time. */
  firstTradeSince(ts: number): number {
    const { trades, counters } = this.#environment;
    const end = counters.get(COUNTERS_KEY)?.nextTradeId ?? 1;
    let low = 1;
    let high = end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      // Pruned ones are the oldest; from a damaged one on the next that can be read says it.
      const [found] = readableOf(trades.inspect({ start: middle, end: high }));
      if (found === undefined) high = middle;
      else if (found.ts < ts) low = found.tradeId + 1;
      else high = middle;
    }
    if (low < end) return low;
    for (const { ts: waitingTs, tradeId } of this.#waiting?.tradesAfter(end - 1) ?? []) {
      if (waitingTs >= ts) return tradeId;
      low = tradeId + 1;
    }
    return low;
  }

  /** From which `ts` on everything is there of a kind. */
  completeFrom(kind: PrunedKind): number {
    const { pruned } = this.#environment;
    const to = pruned?.get(kind)?.to;
    return to === undefined ? 0 : to + 1;
  }

  #below(
    index: WalletIndexName,
    wallet: string,
    before: readonly number[] | undefined,
    limit: number,
  ): (readonly number[])[] {
    const { wallets, pending } = this.#indexes;
    const written = wallets[index].below(wallet, before, limit);
    const others = pending
      .of(index, wallet)
      .filter((one) => before === undefined || compareNumbers(one, before) < 0);
    return merged(written, others, (a, b) => compareNumbers(b, a), limit);
  }

  #from(
    index: WalletIndexName,
    wallet: string,
    from: readonly number[],
    limit: number,
  ): (readonly number[])[] {
    const { wallets, pending } = this.#indexes;
    const written = wallets[index].from(wallet, from, limit);
    const others = pending.of(index, wallet).filter((one) => compareNumbers(one, from) >= 0);
    return merged(written, others, compareNumbers, limit);
  }

  get #indexes(): {
    readonly wallets: NonNullable<Environment["wallets"]>;
    readonly pending: PendingEntries;
  } {
    const { wallets } = this.#environment;
    const pending = this.#pending;
    if (wallets === undefined || pending === undefined)
      throw new Error("wallet records: there are no indexes here");
    return { wallets, pending };
  }

  #orders(wallet: string, entries: readonly (readonly number[])[]): WalletPart<Order> {
    return part(entries, (id) => {
      const order = this.order(id);
      return order?.wallet === wallet ? order : undefined;
    });
  }

  #trades(wallet: string, entries: readonly (readonly number[])[]): WalletPart<Trade> {
    const { trades } = this.#environment;
    return part(entries, (id) => {
      const trade = this.#waiting?.trade(id) ?? readable(() => trades.get(id));
      const isOwn = trade?.makerWallet === wallet || trade?.takerWallet === wallet;
      return isOwn ? trade : undefined;
    });
  }
}

/** Both in one order, each once: an entry that has just been written may still be pending. */
function merged(
  written: readonly (readonly number[])[],
  pending: readonly (readonly number[])[],
  compare: (a: readonly number[], b: readonly number[]) => number,
  limit: number,
): (readonly number[])[] {
  if (pending.length === 0) return [...written];
  return [...written, ...pending]
    .sort(compare)
    .filter((one, at, all) => at === 0 || compare(one, all[at - 1] as readonly number[]) !== 0)
    .slice(0, limit);
}

function part<T>(
  entries: readonly (readonly number[])[],
  read: (id: number) => T | undefined,
): WalletPart<T> {
  const records = entries.flatMap(([id = 0]) => read(id) ?? []);
  return { records, read: entries.length, last: entries.at(-1) };
}

function readable<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

function* readableOf<T>(records: Iterable<{ readonly value: T | StoreError }>): Generator<T, void> {
  for (const { value } of records) if (!(value instanceof StoreError)) yield value;
}
