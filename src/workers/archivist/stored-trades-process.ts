import type { Environment } from "../../store/environment.js";
import { untilComplete } from "../../store/open-complete.js";
import { reasonOf, StoreError } from "../../store/store-error.js";
import { reopen } from "../../store/store-file.js";
import type { StoredTrade, TradesAnswer, TradesRequest } from "./stored-trades.js";

/*
 * A process that reads trades of the exchange's store for an archivist, and ends with it: some at a time,
 * the next when it is told to go on.
 */

const TRADES_PER_ANSWER = 1000;

let answers: AsyncGenerator<TradesAnswer, void> | undefined;

process.on("disconnect", () => process.exit());
process.on("message", (message: TradesRequest | "more") => {
  if (message !== "more") answers = answersTo(message);
  void answer();
});

async function answer(): Promise<void> {
  try {
    const next = await answers?.next();
    tell(next?.value ?? { type: "done" });
  } catch (error) {
    tell({ type: "failed", reason: reasonOf(error) });
  }
}

function tell(answer: TradesAnswer): void {
  process.send?.(answer);
}

async function* answersTo({ dir, from, to }: TradesRequest): AsyncGenerator<TradesAnswer, void> {
  const environment = reopen(dir, { readOnly: true });
  try {
    // What was told is in the journal, and a moment later in the trees.
    await untilComplete(environment, dir);
    const markets = new Map((await environment.markets.all()).map((one) => [one.marketId, one]));
    for (let start = from; start <= to; ) {
      const some = read(environment, start, to);
      // What is kept for a reader cannot be used again by who writes.
      environment.endReads();
      if (some.length === 0) return;
      const trades: StoredTrade[] = some.flatMap(({ value }) => {
        const market = value instanceof StoreError ? undefined : markets.get(value.marketId);
        return value instanceof StoreError || market === undefined
          ? []
          : [{ trade: value, market }];
      });
      yield { type: "trades", trades };
      start = (some.at(-1)?.key ?? to) + 1;
    }
  } finally {
    await environment.close();
  }
}

function read({ trades }: Environment, start: number, to: number) {
  return [...trades.inspect({ start, end: to + 1, limit: TRADES_PER_ANSWER })];
}
