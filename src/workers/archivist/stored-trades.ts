import type { Trade } from "../../engine/order.js";
import type { Environment } from "../../store/environment.js";
import type { StoredMarket } from "../../store/records.js";
import { StoreError } from "../../store/store-error.js";
import { reopen } from "../../store/store-file.js";

/** Trades that are read at once. */
const TRADES_PER_READ = 1000;

/**
 * The exchange's trades from one number up to another, some at a time, with their markets; those that
 * have been pruned, or are damaged, are left out. For a producer of this process that has opened the
 * store and looked through it: the two share LMDB's environment, and it is closed again when done.
 */
export async function* storedTrades(
  dir: string,
  from: number,
  to: number,
): AsyncGenerator<readonly { readonly trade: Trade; readonly market: StoredMarket }[], void> {
  const environment = reopen(dir);
  try {
    const markets = new Map((await environment.markets.all()).map((one) => [one.marketId, one]));
    for (let start = from; start <= to; ) {
      const some = read(environment, start, to);
      if (some.length === 0) return;
      yield some.flatMap(({ value }) => {
        const market = value instanceof StoreError ? undefined : markets.get(value.marketId);
        return value instanceof StoreError || market === undefined
          ? []
          : [{ trade: value, market }];
      });
      start = (some.at(-1)?.key ?? to) + 1;
      environment.endReads();
    }
  } finally {
    await environment.close();
  }
}

function read({ trades }: Environment, start: number, to: number) {
  return [...trades.inspect({ start, end: to + 1, limit: TRADES_PER_READ })];
}
