import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { encodingAt } from "../../../codec/encodings.js";
import { FRAME, FrameWriter } from "../../../codec/frame-writer.js";
import type { MarketView } from "../../../codec/push-encoder.js";
import type { HistoryReader } from "../../../ring/history-reader.js";
import {
  type BookState,
  CHANGE,
  type MarketState,
  readBook,
  readSlot,
  readState,
  readTrade,
} from "../../../ring/records.js";
import { createBook } from "../../../shared/market.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Mirror } from "./mirror.js";
import { type MirrorMarket, updateTypeOf } from "./mirror-market.js";
import type { StreamKind } from "./replay-streams.js";

/** A market as a state record tells of it. */
type StateView = MarketView & MarketState;

/** Makes frames of records that are read again: one piece at a time. */
export class ReplayEncoder {
  readonly #encodings: readonly EncodingDescriptor[];
  readonly #writer = new FrameWriter();
  readonly #book: BookState = { ...createBook(), seq: 0, ts: 0 };
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

  /** Adds what the record just read says, as a message of a stream; a state without a price says nothing of it. */
  add(kind: StreamKind, reader: HistoryReader, mirror: Mirror, encoding: number): void {
    const { words, offset } = reader;
    const { encoder, frames } = encodingAt(this.#encodings, encoding);
    const market = mirror.markets[readSlot(words, offset)];
    if (market === undefined) throw new Error("replay: a record of a market that is not listed");
    const out = this.#writer;
    if (kind === "trade") {
      out.begin();
      encoder.tradeExecution(out, market, readTrade(words, offset));
    } else if (kind === "book") {
      readBook(words, offset, this.#book);
      out.begin();
      encoder.orderBook(out, market, this.#book);
    } else {
      const state = stateView(market);
      readState(words, offset, state);
      if (kind === "price" && (state.changes & (CHANGE.price | CHANGE.quote)) === 0) return;
      out.begin();
      if (kind === "price") encoder.priceUpdate(out, state);
      else encoder.marketUpdate(out, state, updateTypeOf(state.changes));
    }
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
  };
}
