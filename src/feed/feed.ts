import { CodedError } from "../shared/coded-error.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import type { Book, MarketDefinition, MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";

export { DecimalScale } from "../shared/decimal-scale.js";
export {
  BOOK_LEVELS_MAX,
  type Book,
  type BookSide,
  createBook,
  type MarketDefinition,
  type MarketStatus,
  type Side,
} from "../shared/market.js";
export { type MarketId, parseMarketId } from "../shared/market-id.js";

/**
 * Where market data comes from. A feed runs in the producer thread, next to nothing else.
 *
 * A user's own ES module is a feed when it exports a function
 * `createFeed(options: { rate: number, seed: number, markets: number, file?: string }): Feed`.
 */
export interface Feed {
  /**
   * Lists the markets that are known before any data flows. The server reports ready after it, so
   * a client that connects then can subscribe to them. A rejection fails the feed.
   */
  open?(sink: FeedSink): void | Promise<void>;
  /**
   * Publishes until the data ends (it resolves), it fails (it rejects), or `context.signal` aborts.
   * In the first two cases the server stays up and reports itself degraded.
   */
  run(sink: FeedSink, context: FeedContext): Promise<void>;
}

export interface FeedContext {
  /** Aborts when the server stops; `run` should end soon after. */
  readonly signal: AbortSignal;
  /** Resolves when the first client has subscribed to a market-data channel. */
  readonly firstSubscriber: Promise<void>;
}

/** A market the sink has taken: the handle for everything that is published about it. */
export interface ListedMarket {
  readonly marketId: MarketId;
  /** Converts prices between numbers and ticks. */
  readonly priceScale: DecimalScale;
  /** Converts quantities between numbers and lots. */
  readonly quantityScale: DecimalScale;
  readonly status: MarketStatus;
}

export interface TradedSoFar {
  /** In ticks; undefined before any trade. */
  readonly lastPrice: number | undefined;
  /** In lots. */
  readonly volume: number;
}

export interface FeedTrade {
  /** In ticks. */
  readonly price: number;
  /** In lots, positive. */
  readonly quantity: number;
  readonly takerSide: Side;
  /** At most 64 bytes of UTF-8; made up, unique over restarts, where it is missing. */
  readonly tradeId?: string;
}

/**
 * What a feed publishes into. Every call is synchronous and cheap; prices are integers in ticks,
 * quantities integers in lots (see {@link ListedMarket}). Values that break a rule throw
 * {@link FeedInputError} and publish nothing.
 */
export interface FeedSink {
  /**
   * Lists a market, or returns it where the same definition is listed already.
   * Throws FeedInputError: TITLE_TOO_LONG, TABLE_FULL, INVALID_DEFINITION, MARKET_REDEFINED.
   * @param traded what trading has made of the market before now; by default nothing
   */
  list(definition: MarketDefinition, status?: MarketStatus, traded?: TradedSoFar): ListedMarket;
  /** The market listed under an id, in its canonical form. */
  find(marketId: MarketId): ListedMarket | undefined;
  setStatus(market: ListedMarket, status: MarketStatus): void;
  /**
   * Sets best bid and best ask (null: that side is empty) and publishes the market's state at once:
   * one `PriceUpdate` if price, bid or ask differ from the last one published. Nothing changed,
   * nothing is published.
   * @param bidQuantity the size of the best bid in lots; null, as by default, where it is not known
   */
  quote(
    market: ListedMarket,
    bestBid: number | null,
    bestAsk: number | null,
    bidQuantity?: number | null,
    askQuantity?: number | null,
  ): void;
  /**
   * Publishes a trade and moves the market's last price and volume. The new state goes out with the
   * next `quote` of the market, or by itself at the end of the current turn. `trade` is read at once,
   * so one object may serve for many.
   */
  trade(market: ListedMarket, trade: FeedTrade): void;
  /**
   * Says that the market's book changed. `book` is read when the book interval lets it out (at once
   * or within that interval), so either keep the one object up to date or pass a new one each time.
   * Its levels are best first, no price twice; of up to 200 a side the server keeps `--book-depth`.
   */
  book(market: ListedMarket, book: Book): void;
  /**
   * Counts input that could not be used; the first of each `kind` is logged.
   * @param line 1-based line or record number of the input, where there is one
   */
  reject(kind: string, message: string, line?: number): void;
}

export type FeedInputErrorCode =
  | "TITLE_TOO_LONG"
  | "TABLE_FULL"
  | "INVALID_DEFINITION"
  | "MARKET_REDEFINED"
  | "INVALID_VALUE";

/** Thrown by a {@link FeedSink} for a value that breaks a rule; the message names both. */
export class FeedInputError extends CodedError<FeedInputErrorCode> {}
