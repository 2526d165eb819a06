import type { BookView, SizedView } from "../../../codec/push-encoder.js";
import type { MarketUpdateType } from "../../../contract/messages.js";
import { type BookState, CHANGE, type MarketState, PRICE_CHANGES } from "../../../ring/records.js";
import { DecimalScale } from "../../../shared/decimal-scale.js";
import {
  createBook,
  type MarketDefinition,
  type MarketStatus,
  TOP_BOOK_LEVELS,
} from "../../../shared/market.js";
import type { MarketId } from "../../../shared/market-id.js";
import { firstLevels } from "./book-difference.js";

/**
 * A shard's copy of a market, standing at the shard's ring cursor, with the round in which each of
 * its parts changed last: what a connection that stopped at an earlier round has missed follows from
 * a comparison.
 */
export class MirrorMarket implements SizedView, MarketState {
  readonly slot: number;
  readonly marketId: MarketId;
  readonly title: string;
  readonly titleInLowerCase: string;
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;

  status: MarketStatus = "Active";
  changes = 0;
  stateSeq = 0;
  priceSeq = 0;
  price: number | null = null;
  bestBid: number | null = null;
  bestAsk: number | null = null;
  volume = 0;
  ts = 0;
  sizedSeq = 0;
  bidQuantity: number | null = null;
  askQuantity: number | null = null;
  sizedTs = 0;

  /** Positions on their rings of the newest records read, where `stateSeq`, the book's and `tradeSeq` are not 0. */
  statePosition = 0;
  bookPosition = 0;
  tradePosition = 0;
  tradeSeq = 0;

  createdRound = 0;
  statusRound = 0;
  priceRound = 0;
  stateRound = 0;
  sizedRound = 0;
  topBookRound = 0;

  /** Made with the market's first book. */
  #book: BookState | undefined;

  readonly #definition: MarketDefinition;
  readonly #bookDepth: number;
  /** The first levels of the book, for `Market` channels. */
  #topBook: BookView | undefined;

  /** @param bookDepth levels a side that are kept of its book */
  constructor(slot: number, definition: MarketDefinition, bookDepth = TOP_BOOK_LEVELS) {
    this.#definition = definition;
    this.#bookDepth = bookDepth;
    this.slot = slot;
    this.marketId = definition.marketId;
    this.title = definition.title;
    this.titleInLowerCase = definition.title.toLowerCase();
    this.priceScale = scaleOf(definition.tickSize);
    this.quantityScale = scaleOf(definition.lotSize);
  }

  /** Whether there is anything that a `PriceUpdate` could say. */
  get hasQuote(): boolean {
    return this.priceSeq > 0;
  }

  get book(): BookView | undefined {
    return this.#book;
  }

  get topBook(): BookView | undefined {
    return this.#topBook;
  }

  /** The book to read a record into. */
  ownBook(): BookState {
    this.#book ??= { ...createBook(this.#bookDepth), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
    return this.#book;
  }

  /** A record was read into the book; returns whether its first levels have changed. */
  bookRead(round: number): boolean {
    const { topSeq: seq, topTs: ts, ...book } = this.ownBook();
    if (seq === (this.#topBook?.seq ?? 0)) return false;
    this.#topBook = { ...firstLevels(book, TOP_BOOK_LEVELS), seq, ts };
    this.topBookRound = round;
    return true;
  }

  /** The market as it is now, without its book. */
  copy(): MirrorMarket {
    return Object.assign(new MirrorMarket(this.slot, this.#definition, this.#bookDepth), this);
  }

  /** Notes `changes` to the state, bits of CHANGE, as made in `round`. */
  changed(changes: number, round: number): void {
    this.stateRound = round;
    if ((changes & CHANGE.created) !== 0) this.createdRound = round;
    if ((changes & CHANGE.status) !== 0) this.statusRound = round;
    if ((changes & PRICE_CHANGES) !== 0) this.priceRound = round;
  }

  /** The update type that tells everything since a round: the first that applies. */
  updateTypeSince(round: number): MarketUpdateType {
    if (this.createdRound > round) return "Created";
    if (this.statusRound > round) return "Status";
    return this.priceRound > round ? "Price" : "Volume";
  }
}

/** The update type of one state record: the first that applies. */
export function updateTypeOf(changes: number): MarketUpdateType {
  if ((changes & CHANGE.created) !== 0) return "Created";
  if ((changes & CHANGE.status) !== 0) return "Status";
  return (changes & PRICE_CHANGES) !== 0 ? "Price" : "Volume";
}

function scaleOf(step: number): DecimalScale {
  const scale = DecimalScale.of(step);
  if (scale === undefined) throw new Error(`mirror: step ${step} was listed and is no decimal`);
  return scale;
}
