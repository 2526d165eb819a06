import type { Trade } from "marketcast/client";

/** Most trades that are kept. */
export const TRADES_MAX = 100;

/**
 * The last trades of a market, joined from history and from the channel. A trade that both have is one.
 *
 * Invariant: the latest is first, no two have the same id, and they are at most `TRADES_MAX`.
 */
export class TradeLog {
  #trades: Trade[] = [];

  get trades(): readonly Trade[] {
    return this.#trades;
  }

  /** Takes in a trade of the channel, which comes once and after all before it. */
  put(trade: Trade): void {
    this.#trades.unshift(trade);
    if (this.#trades.length > TRADES_MAX) this.#trades.length = TRADES_MAX;
  }

  /**
   * Takes in the newest trades of history, newest first. Where they are as many as are kept, older ones that
   * are known go: between those and these some may be missing.
   */
  merge(page: readonly Trade[]): void {
    const inPage = new Set(page.map(({ trade_id }) => trade_id));
    const others = this.#trades.filter(({ trade_id }) => !inPage.has(trade_id));
    // The sort is stable: of the same moment, what history does not have yet is the later one.
    const all = [...others, ...page].sort((a, b) => b.ts - a.ts);
    this.#trades = all.slice(0, TRADES_MAX);
  }
}
