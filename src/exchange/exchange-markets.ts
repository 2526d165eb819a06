import type { Engine } from "../engine/engine.js";
import type { MarketBounds } from "../engine/market-bounds.js";
import type { MarketTotals, Trade } from "../engine/order.js";
import type { ListedMarket } from "../feed/feed.js";
import type { Publisher } from "../market-data/publisher.js";
import { type Book, createBook, type MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { ExchangeMarket } from "./exchange-market.js";

/** A market of the exchange, listed. */
export interface TradedMarket {
  readonly marketId: MarketId;
  readonly status: MarketStatus;
  readonly listed: ListedMarket;
  readonly priceScale: ListedMarket["priceScale"];
  readonly quantityScale: ListedMarket["quantityScale"];
  /** As a number of the contract. */
  readonly maxPrice: number | undefined;
  readonly bounds: MarketBounds;
  /**
   * The book as it was last published. A copy: the publisher reads it when its interval lets it out,
   * and the engine may be ahead of the disk by then.
   */
  readonly book: Book;
}

/** The exchange's markets, and what is published of them. */
export class ExchangeMarkets {
  readonly #sink: Publisher;
  readonly #bounds: MarketBounds;
  readonly #markets = new Map<MarketId, TradedMarket>();

  /** @param bounds of markets that have none of their own */
  constructor(sink: Publisher, bounds: MarketBounds = {}) {
    this.#sink = sink;
    this.#bounds = bounds;
  }

  /** Lists a market with what trading has made of it so far. Throws FeedInputError. */
  list(market: ExchangeMarket, totals: MarketTotals | undefined): void {
    const { definition, status, maxPrice, bounds = {} } = market;
    const listed = this.#sink.list(definition, status, totals);
    const { marketId, priceScale, quantityScale } = listed;
    this.#markets.set(marketId, {
      marketId,
      status,
      listed,
      priceScale,
      quantityScale,
      maxPrice,
      bounds: {
        priceBandPercent: bounds.priceBandPercent ?? this.#bounds.priceBandPercent,
        maxPosition: bounds.maxPosition ?? this.#bounds.maxPosition,
        maxOrderValue: bounds.maxOrderValue ?? this.#bounds.maxOrderValue,
      },
      book: createBook(this.#sink.bookDepth),
    });
  }

  get(marketId: MarketId): TradedMarket | undefined {
    return this.#markets.get(marketId);
  }

  /** A market that is known to be listed. */
  listed(marketId: MarketId): TradedMarket {
    const market = this.#markets.get(marketId);
    if (market === undefined) throw new Error(`exchange: market ${marketId} is not listed`);
    return market;
  }

  get size(): number {
    return this.#markets.size;
  }

  get all(): Iterable<TradedMarket> {
    return this.#markets.values();
  }

  publishTrade({ marketId, price, quantity, takerSide, tradeId, ts }: Trade): void {
    const { listed } = this.listed(marketId);
    const numbered = { tradeId: String(tradeId), tradeNumber: tradeId };
    this.#sink.storedTrade(listed, { price, quantity, takerSide, ts, ...numbered });
  }

  /** Publishes a market's quote and book as they stand in the engine. */
  publishBook(marketId: MarketId, engine: Pick<Engine, "book">): void {
    const { listed, book, quantityScale } = this.listed(marketId);
    const orders = engine.book(marketId);
    if (orders === undefined) return;
    for (const [side, into] of [
      ["Buy", book.bids],
      ["Sell", book.asks],
    ] as const) {
      orders.levels(side, into);
      // Each order's quantity is exact; the sum of a level need not be, and is told as the largest that is.
      for (let level = 0; level < into.length; level++)
        into.quantity[level] = Math.min(into.quantity[level] as number, quantityScale.countMax);
    }
    const { bids, asks } = book;
    this.#sink.quote(
      listed,
      orders.best("Buy") ?? null,
      orders.best("Sell") ?? null,
      bids.length > 0 ? (bids.quantity[0] ?? null) : null,
      asks.length > 0 ? (asks.quantity[0] ?? null) : null,
    );
    this.#sink.book(listed, book);
  }
}
