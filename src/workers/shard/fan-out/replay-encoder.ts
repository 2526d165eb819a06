import type { HistoryTrade } from "../../../archive/archive-reader.js";
import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { encodingAt } from "../../../codec/encodings.js";
import { FRAME, FrameWriter } from "../../../codec/frame-writer.js";
import type { SizedView } from "../../../codec/push-encoder.js";
import type { HistoryReader } from "../../../ring/history-reader.js";
import {
  type BookState,
  CHANGE,
  type MarketState,
  PRICE_CHANGES,
  readBook,
  readSlot,
  readState,
  readTrade,
  SIZED_CHANGES,
} from "../../../ring/records.js";
import { createBook, TOP_BOOK_LEVELS } from "../../../shared/market.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import { toldTrade } from "./archived-trades.js";
import { firstLevels } from "./book-difference.js";
import { withTerms } from "./merged-stream.js";
import type { Mirror } from "./mirror.js";
import { type MirrorMarket, updateTypeOf } from "./mirror-market.js";
import type { StreamName } from "./replay-streams.js";

/** Bits of CHANGE of which a state must have one to be told in a stream. */
export const TOLD_BY = {
  price: PRICE_CHANGES,
  sized: SIZED_CHANGES,
  // Sizes are no part of a market's state.
  state: ~CHANGE.size,
} as const;

/** A market as a state record tells of it. */
type StateView = SizedView & MarketState;

/** Makes frames of records that are read again: one piece at a time. */
export class ReplayEncoder {
  readonly #encodings: readonly EncodingDescriptor[];
  readonly #writer = new FrameWriter();
  #book: BookState | undefined;
  #messages = 0;

  /** @param encodings in the order of their indices */
  constructor(encodings: readonly EncodingDescriptor[]) {
    this.#encodings = encodings;
  }

  /** Bytes of the piece so far. */
  get bytes(): number {
    return this.#writer.position;
  }

  begin(): void {
    this.#writer.reset();
    this.#messages = 0;
  }

  /** The piece, in memory of its own. */
  take(): FrameBatch {
    return { bytes: this.#writer.copy(), messages: this.#messages };
  }

  #bookOf({ memory }: Mirror): BookState {
    const { bookDepth } = memory.table;
    if ((this.#book?.bids.price.length ?? 0) < bookDepth)
      this.#book = { ...createBook(bookDepth), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
    return this.#book as BookState;
  }

  /** Adds what the record just read says of a stream, which may be nothing. */
  add({ kind, terms }: StreamName, reader: HistoryReader, mirror: Mirror, encoding: number): void {
    const { words, offset } = reader;
    const { encoder, frames } = encodingAt(this.#encodings, encoding);
    const market = mirror.markets[readSlot(words, offset)];
    if (market === undefined) throw new Error("replay: a record of a market that is not listed");
    const out = this.#writer;
    if (kind === "trade") {
      out.begin();
      encoder.tradeExecution(out, market, readTrade(words, offset));
    } else if (kind === "levels") {
      if (terms === undefined) throw new Error("replay: levels without their terms");
      const book = this.#bookOf(mirror);
      readBook(words, offset, book);
      out.begin();
      encoder.orderBook(out, market, withTerms(book, terms));
    } else if (kind === "book") {
      const book = this.#bookOf(mirror);
      readBook(words, offset, book);
      // Only levels beyond the first ones have changed.
      if (book.topTs !== book.ts) return;
      const first = firstLevels(book, TOP_BOOK_LEVELS);
      out.begin();
      encoder.orderBook(out, market, { ...first, seq: book.topSeq, ts: book.topTs });
    } else {
      const state = stateView(market);
      readState(words, offset, state);
      if ((state.changes & TOLD_BY[kind]) === 0) return;
      out.begin();
      if (kind === "price") encoder.priceUpdate(out, state);
      else if (kind === "sized") encoder.sizedPriceUpdate(out, state);
      else encoder.marketUpdate(out, state, updateTypeOf(state.changes));
    }
    out.end(FRAME[frames]);
    this.#messages++;
  }

  /** Adds a trade of the archive. @param epoch the present one */
  addArchived(trade: HistoryTrade, epoch: string, encoding: number): void {
    const { encoder, frames } = encodingAt(this.#encodings, encoding);
    const out = this.#writer;
    out.begin();
    const data = { trade: toldTrade(trade, epoch) };
    encoder.message(out, { type: "TradeExecution", data });
    out.end(FRAME[frames]);
    this.#messages++;
  }
}

function stateView({ slot, marketId, title, priceScale, quantityScale }: MirrorMarket): StateView {
  return {
    slot,
    marketId,
    title,
    priceScale,
    quantityScale,
    status: "Active",
    changes: 0,
    stateSeq: 0,
    priceSeq: 0,
    price: null,
    bestBid: null,
    bestAsk: null,
    volume: 0,
    ts: 0,
    sizedSeq: 0,
    bidQuantity: null,
    askQuantity: null,
    sizedTs: 0,
  };
}
