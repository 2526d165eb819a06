import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Trade } from "../../engine/order.js";
import type { StoredMarket } from "../../store/records.js";

const PROCESS = fileURLToPath(new URL("./stored-trades-process.js", import.meta.url));
/** How long the other process may take for some trades, its start included, in ms. */
const ANSWER_MS_MAX = 30_000;

/** A trade of the exchange and its market. */
export interface StoredTrade {
  readonly trade: Trade;
  readonly market: StoredMarket;
}

/** The exchange's trades from one number up to another, in their order, some at a time. */
export type StoredTrades = (from: number, to: number) => AsyncIterable<readonly StoredTrade[]>;

/** What the other process is asked for. */
export interface TradesRequest {
  readonly dir: string;
  readonly from: number;
  readonly to: number;
}

/** Its answer to each message that it is sent; the last one is `done`. */
export type TradesAnswer =
  | { readonly type: "trades"; readonly trades: readonly StoredTrade[] }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly reason: string };

/**
 * Reads a store that a producer of this process has opened, and looked through, in a process of its own:
 * LMDB opens a file once for all threads of a process, so a reader among them would keep a broken
 * environment open while the producer opens the store anew. Trades that have been pruned, or are damaged,
 * are left out. Rejects where the store cannot be read.
 */
export function storedTradesOf(dir: string): StoredTrades {
  return async function* storedTrades(from, to) {
    const child = fork(PROCESS, [], {
      // Its heap has nothing to do with that of the server, nor with who looks into it.
      execArgv: [],
      env: {},
      serialization: "advanced",
      stdio: "ignore",
    });
    try {
      child.send({ dir, from, to } satisfies TradesRequest);
      for (;;) {
        const answer = await answerOf(child);
        if (answer.type === "failed") throw new Error(answer.reason);
        if (answer.type === "done") return;
        yield answer.trades;
        child.send("more");
      }
    } finally {
      child.kill("SIGKILL");
    }
  };
}

async function answerOf(child: ChildProcess): Promise<TradesAnswer> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_MS_MAX);
  const ended = once(child, "exit", abort).then(([code]) => {
    throw new Error(`the process that reads the store ended with ${code}`);
  });
  ended.catch(() => undefined);
  try {
    const [answer] = await Promise.race([once(child, "message", abort), ended]);
    return answer as TradesAnswer;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
