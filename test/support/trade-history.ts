import type { Trade } from "../../src/contract/messages.js";

const PAGE = 1000;

interface Page {
  readonly trades: readonly Trade[];
  readonly next?: string;
}

async function fetchPage(port: number, market: number, query: string): Promise<Page> {
  const url = `http://127.0.0.1:${port}/v3/markets/${market}/trades?${query}`;
  return (await (await fetch(url)).json()) as Page;
}

/** The last trade of a market that a node's history has. */
export async function latestTrade(port: number, market: number): Promise<Trade | undefined> {
  return (await fetchPage(port, market, "limit=1")).trades[0];
}

/** Ids of a market's trades from one to another one, oldest first. */
export async function tradeIdsBetween(
  port: number,
  market: number,
  first: string,
  last: Trade,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let before: string | undefined; ; ) {
    const query = `limit=${PAGE}&to=${last.ts + 1}${before === undefined ? "" : `&before=${before}`}`;
    const { trades, next } = await fetchPage(port, market, query);
    for (const { trade_id } of trades) {
      ids.push(trade_id);
      if (trade_id === first) return ids.slice(ids.indexOf(last.trade_id)).reverse();
    }
    if (next === undefined) throw new Error(`history does not have trade ${first}`);
    before = next;
  }
}
