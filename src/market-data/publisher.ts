import { type CounterSection, count, PRODUCER } from "../counters/counters.js";
import {
  FeedInputError,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type TradedSoFar,
} from "../feed/feed.js";
import { BroadcastTransmitter } from "../ring/broadcast-transmitter.js";
import { RECORD } from "../ring/layout.js";
import type { MarketMemory } from "../ring/market-memory.js";
import { MarketTableWriter } from "../ring/market-table.js";
import {
  bookBytes,
  CHANGE,
  definitionBytes,
  type MarketState,
  STATE_BYTES,
  TRADE_ID_BYTES_MAX,
  tradeBytes,
  utf8,
  writeBook,
  writeDefinition,
  writeState,
  writeTrade,
} from "../ring/records.js";
import { DecimalScale } from "../shared/decimal-scale.js";
import {
  BOOK_LEVELS_MAX,
  type Book,
  type BookSide,
  type MarketDefinition,
  type MarketStatus,
} from "../shared/market.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { type TextKind, textFault } from "../shared/text.js";

export interface PublisherOptions {
  readonly bookIntervalMs: number;
  /** The time in microseconds; see nowMicros. */
  readonly now: () => number;
  /** Runs a task once the current turn's work is done. */
  readonly defer: (task: () => void) => void;
  readonly setTimer: (task: () => void, delayMs: number) => void;
  readonly reject: (kind: string, message: string, line: number | undefined) => void;
}

/** A trade of a feed that numbers its trades, ever upwards. */
export interface NumberedTrade extends FeedTrade {
  readonly tradeNumber?: number;
}

const UNTRADED: TradedSoFar = { lastPrice: undefined, volume: 0 };

/** A market and where its streams stand. */
interface PublishedMarket extends Omit<ListedMarket, "status">, MarketState {
  readonly definition: MarketDefinition;
  traded: boolean;
  /** Bits of CHANGE that no state record has told yet. */
  pending: number;
  tradeSeq: number;
  bookSeq: number;
  /** The book that waits for its interval to pass, if any. */
  bookWaiting: Book | undefined;
  bookPublishedAt: number;
}

/**
 * The single writer of ring and table: turns what a feed says into sequenced records.
 *
 * Each record goes into the table before the ring's tail moves past it, so a reader that starts at
 * the tail finds in the table at least what lies before it. Records become visible, and readers are
 * woken, once per turn of the feed: {@link flush}.
 */
export class Publisher implements FeedSink {
  readonly #ring: BroadcastTransmitter;
  readonly #trades: BroadcastTransmitter;
  readonly #table: MarketTableWriter;
  readonly #doorbell: Int32Array;
  readonly #epoch: string;
  readonly #counters: CounterSection;
  readonly #options: PublisherOptions;
  readonly #markets = new Map<MarketId, PublishedMarket>();
  /** Markets with pending changes that no state record has told. */
  readonly #untold: PublishedMarket[] = [];
  #flushDue = false;
  #tradesMade = 0;
  /** The number of the newest trade, where the feed numbers them; 0 where it does not. */
  #lastTrade = 0;

  constructor(memory: MarketMemory, counters: CounterSection, options: PublisherOptions) {
    this.#ring = new BroadcastTransmitter(memory.ring);
    this.#trades = new BroadcastTransmitter(memory.tradeRing);
    this.#table = new MarketTableWriter(memory.table);
    this.#doorbell = new Int32Array(memory.doorbell);
    this.#epoch = memory.epoch;
    this.#counters = counters;
    this.#options = options;
  }

  /**
   * Says where a feed's numbers of trades stood before this epoch, so that its successor knows it too.
   * To be called before anything is published.
   */
  continueTrades(lastTrade: number): void {
    this.#lastTrade = lastTrade;
    this.#trades.begin(lastTrade);
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

  find(marketId: MarketId): ListedMarket | undefined {
    return this.#markets.get(marketId);
  }

  setStatus(market: ListedMarket, status: MarketStatus): void {
    const own = market as PublishedMarket;
    if (own.status === status) return;
    own.status = status;
    own.pending |= CHANGE.status;
    this.#tell(own);
  }

  quote(market: ListedMarket, bestBid: number | null, bestAsk: number | null): void {
    const own = market as PublishedMarket;
    if (own.bestBid !== bestBid || own.bestAsk !== bestAsk) {
      if (bestBid !== null) checkPrice(own, bestBid, "best bid");
      if (bestAsk !== null) checkPrice(own, bestAsk, "best ask");
      own.bestBid = bestBid;
      own.bestAsk = bestAsk;
      own.pending |= CHANGE.quote;
      if (!own.traded) movePrice(own, middle(bestBid, bestAsk));
    }
    if (own.pending !== 0) this.#tell(own);
  }

  trade(market: ListedMarket, trade: NumberedTrade): void {
    const own = market as PublishedMarket;
    checkPrice(own, trade.price, "trade price");
    checkQuantity(own, trade.quantity);
    const { tradeId = `${this.#epoch}-${++this.#tradesMade}` } = trade;
    checkText(own.marketId, "trade id", "name", tradeId);
    const id = utf8(tradeId);
    if (id.length === 0 || id.length > TRADE_ID_BYTES_MAX) {
      throw new FeedInputError(
        "INVALID_VALUE",
        `market ${own.marketId}: trade id of ${id.length} bytes; 1 to ${TRADE_ID_BYTES_MAX} are allowed`,
      );
    }
    const { slot } = own;
    const { price, quantity, takerSide } = trade;
    const record = {
      slot,
      seq: ++own.tradeSeq,
      price,
      quantity,
      takerSide,
      ts: this.#options.now(),
    };
    writeTrade(
      this.#trades.words,
      this.#trades.claim(RECORD.trade, tradeBytes(id.length)),
      record,
      id,
    );
    this.#lastTrade = trade.tradeNumber ?? 0;
    count(this.#counters, PRODUCER.tradeRecords);
    own.traded = true;
    // No larger one could be told as an exact number.
    own.volume = Math.min(own.volume + quantity, own.quantityScale.countMax);
    if (own.pending === 0) this.#untold.push(own);
    own.pending |= CHANGE.volume;
    movePrice(own, price);
    this.#flushLater();
  }

  book(market: ListedMarket, book: Book): void {
    const own = market as PublishedMarket;
    // It is checked when it is let out, at the latest.
    if (own.bookWaiting === book) return;
    checkBook(own, book);
    const waiting = own.bookWaiting !== undefined;
    own.bookWaiting = book;
    if (waiting) return;
    const intervalMicros = this.#options.bookIntervalMs * 1000;
    // The clock may be set back; a book waits for no longer than the interval all the same.
    const due = Math.min(
      intervalMicros,
      own.bookPublishedAt + intervalMicros - this.#options.now(),
    );
    if (due <= 0) this.#publishBook(own);
    else this.#options.setTimer(() => this.#publishWaitingBook(own), Math.ceil(due / 1000));
  }

  reject(kind: string, message: string, line?: number): void {
    count(this.#counters, PRODUCER.rejected);
    this.#options.reject(kind, message, line);
  }

  /** Makes all that was published visible and wakes the readers that wait for it. */
  flush(): void {
    // What is told in here goes out with this flush and needs no other.
    this.#flushDue = true;
    for (const market of this.#untold) if (market.pending !== 0) this.#tell(market);
    this.#untold.length = 0;
    this.#ring.publish();
    this.#trades.publish(this.#lastTrade);
    this.#counters[PRODUCER.ringRecordNumber] = this.#ring.recordNumber;
    this.#flushDue = false;
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  #list(definition: MarketDefinition, status: MarketStatus, traded: TradedSoFar): ListedMarket {
    const marketId = parseMarketId(definition.marketId);
    const priceScale = DecimalScale.of(definition.tickSize);
    const quantityScale = DecimalScale.of(definition.lotSize);
    if (marketId === undefined || priceScale === undefined || quantityScale === undefined) {
      const { tickSize, lotSize } = definition;
      throw new FeedInputError(
        "INVALID_DEFINITION",
        `market ${definition.marketId}: the id must be an integer from 0 to 2^128-1, tick size (${tickSize}) ` +
          `and lot size (${lotSize}) positive decimals`,
      );
    }
    const listed = this.#markets.get(marketId);
    if (listed !== undefined) return sameOrThrow(listed, definition);
    checkText(marketId, "title", "line", definition.title);
    const title = utf8(definition.title);
    if (title.length > this.#table.titleBytesMax) {
      throw new FeedInputError(
        "TITLE_TOO_LONG",
        `market ${marketId}: title of ${title.length} bytes; at most ${this.#table.titleBytesMax} are allowed`,
      );
    }
    if (this.#table.listed === this.#table.capacity) {
      throw new FeedInputError(
        "TABLE_FULL",
        `market ${marketId}: the table is full with ${this.#table.capacity} markets`,
      );
    }
    const market: PublishedMarket = {
      definition: { ...definition, marketId },
      marketId,
      priceScale,
      quantityScale,
      slot: this.#table.listed,
      status,
      changes: CHANGE.created,
      pending: 0,
      stateSeq: 1,
      priceSeq: 0,
      price: traded.lastPrice ?? null,
      bestBid: null,
      bestAsk: null,
      volume: traded.volume,
      ts: this.#options.now(),
      traded: traded.lastPrice !== undefined,
      tradeSeq: 0,
      bookSeq: 0,
      bookWaiting: undefined,
      bookPublishedAt: Number.NEGATIVE_INFINITY,
    };
    this.#markets.set(marketId, market);
    this.#table.list(market.definition, title, market);
    const offset = this.#ring.claim(RECORD.definition, definitionBytes(title.length));
    writeDefinition(this.#ring.words, offset, market.slot, market.definition, title);
    count(this.#counters, PRODUCER.ringRecords);
    this.#writeStateRecord(market);
    count(this.#counters, PRODUCER.markets);
    return market;
  }

  /** Publishes a market's state with all that is pending, as the next of its states. */
  #tell(market: PublishedMarket): void {
    market.changes = market.pending;
    market.pending = 0;
    market.stateSeq++;
    if ((market.changes & (CHANGE.price | CHANGE.quote)) !== 0) market.priceSeq++;
    market.ts = this.#options.now();
    this.#table.writeState(market);
    this.#writeStateRecord(market);
  }

  #writeStateRecord(market: PublishedMarket): void {
    writeState(this.#ring.words, this.#ring.claim(RECORD.state, STATE_BYTES), market);
    count(this.#counters, PRODUCER.ringRecords);
    this.#flushLater();
  }

  /** The feed may have changed the book since it was checked, and nobody would catch the error. */
  #publishWaitingBook(market: PublishedMarket): void {
    try {
      if (market.bookWaiting !== undefined) checkBook(market, market.bookWaiting);
      this.#publishBook(market);
    } catch (error) {
      market.bookWaiting = undefined;
      this.reject("INVALID_VALUE", (error as Error).message);
    }
  }

  #publishBook(market: PublishedMarket): void {
    const book = market.bookWaiting;
    if (book === undefined) return;
    market.bookWaiting = undefined;
    const ts = this.#options.now();
    market.bookPublishedAt = ts;
    const { slot } = market;
    const seq = ++market.bookSeq;
    this.#table.writeBook(slot, seq, ts, book);
    writeBook(
      this.#ring.words,
      this.#ring.claim(RECORD.book, bookBytes(book)),
      slot,
      seq,
      ts,
      book,
    );
    count(this.#counters, PRODUCER.ringRecords);
    this.#flushLater();
  }

  #flushLater(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    this.#options.defer(() => this.flush());
  }
}

/** The middle of a quote, rounded down to a tick; null where a side is empty. */
function middle(bestBid: number | null, bestAsk: number | null): number | null {
  return bestBid === null || bestAsk === null ? null : Math.floor((bestBid + bestAsk) / 2);
}

function movePrice(market: PublishedMarket, price: number | null): void {
  if (market.price === price) return;
  market.price = price;
  market.pending |= CHANGE.price;
}

/** A feed may be anybody's module. */
function checkText(marketId: MarketId, what: string, kind: TextKind, text: string): void {
  const fault = textFault(kind, text);
  if (fault === undefined) return;
  const code = what === "title" ? "INVALID_DEFINITION" : "INVALID_VALUE";
  throw new FeedInputError(code, `market ${marketId}: ${what} ${fault}`);
}

function checkPrice(market: PublishedMarket, ticks: number, what: string): void {
  if (Number.isInteger(ticks) && Math.abs(ticks) <= market.priceScale.countMax) return;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${market.marketId}: ${what} ${ticks} is no count of ticks`,
  );
}

function checkQuantity(market: PublishedMarket, lots: number): void {
  if (Number.isInteger(lots) && lots > 0 && lots <= market.quantityScale.countMax) return;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${market.marketId}: quantity ${lots} is no positive count of lots`,
  );
}

function checkBook(market: PublishedMarket, book: Book): void {
  checkSide(market, book.bids);
  checkSide(market, book.asks);
}

function checkSide(market: PublishedMarket, side: BookSide): void {
  if (!(side.length >= 0 && side.length <= BOOK_LEVELS_MAX)) {
    throw new FeedInputError(
      "INVALID_VALUE",
      `market ${market.marketId}: ${side.length} book levels a side; at most ${BOOK_LEVELS_MAX} are allowed`,
    );
  }
  for (let level = 0; level < side.length; level++) {
    checkPrice(market, side.price[level] as number, "book price");
    checkQuantity(market, side.quantity[level] as number);
  }
}

function sameOrThrow(listed: PublishedMarket, definition: MarketDefinition): ListedMarket {
  const { title, tickSize, lotSize } = listed.definition;
  if (
    title === definition.title &&
    tickSize === definition.tickSize &&
    lotSize === definition.lotSize
  ) {
    return listed;
  }
  throw new FeedInputError(
    "MARKET_REDEFINED",
    `market ${listed.marketId} is listed with title ${JSON.stringify(title)}, tick size ${tickSize} and lot size ` +
      `${lotSize}, which cannot change`,
  );
}
