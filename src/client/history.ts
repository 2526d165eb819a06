import type { Candle, Fill, MarketId, Order, OrderStatus, Trade } from "../contract/messages.js";
import type { RequestOptions } from "./options.js";

/** Which trades, of which the newest come first. */
export interface TradeQuery {
  readonly market_id: MarketId;
  /** From this `ts` on, in microseconds. */
  readonly from?: number;
  /** Before this `ts`, in microseconds. */
  readonly to?: number;
  /** Most trades in all; without it, all there are. */
  readonly limit?: number;
}

/** Which candles, of which the newest come first; closed ones only. */
export interface CandleQuery extends TradeQuery {
  readonly interval: "1s" | "1m" | "5m" | "15m" | "1h" | "1d";
}

/** Which of a wallet's orders or fills, of which the newest come first. */
interface WalletQuery {
  /** By default the token's; another one for the role `admin`. */
  readonly wallet?: string;
  readonly market_id?: MarketId;
  /** Most items in all; without it, all there are. */
  readonly limit?: number;
}

export interface OrderQuery extends WalletQuery {
  /** Of this status, or of one of these. */
  readonly status?: OrderStatus | readonly OrderStatus[];
}

export interface FillQuery extends WalletQuery {
  /** Of this order only. */
  readonly order_id?: string;
}

/** Items of a history, one after the other, asked for page by page as they are taken. */
export interface HistoryItems<Item> extends AsyncIterable<Item> {
  /** The same by pages of up to so many items, by default 1,000, which is the most; none of them is empty. */
  pages(itemsMax?: number): AsyncIterableIterator<readonly Item[]>;
}

/**
 * What was told before. Each page is a request like any other: it waits for a connection, is paced, sent
 * again where the connection breaks, and rejects with the same errors.
 */
export interface History {
  trades(query: TradeQuery, options?: RequestOptions): HistoryItems<Trade>;
  candles(query: CandleQuery, options?: RequestOptions): HistoryItems<Candle>;
  /** Orders that are open, and finished ones as long as the server keeps them. */
  orders(query?: OrderQuery, options?: RequestOptions): HistoryItems<Order>;
  fills(query?: FillQuery, options?: RequestOptions): HistoryItems<Fill>;
}
