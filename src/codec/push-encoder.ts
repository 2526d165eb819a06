import type { MarketUpdateType, ServerMessage } from "../contract/messages.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import type { Book, MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { FrameWriter } from "./frame-writer.js";

/** What the encoders need of a market; prices in ticks, volume in lots. */
export interface MarketView {
  readonly marketId: MarketId;
  readonly title: string;
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
  readonly status: MarketStatus;
  readonly price: number | null;
  readonly bestBid: number | null;
  readonly bestAsk: number | null;
  readonly volume: number;
  readonly stateSeq: number;
  readonly priceSeq: number;
  readonly ts: number;
}

/** What a `PriceUpdate` with sizes needs of a market besides; quantities in lots, null where not known. */
export interface SizedView extends MarketView {
  readonly bidQuantity: number | null;
  readonly askQuantity: number | null;
  readonly sizedSeq: number;
  readonly sizedTs: number;
}

export interface BookView extends Book {
  readonly seq: number;
  readonly ts: number;
  /** Of a `Book` channel. */
  readonly depth?: number | undefined;
  /** Where it was asked for. */
  readonly checksum?: number | undefined;
}

export interface BookUpdateView extends BookView {
  readonly depth: number;
  readonly prevSeq: number;
}

/** What the encoders need of the market of a book. */
export type BookMarket = Pick<MarketView, "marketId" | "priceScale" | "quantityScale">;

export interface TradeView {
  readonly tradeId: string;
  readonly price: number;
  readonly quantity: number;
  readonly takerSide: Side;
  readonly seq: number;
  readonly ts: number;
}

/**
 * Largest `MarketSnapshot` that is one message, in bytes of its payload: common clients take no more
 * than 1 MiB.
 */
export const SNAPSHOT_BYTES_MAX = 256 * 1024;
/** Largest part of a snapshot that is too large for one message. */
export const SNAPSHOT_PART_BYTES_MAX = 32 * 1024;

/**
 * Writes messages into the payload that a {@link FrameWriter} has begun; the frame around it is its
 * caller's. The first six are the hot ones: they go straight from the integers of a market to bytes,
 * without an object in between.
 */
export interface PushEncoder {
  priceUpdate(out: FrameWriter, market: MarketView): void;
  sizedPriceUpdate(out: FrameWriter, market: SizedView): void;
  marketUpdate(out: FrameWriter, market: MarketView, updateType: MarketUpdateType): void;
  orderBook(out: FrameWriter, market: BookMarket, book: BookView): void;
  bookUpdate(out: FrameWriter, market: BookMarket, update: BookUpdateView): void;
  tradeExecution(out: FrameWriter, market: MarketView, trade: TradeView): void;
  /**
   * Writes as many of `markets`, from index `from` on, as fit into a payload of `bytesMax`, one at
   * least, with `more` where some are left. Returns the index of the first that is left.
   */
  marketSnapshot(
    out: FrameWriter,
    markets: readonly MarketView[],
    from: number,
    bytesMax: number,
  ): number;
  message(out: FrameWriter, message: ServerMessage): void;
}
