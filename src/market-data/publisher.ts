import { type CounterSection, count, PRODUCER } from "../counters/counters.js";
import {
  FeedInputError,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type TradedSoFar,
} from "../feed/feed.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Book, MarketDefinition, MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { BookThrottle } from "./book-throttle.js";
import {
  type CheckedDefinition,
  checkBook,
  checkDefinition,
  checkPrice,
  checkQuantity,
  checkSame,
  checkStatus,
  checkTakerSide,
  checkTitle,
  checkTraded,
  checkTradeId,
} from "./feed-checks.js";
import { MarketWriter } from "./market-writer.js";
import { type SequencedMarket, Sequencer, type StoredTrade } from "./sequencer.js";

export interface PublisherOptions {
  readonly bookIntervalMs: number;
  /** The `ts` of what is told now, never less than before; see PositionClock. */
  readonly now: () => number;
  /** From which `ts` on there is nothing that another producer has told; by default all there is. */
  readonly firstTs?: () => number;
  /** Runs a task once the current turn's work is done. */
  readonly defer: (task: () => void) => void;
  readonly setTimer: (task: () => void, delayMs: number) => void;
  readonly reject: (kind: string, message: string, line: number | undefined) => void;
}

const UNTRADED: TradedSoFar = { lastPrice: undefined, volume: 0 };

/**
 * What feeds and the exchange publish into: each value is checked, given its place by the
 * {@link Sequencer}, a book at the pace of the {@link BookThrottle}, and written by the
 * {@link MarketWriter}. Records become visible once per turn of the feed: {@link flush}.
 */
export class Publisher implements FeedSink {
  readonly #writer: MarketWriter;
  readonly #sequencer: Sequencer;
  readonly #throttle: BookThrottle<SequencedMarket>;
  readonly #epoch: string;
  readonly #counters: CounterSection;
  readonly #options: PublisherOptions;
  readonly #markets = new Map<MarketId, SequencedMarket>();
  #flushDue = false;
  #begun = false;
  #tradesMade = 0;

  constructor(memory: MarketMemory, counters: CounterSection, options: PublisherOptions) {
    const { bookIntervalMs, now, setTimer } = options;
    this.#writer = new MarketWriter(memory, counters);
    this.#sequencer = new Sequencer(this.#writer, now, counters);
    this.#throttle = new BookThrottle({
      intervalMs: bookIntervalMs,
      now,
      setTimer,
      release: (market, book) => this.#publishWaitingBook(market, book),
    });
    this.#epoch = memory.epoch;
    this.#counters = counters;
    this.#options = options;
  }

  /**
   * Says where a feed's numbers of trades stood before this epoch, so that its successor knows it too.
   * To be called before anything is published.
   */
  continueTrades(lastTrade: number): void {
    this.#writer.continueTrades(lastTrade);
  }

  list(
    definition: MarketDefinition,
    status: MarketStatus = "Active",
    traded: TradedSoFar = UNTRADED,
  ): ListedMarket {
    try {
      return this.#list(definition, status, traded);
    } catch (error) {
      if (error instanceof FeedInputError) count(this.#counters, PRODUCER.definitionsRefused);
      throw error;
    }
  }

  /** Throws FeedInputError where {@link list} would, of a market that is not listed. */
  checkListing(definition: MarketDefinition): void {
    this.#checkNew(checkDefinition(definition));
  }

  find(marketId: MarketId): ListedMarket | undefined {
    return this.#markets.get(marketId);
  }

  setStatus(market: ListedMarket, status: MarketStatus): void {
    checkStatus(market.marketId, status);
    if (this.#sequencer.setStatus(market as SequencedMarket, status)) this.#flushLater();
  }

  /** Levels a side that are kept of a book. */
  get bookDepth(): number {
    return this.#writer.bookDepth;
  }

  quote(
    market: ListedMarket,
    bestBid: number | null,
    bestAsk: number | null,
    bidQuantity: number | null = null,
    askQuantity: number | null = null,
  ): void {
    const own = market as SequencedMarket;
    if (bestBid !== null && bestBid !== own.bestBid) checkPrice(own, bestBid, "best bid");
    if (bestAsk !== null && bestAsk !== own.bestAsk) checkPrice(own, bestAsk, "best ask");
    if (bidQuantity !== null && bidQuantity !== own.bidQuantity) checkQuantity(own, bidQuantity);
    if (askQuantity !== null && askQuantity !== own.askQuantity) checkQuantity(own, askQuantity);
    if (this.#sequencer.quote(own, bestBid, bestAsk, bidQuantity, askQuantity)) this.#flushLater();
  }

  trade(market: ListedMarket, trade: FeedTrade): void {
    this.#trade(market, trade);
  }

  /** Publishes a trade as it is stored: with its number and its `ts`. */
  storedTrade(market: ListedMarket, trade: StoredTrade): void {
    this.#trade(market, trade, trade);
  }

  book(market: ListedMarket, book: Book): void {
    const own = market as SequencedMarket;
    // It is checked when it is let out, at the latest.
    if (this.#throttle.holds(own, book)) return;
    checkBook(own, book);
    if (this.#throttle.admit(own, book)) this.#publishBook(own, book);
  }

  reject(kind: string, message: string, line?: number): void {
    count(this.#counters, PRODUCER.rejected);
    this.#options.reject(kind, message, line);
  }

  /** Makes all that was published visible and wakes the readers that wait for it. */
  flush(): void {
    this.#begin();
    this.#sequencer.tellPending();
    this.#writer.publish();
    this.#flushDue = false;
  }

  /** Before anything is told: says from when on all of it is here. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#writer.completeFrom(this.#options.firstTs?.() ?? 0);
  }

  #list(given: MarketDefinition, status: MarketStatus, traded: TradedSoFar): ListedMarket {
    const checked = checkDefinition(given);
    const { definition } = checked;
    const { marketId } = definition;
    const listed = this.#markets.get(marketId);
    if (listed !== undefined) {
      checkSame(listed.definition, definition);
      return listed;
    }
    checkStatus(marketId, status);
    checkTraded(checked, traded);
    const title = this.#checkNew(checked);
    this.#begin();
    const market = this.#sequencer.list({ ...checked, title }, status, traded);
    this.#markets.set(marketId, market);
    this.#flushLater();
    return market;
  }

  /** Whether there is room for a market; returns its title as UTF-8. */
  #checkNew({ definition: { marketId, title } }: Omit<CheckedDefinition, "title">): Uint8Array {
    const { capacity, titleBytesMax, listed } = this.#writer;
    const bytes = checkTitle(marketId, title, titleBytesMax);
    if (listed < capacity) return bytes;
    throw new FeedInputError(
      "TABLE_FULL",
      `market ${marketId}: the table is full with ${capacity} markets`,
    );
  }

  #trade(market: ListedMarket, trade: FeedTrade, place?: StoredTrade): void {
    checkPrice(market, trade.price, "trade price");
    checkQuantity(market, trade.quantity);
    checkTakerSide(market, trade.takerSide);
    const { tradeId = `${this.#epoch}-${++this.#tradesMade}` } = trade;
    const id = checkTradeId(market, tradeId);
    this.#sequencer.trade(market as SequencedMarket, trade, id, place);
    this.#flushLater();
  }

  /** The feed may have changed the book since it was checked, and nobody would catch the error. */
  #publishWaitingBook(market: SequencedMarket, book: Book): boolean {
    try {
      checkBook(market, book);
    } catch (error) {
      this.reject("INVALID_VALUE", (error as Error).message);
      return false;
    }
    this.#publishBook(market, book);
    return true;
  }

  #publishBook(market: SequencedMarket, book: Book): void {
    if (this.#sequencer.book(market, book)) this.#flushLater();
  }

  #flushLater(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    this.#options.defer(() => this.flush());
  }
}
