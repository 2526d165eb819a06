import { type CounterSection, PRODUCER } from "../counters/counters.js";
import type { FeedTrade, ListedMarket, TradedSoFar } from "../feed/feed.js";
import {
  type BookPlace,
  CHANGE,
  type MarketState,
  PRICE_CHANGES,
  SIZED_CHANGES,
} from "../ring/records.js";
import type { Book, MarketDefinition, MarketStatus } from "../shared/market.js";
import type { CheckedDefinition } from "./feed-checks.js";
import type { MarketWriter } from "./market-writer.js";

/** A trade that is stored already, so that its place is known. */
export interface StoredTrade extends FeedTrade {
  /** Ever upwards. */
  readonly tradeNumber: number;
  /** Not before that of anything told so far. */
  readonly ts: number;
}

/** A market and where its streams stand. */
export interface SequencedMarket extends Omit<ListedMarket, "status">, MarketState {
  readonly definition: MarketDefinition;
  traded: boolean;
  /** Bits of CHANGE that no state record has told yet. */
  pending: number;
  tradeSeq: number;
  readonly bookPlace: BookPlace;
}

/**
 * Gives what happens to markets its place in their streams: what has changed, the next `seq`, the `ts`.
 * It is given checked values only. A state is told once for all that has happened to it since the last
 * one; after a trade, with the next quote or with {@link tellPending}.
 *
 * Invariant: over all streams, no `ts` is less than the one before.
 */
export class Sequencer {
  readonly #writer: MarketWriter;
  readonly #now: () => number;
  readonly #counters: CounterSection;
  #latestTs = 0;
  /** Markets with pending changes that no state record has told. */
  readonly #untold = new Set<SequencedMarket>();

  /** @param now the `ts` of what is told now, never less than before; see PositionClock */
  constructor(writer: MarketWriter, now: () => number, counters: CounterSection) {
    this.#writer = writer;
    this.#now = now;
    this.#counters = counters;
  }

  list(checked: CheckedDefinition, status: MarketStatus, traded: TradedSoFar): SequencedMarket {
    const { definition, title, priceScale, quantityScale } = checked;
    const market: SequencedMarket = {
      definition,
      marketId: definition.marketId,
      priceScale,
      quantityScale,
      slot: this.#writer.listed,
      status,
      changes: CHANGE.created,
      pending: 0,
      stateSeq: 1,
      priceSeq: 0,
      price: traded.lastPrice ?? null,
      bestBid: null,
      bestAsk: null,
      volume: traded.volume,
      ts: this.#stamp(this.#now()),
      traded: traded.lastPrice !== undefined,
      tradeSeq: 0,
      sizedSeq: 0,
      bidQuantity: null,
      askQuantity: null,
      sizedTs: 0,
      bookPlace: { seq: 0, ts: 0, topSeq: 0, topTs: 0 },
    };
    this.#writer.list(definition, title, market);
    return market;
  }

  /** Returns whether anything was told. */
  setStatus(market: SequencedMarket, status: MarketStatus): boolean {
    if (market.status === status) return false;
    market.status = status;
    market.pending |= CHANGE.status;
    this.#tell(market);
    return true;
  }

  /** Best bid and ask in ticks, and their sizes in lots. Returns whether anything was told. */
  quote(
    market: SequencedMarket,
    bestBid: number | null,
    bestAsk: number | null,
    bidQuantity: number | null = null,
    askQuantity: number | null = null,
  ): boolean {
    if (market.bestBid !== bestBid || market.bestAsk !== bestAsk) {
      market.bestBid = bestBid;
      market.bestAsk = bestAsk;
      market.pending |= CHANGE.quote;
      if (!market.traded) movePrice(market, middle(bestBid, bestAsk));
    }
    if (market.bidQuantity !== bidQuantity || market.askQuantity !== askQuantity) {
      market.bidQuantity = bidQuantity;
      market.askQuantity = askQuantity;
      market.pending |= CHANGE.size;
    }
    if (market.pending === 0) return false;
    this.#tell(market);
    return true;
  }

  /**
   * @param id the trade's id as UTF-8
   * @param place the trade's number and `ts`, where it has them already
   */
  trade(
    market: SequencedMarket,
    { price, quantity, takerSide }: FeedTrade,
    id: Uint8Array,
    place?: Pick<StoredTrade, "tradeNumber" | "ts">,
  ): void {
    const { slot } = market;
    const { tradeNumber, ts } = place ?? { tradeNumber: 0, ts: this.#now() };
    this.#stamp(ts);
    const seq = ++market.tradeSeq;
    this.#writer.trade({ slot, seq, price, quantity, takerSide, ts, tradeNumber }, id);
    market.traded = true;
    // No larger one could be told as an exact number.
    market.volume = Math.min(market.volume + quantity, market.quantityScale.countMax);
    if (market.pending === 0) this.#untold.add(market);
    market.pending |= CHANGE.volume;
    movePrice(market, price);
  }

  /** A book that is as the last one was is no news, unless it is the first. Returns whether it was told. */
  book(market: SequencedMarket, book: Book): boolean {
    const { bookPlace: place, slot } = market;
    const difference = place.seq === 0 ? "top" : this.#writer.bookDifference(slot, book);
    if (difference === "none") return false;
    place.seq++;
    place.ts = this.#stamp(this.#now());
    if (difference === "top") {
      place.topSeq++;
      place.topTs = place.ts;
    }
    this.#writer.book(slot, place, book);
    return true;
  }

  /** Tells the states that trades have changed and nothing has told yet. */
  tellPending(): void {
    for (const market of this.#untold) if (market.pending !== 0) this.#tell(market);
    this.#untold.clear();
  }

  #tell(market: SequencedMarket): void {
    market.changes = market.pending;
    market.pending = 0;
    const ts = this.#stamp(this.#now());
    // Sizes are no part of a market's state, nor of a price without them.
    if (market.changes !== CHANGE.size) {
      market.stateSeq++;
      market.ts = ts;
    }
    if ((market.changes & PRICE_CHANGES) !== 0) market.priceSeq++;
    if ((market.changes & SIZED_CHANGES) !== 0) {
      market.sizedSeq++;
      market.sizedTs = ts;
    }
    this.#writer.state(market);
  }

  /** Before the record is written: what the counters say is no less than what anybody can have read. */
  #stamp(ts: number): number {
    if (ts < this.#latestTs)
      throw new Error(`sequencer: ts ${ts} comes after ${this.#latestTs} was told`);
    this.#latestTs = ts;
    this.#counters[PRODUCER.latestTs] = ts;
    return ts;
  }
}

/** The middle of a quote, rounded down to a tick; null where a side is empty. */
function middle(bestBid: number | null, bestAsk: number | null): number | null {
  return bestBid === null || bestAsk === null ? null : Math.floor((bestBid + bestAsk) / 2);
}

function movePrice(market: SequencedMarket, price: number | null): void {
  if (market.price === price) return;
  market.price = price;
  market.pending |= CHANGE.price;
}
