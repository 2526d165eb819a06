import { jsonEncoder } from "../../../codec/encodings/json/json-encoder.js";
import { messagePackEncoder } from "../../../codec/encodings/messagepack/messagepack-encoder.js";
import { FrameWriter } from "../../../codec/frame-writer.js";
import type { BookView, PushEncoder, TradeView } from "../../../codec/push-encoder.js";
import type { UpdateType } from "../../../contract/server-messages-schema.js";
import type { CachedFrame, MirrorMarket } from "./mirror-market.js";

/** Encoders in the order of ENCODINGS. */
export const ENCODERS: readonly PushEncoder[] = [jsonEncoder, messagePackEncoder];

interface TradeFrame {
  trade: TradeView | undefined;
  start: number;
  end: number;
}

/**
 * The frames of one round, each encoded when it is wanted first and at most once per encoding. A
 * frame is a stretch of its encoding's buffer, good until the next round begins.
 */
export class RoundFrames {
  readonly #writers = ENCODERS.map(() => new FrameWriter());
  readonly #trades: readonly TradeFrame[] = ENCODERS.map(() => ({
    trade: undefined,
    start: 0,
    end: 0,
  }));
  #round = 0;

  begin(round: number): void {
    this.#round = round;
    for (const writer of this.#writers) writer.reset();
    for (const frame of this.#trades) frame.trade = undefined;
  }

  /** The buffer that the frames of an encoding lie in; another one after more were encoded. */
  bytes(encoding: number): Buffer {
    return this.#writer(encoding).bytes;
  }

  price(market: MirrorMarket, encoding: number): CachedFrame {
    const frame = market.priceFrames[encoding] as CachedFrame;
    if (frame.round === this.#round && frame.seq === market.priceSeq) return frame;
    frame.seq = market.priceSeq;
    return this.#encoded(
      frame,
      encoding,
      encoder(encoding).priceUpdate(this.#writer(encoding), market),
    );
  }

  state(market: MirrorMarket, encoding: number, updateType: UpdateType): CachedFrame {
    const frame = market.stateFrames[encoding] as CachedFrame;
    const { stateSeq } = market;
    if (frame.round === this.#round && frame.seq === stateSeq && frame.updateType === updateType)
      return frame;
    frame.seq = stateSeq;
    frame.updateType = updateType;
    const start = encoder(encoding).marketUpdate(this.#writer(encoding), market, updateType);
    return this.#encoded(frame, encoding, start);
  }

  book(market: MirrorMarket, book: BookView, encoding: number): CachedFrame {
    const frame = market.bookFrames[encoding] as CachedFrame;
    if (frame.round === this.#round && frame.seq === book.seq) return frame;
    frame.seq = book.seq;
    return this.#encoded(
      frame,
      encoding,
      encoder(encoding).orderBook(this.#writer(encoding), market, book),
    );
  }

  /** Trades come one after the other, so the frame of the one at hand is all that is remembered. */
  trade(
    market: MirrorMarket,
    trade: TradeView,
    encoding: number,
  ): { readonly start: number; readonly end: number } {
    const frame = this.#trades[encoding] as TradeFrame;
    if (frame.trade === trade) return frame;
    const writer = this.#writer(encoding);
    frame.trade = trade;
    frame.start = encoder(encoding).tradeExecution(writer, market, trade);
    frame.end = writer.position;
    return frame;
  }

  #encoded(frame: CachedFrame, encoding: number, start: number): CachedFrame {
    frame.round = this.#round;
    frame.start = start;
    frame.end = this.#writer(encoding).position;
    return frame;
  }

  #writer(encoding: number): FrameWriter {
    return this.#writers[encoding] as FrameWriter;
  }
}

function encoder(encoding: number): PushEncoder {
  return ENCODERS[encoding] as PushEncoder;
}
