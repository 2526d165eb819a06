import { Buffer } from "node:buffer";
import {
  BOOK_LEVELS_MAX,
  type Book,
  type BookSide,
  DecimalScale,
  FeedInputError,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type MarketDefinition,
  type MarketId,
  type MarketStatus,
  type Side,
} from "../../src/feed/feed.js";

export type Level = readonly [price: number, quantity: number];

/** What a feed published, in the sink's units (ticks and lots). */
export type SinkEvent =
  | { type: "listed"; marketId: MarketId; status: MarketStatus }
  | { type: "status"; marketId: MarketId; status: MarketStatus }
  | {
      type: "price";
      marketId: MarketId;
      price: number | null;
      bestBid: number | null;
      bestAsk: number | null;
      volume: number;
    }
  | {
      type: "trade";
      marketId: MarketId;
      price: number;
      quantity: number;
      takerSide: Side;
      tradeId?: string;
    }
  | { type: "book"; marketId: MarketId; bids: readonly Level[]; asks: readonly Level[] }
  | { type: "reject"; kind: string; message: string; line?: number };

interface MarketRecord extends ListedMarket {
  status: MarketStatus;
  readonly definition: MarketDefinition;
  lastTrade: number | null;
  bestBid: number | null;
  bestAsk: number | null;
  volume: number;
  book: Book | undefined;
  published: string;
  dirty: boolean;
}

/**
 * Keeps the contract of {@link FeedSink} the way a strict publisher does and records what comes
 * out of it. A trade whose quote does not follow in the same turn publishes its price by itself.
 */
export class RecordingSink implements FeedSink {
  readonly events: SinkEvent[] = [];
  readonly #markets = new Map<MarketId, MarketRecord>();
  readonly #onEvent: (event: SinkEvent) => void;
  readonly #titleBytesMax: number;
  readonly #marketsMax: number;

  constructor({
    onEvent,
    titleBytesMax = 64,
    marketsMax = Number.POSITIVE_INFINITY,
  }: {
    /** Takes each event instead of `events`. */
    onEvent?: (event: SinkEvent) => void;
    titleBytesMax?: number;
    marketsMax?: number;
  } = {}) {
    this.#onEvent = onEvent ?? ((event) => this.events.push(event));
    this.#titleBytesMax = titleBytesMax;
    this.#marketsMax = marketsMax;
  }

  list(definition: MarketDefinition, status: MarketStatus = "Active"): ListedMarket {
    const { marketId, title, tickSize, lotSize } = definition;
    const known = this.#markets.get(marketId);
    if (known !== undefined) {
      const same = known.definition;
      if (same.title === title && same.tickSize === tickSize && same.lotSize === lotSize) {
        return known;
      }
      throw new FeedInputError("MARKET_REDEFINED", `market ${marketId} is listed already`);
    }
    const priceScale = DecimalScale.of(tickSize);
    const quantityScale = DecimalScale.of(lotSize);
    if (priceScale === undefined || quantityScale === undefined) {
      throw new FeedInputError("INVALID_DEFINITION", `market ${marketId}: tick or lot size`);
    }
    if (Buffer.byteLength(title) > this.#titleBytesMax) {
      throw new FeedInputError("TITLE_TOO_LONG", `market ${marketId}: ${title}`);
    }
    if (this.#markets.size >= this.#marketsMax) {
      throw new FeedInputError("TABLE_FULL", `market ${marketId}: the table is full`);
    }
    const market: MarketRecord = {
      marketId,
      definition,
      priceScale,
      quantityScale,
      status,
      lastTrade: null,
      bestBid: null,
      bestAsk: null,
      volume: 0,
      book: undefined,
      published: "null null null",
      dirty: false,
    };
    this.#markets.set(marketId, market);
    this.#onEvent({ type: "listed", marketId, status });
    return market;
  }

  find(marketId: MarketId): ListedMarket | undefined {
    return this.#markets.get(marketId);
  }

  setStatus(listed: ListedMarket, status: MarketStatus): void {
    const market = this.#own(listed);
    if (market.status === status) return;
    market.status = status;
    this.#onEvent({ type: "status", marketId: market.marketId, status });
  }

  quote(listed: ListedMarket, bestBid: number | null, bestAsk: number | null): void {
    const market = this.#own(listed);
    requirePrice(market, bestBid);
    requirePrice(market, bestAsk);
    if (bestBid !== null && bestAsk !== null && bestBid >= bestAsk) {
      throw new FeedInputError("INVALID_VALUE", `crossed quote ${bestBid} ${bestAsk}`);
    }
    market.bestBid = bestBid;
    market.bestAsk = bestAsk;
    this.#publish(market);
  }

  trade(listed: ListedMarket, { price, quantity, takerSide, tradeId }: FeedTrade): void {
    const market = this.#own(listed);
    requirePrice(market, price);
    requireQuantity(market, quantity);
    if (tradeId !== undefined && Buffer.byteLength(tradeId) > 64) {
      throw new FeedInputError("INVALID_VALUE", "trade id too long");
    }
    market.lastTrade = price;
    market.volume += quantity;
    const { marketId } = market;
    const id = tradeId === undefined ? {} : { tradeId };
    this.#onEvent({ type: "trade", marketId, price, quantity, takerSide, ...id });
    market.dirty = true;
    queueMicrotask(() => {
      if (market.dirty) this.#publish(market);
    });
  }

  book(listed: ListedMarket, book: Book): void {
    const market = this.#own(listed);
    requireSide(market, book.bids, -1);
    requireSide(market, book.asks, 1);
    const { bids, asks } = book;
    if (bids.length > 0 && asks.length > 0 && Number(bids.price[0]) >= Number(asks.price[0])) {
      throw new FeedInputError("INVALID_VALUE", "crossed book");
    }
    market.book = book;
    const { marketId } = market;
    this.#onEvent({ type: "book", marketId, bids: levels(bids), asks: levels(asks) });
  }

  reject(kind: string, message: string, line?: number): void {
    this.#onEvent({ type: "reject", kind, message, ...(line !== undefined && { line }) });
  }

  /** The book that a publisher would read now, as the feed last passed it. */
  bookOf(marketId: MarketId): Book | undefined {
    return this.#markets.get(marketId)?.book;
  }

  /** The recorded events of one type. */
  of<Type extends SinkEvent["type"]>(type: Type): Extract<SinkEvent, { type: Type }>[] {
    return this.events.filter((event) => event.type === type) as never;
  }

  #own(listed: ListedMarket): MarketRecord {
    const market = this.#markets.get(listed.marketId);
    if (market === undefined || market !== listed) throw new Error("a market of another sink");
    return market;
  }

  #publish(market: MarketRecord): void {
    const { marketId, bestBid, bestAsk, lastTrade, volume } = market;
    market.dirty = false;
    const hasMiddle = bestBid !== null && bestAsk !== null;
    const price = lastTrade ?? (hasMiddle ? Math.floor((bestBid + bestAsk) / 2) : null);
    const state = `${price} ${bestBid} ${bestAsk}`;
    if (state === market.published) return;
    market.published = state;
    this.#onEvent({ type: "price", marketId, price, bestBid, bestAsk, volume });
  }
}

function levels(side: BookSide): Level[] {
  return Array.from({ length: side.length }, (_, i) => [
    side.price[i] as number,
    side.quantity[i] as number,
  ]);
}

function requirePrice(market: ListedMarket, price: number | null): void {
  if (price === null) return;
  if (!Number.isSafeInteger(price) || Math.abs(price) > market.priceScale.countMax) {
    throw new FeedInputError("INVALID_VALUE", `price ${price} is no number of ticks`);
  }
}

function requireQuantity(market: ListedMarket, quantity: number): void {
  if (!Number.isSafeInteger(quantity) || quantity < 1 || quantity > market.quantityScale.countMax) {
    throw new FeedInputError("INVALID_VALUE", `quantity ${quantity} is no number of lots`);
  }
}

function requireSide(market: ListedMarket, side: BookSide, deeper: 1 | -1): void {
  if (side.length > BOOK_LEVELS_MAX) throw new FeedInputError("INVALID_VALUE", "too many levels");
  for (const [i, [price, quantity]] of levels(side).entries()) {
    requirePrice(market, price);
    requireQuantity(market, quantity);
    if (i > 0 && (price - Number(side.price[i - 1])) * deeper <= 0) {
      throw new FeedInputError("INVALID_VALUE", "levels are not sorted best first");
    }
  }
}
