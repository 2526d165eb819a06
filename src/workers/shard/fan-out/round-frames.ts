import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { ENCODING_TABLE } from "../../../codec/encodings.js";
import { FRAME, FrameWriter } from "../../../codec/frame-writer.js";
import type { BookView, PushEncoder, TradeView } from "../../../codec/push-encoder.js";
import type { MarketUpdateType, ServerMessage } from "../../../contract/messages.js";
import { requireWordsFor } from "../../../counters/counters.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { MirrorMarket } from "./mirror-market.js";

/** Where a frame lies in the buffer of its encoding. */
interface Frame {
  readonly start: number;
  readonly end: number;
}

/** A frame of a market, known again by market and sequence number; stale in any other round. */
interface CachedFrame extends Frame {
  round: number;
  /** Slots are given anew with every producer. */
  market: MirrorMarket | undefined;
  seq: number;
  updateType: MarketUpdateType | undefined;
  start: number;
  end: number;
}

/** Cached frames of one stream, by slot. */
class SlotFrames {
  readonly #frames: (CachedFrame | undefined)[] = [];

  at(slot: number): CachedFrame {
    const known = this.#frames[slot];
    if (known !== undefined) return known;
    // Without holes, whatever the order in which slots are asked for.
    while (this.#frames.length < slot) this.#frames.push(undefined);
    const frame: CachedFrame = {
      round: -1,
      market: undefined,
      seq: 0,
      updateType: undefined,
      start: 0,
      end: 0,
    };
    this.#frames[slot] = frame;
    return frame;
  }
}

/** The frames of one encoding. */
class EncodingFrames {
  readonly writer = new FrameWriter();
  readonly prices = new SlotFrames();
  readonly sizedPrices = new SlotFrames();
  readonly states = new SlotFrames();
  readonly books = new SlotFrames();
  readonly trade = { start: 0, end: 0 };
  /** The trade that `trade` is the frame of. */
  traded: TradeView | undefined;
  readonly encoder;
  readonly #opcode: number;

  constructor({ encoder, frames }: EncodingDescriptor) {
    this.encoder = encoder;
    this.#opcode = FRAME[frames];
  }

  /** Ends the frame that was begun, and notes where it lies. */
  end(frame: { start: number; end: number }): void {
    frame.start = this.writer.end(this.#opcode);
    frame.end = this.writer.position;
  }
}

/**
 * The frames of one round, each encoded when it is wanted first and at most once per encoding. A
 * frame is a stretch of its encoding's buffer, good until the next round begins.
 */
export class RoundFrames {
  readonly #encodings: readonly EncodingFrames[];
  #round = 0;

  /** @param encodings in the order of their indices */
  constructor(encodings: readonly EncodingDescriptor[] = ENCODING_TABLE) {
    requireWordsFor(encodings);
    this.#encodings = encodings.map((encoding) => new EncodingFrames(encoding));
  }

  begin(round: number): void {
    this.#round = round;
    for (const frames of this.#encodings) {
      frames.writer.reset();
      frames.traded = undefined;
    }
  }

  /** The buffer that the frames of an encoding lie in; another one after more were encoded. */
  bytes(encoding: number): Buffer {
    return this.#of(encoding).writer.bytes;
  }

  price(market: MirrorMarket, encoding: number): Frame {
    const frames = this.#of(encoding);
    const frame = frames.prices.at(market.slot);
    const { priceSeq } = market;
    if (frame.round === this.#round && frame.seq === priceSeq && frame.market === market)
      return frame;
    this.#note(frame, market, priceSeq);
    frames.writer.begin();
    frames.encoder.priceUpdate(frames.writer, market);
    frames.end(frame);
    return frame;
  }

  state(market: MirrorMarket, encoding: number, updateType: MarketUpdateType): Frame {
    const frames = this.#of(encoding);
    const frame = frames.states.at(market.slot);
    const { stateSeq } = market;
    if (
      frame.round === this.#round &&
      frame.seq === stateSeq &&
      frame.updateType === updateType &&
      frame.market === market
    )
      return frame;
    this.#note(frame, market, stateSeq);
    frame.updateType = updateType;
    frames.writer.begin();
    frames.encoder.marketUpdate(frames.writer, market, updateType);
    frames.end(frame);
    return frame;
  }

  book(market: MirrorMarket, book: BookView, encoding: number): Frame {
    const frames = this.#of(encoding);
    const frame = frames.books.at(market.slot);
    if (frame.round === this.#round && frame.seq === book.seq && frame.market === market)
      return frame;
    this.#note(frame, market, book.seq);
    frames.writer.begin();
    frames.encoder.orderBook(frames.writer, market, book);
    frames.end(frame);
    return frame;
  }

  sizedPrice(market: MirrorMarket, encoding: number): Frame {
    const frames = this.#of(encoding);
    const frame = frames.sizedPrices.at(market.slot);
    const { sizedSeq } = market;
    if (frame.round === this.#round && frame.seq === sizedSeq && frame.market === market)
      return frame;
    this.#note(frame, market, sizedSeq);
    frames.writer.begin();
    frames.encoder.sizedPriceUpdate(frames.writer, market);
    frames.end(frame);
    return frame;
  }

  /** A frame that is not asked for twice, with what `write` puts into it. */
  make(encoding: number, write: (out: FrameWriter, encoder: PushEncoder) => void): Frame {
    const frames = this.#of(encoding);
    const frame = { start: 0, end: 0 };
    frames.writer.begin();
    write(frames.writer, frames.encoder);
    frames.end(frame);
    return frame;
  }

  /** Trades come one after the other, so the frame of the one at hand is all that is remembered. */
  trade(market: MirrorMarket, trade: TradeView, encoding: number): Frame {
    const frames = this.#of(encoding);
    if (frames.traded === trade) return frames.trade;
    frames.traded = trade;
    frames.writer.begin();
    frames.encoder.tradeExecution(frames.writer, market, trade);
    frames.end(frames.trade);
    return frames.trade;
  }

  /** Any message as a frame, in a buffer of its own. */
  batchOf(message: ServerMessage, encoding: number): FrameBatch {
    const { start, end } = this.message(message, encoding);
    const bytes = Buffer.allocUnsafeSlow(end - start);
    this.bytes(encoding).copy(bytes, 0, start, end);
    return { bytes, messages: 1 };
  }

  /** Any message, which its caller remembers. */
  message(message: ServerMessage, encoding: number): Frame {
    const frames = this.#of(encoding);
    const frame = { start: 0, end: 0 };
    frames.writer.begin();
    frames.encoder.message(frames.writer, message);
    frames.end(frame);
    return frame;
  }

  #note(frame: CachedFrame, market: MirrorMarket, seq: number): void {
    frame.round = this.#round;
    frame.market = market;
    frame.seq = seq;
  }

  #of(encoding: number): EncodingFrames {
    const frames = this.#encodings[encoding];
    if (frames === undefined)
      throw new Error(`round frames: encoding ${encoding} of ${this.#encodings.length}`);
    return frames;
  }
}
