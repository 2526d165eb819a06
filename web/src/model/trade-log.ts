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

  /** Takes in the newest trades of history, newest first; the latest of all may not be among them yet. */
  merge(page: readonly Trade[]): void {
    const inPage = new Set(page.map(({ trade_id }) => trade_id));
    const known = this.#trades;
    // Where both have one, all above it came later. The time alone would not tell, as many may have the same.
    const common = known.findIndex(({ trade_id }) => inPage.has(trade_id));
    const newest = page[0]?.ts ?? 0;
    const isLater = ({ ts }: Trade, index: number): boolean =>
      common < 0 ? ts >= newest : index < common;
    const others = known.filter(({ trade_id }) => !inPage.has(trade_id));
    const later = others.filter(isLater);
    this.#trades = [...later, ...page, ...others.slice(later.length)].slice(0, TRADES_MAX);
  }
}
