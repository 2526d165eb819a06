import { type PublicationRecord, publicationTexts } from "../ring/publication-record.js";
import type { BookState, MarketState, TradeRecord } from "../ring/records.js";
import {
  BOOK_LEVELS_MAX,
  type BookSide,
  createBook,
  MARKET_STATUSES,
  type MarketDefinition,
  type MarketStatus,
  SIDES,
  type Side,
} from "../shared/market.js";
import { fromBigInt } from "../shared/market-id.js";
import { type ByteReader, type ByteWriter, PackedBytesError } from "./packed-bytes.js";

/*
 * Records of an entry. Each begins with a byte, its type in the lower four bits; c is a count, s a signed number
 * (packed-bytes.ts), and what is written as a - b is the difference.
 *
 *   1 listing   id 16 bytes │ tick size f64 │ lot size f64 │ title bytes c, UTF-8 │ trade seq c │ as a state
 *   2 state     slot c │ status 2 bits + absent 5 bits │ changes byte │ state seq c │ state seq - price seq s
 *               │ sized seq - price seq s │ entry's ts - ts s │ ts - sized ts s, unless bit 4: they are the same,
 *               or bit 5: it is 0 │ price c │ bid - price s │ ask - bid s │ volume c │ bid, ask quantity c
 *   3 book      slot c │ levels of bids c, of asks c │ seq c │ seq - top seq s │ entry's ts - ts s
 *               │ ts - top ts s │ of each level: price - the one before s, quantity c
 *   4 trade     slot c │ seq c │ number c │ price c │ quantity c │ entry's ts - ts s
 *               │ id bytes c, UTF-8, unless bit 5: it is the number; bit 4: the side is Sell
 *   5 complete  ts c: from then on all that was told lies at the origin
 *   6 published bytes of the channel c, of the user c and one more, or 0 for nobody, of the data c │ seq c
 *               │ entry's ts - ts s │ channel, user, data, UTF-8
 *   7 told      ts c: all that was published earlier is in this entry or those before
 *
 * An absent number is not written; what is a difference to it is one to 0.
 */

const TYPE = {
  listing: 1,
  state: 2,
  book: 3,
  trade: 4,
  completeFrom: 5,
  publication: 6,
  publishedTo: 7,
} as const;
const TYPE_MASK = 0x0f;
const SIZED_SAME = 0x10;
const SIZED_ZERO = 0x20;
const SELL = 0x10;
const NUMBER_ID = 0x20;
const ABSENT_SHIFT = 2;
const ABSENT = { price: 1, bestBid: 2, bestAsk: 4, bidQuantity: 8, askQuantity: 16 } as const;
const ID_BYTES = 16;
const TEXT_BYTES_MAX = 4096;
const DATA_BYTES_MAX = 64 * 1024;

/** A book and its place; the levels that count are those of its lengths. */
export type BookPlaced = BookState;

/** A trade, and its number among all trades; 0 where they have none. */
export interface TradeNumbered extends TradeRecord {
  tradeNumber: number;
}

/** What is called for each record. */
export interface RecordSink {
  listing(definition: MarketDefinition, state: MarketState, tradeSeq: number): void;
  state(state: MarketState): void;
  book(slot: number, book: BookPlaced): void;
  trade(trade: TradeNumbered): void;
  completeFrom(ts: number): void;
  publication(publication: PublicationRecord): void;
  publishedTo(ts: number): void;
}

/** Writes records of an entry. */
export class RecordWriter {
  readonly #out: ByteWriter;
  #ts = 0;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  begin(ts: number): void {
    this.#ts = ts;
  }

  listing(definition: MarketDefinition, state: MarketState, tradeSeq: number): void {
    const out = this.#out;
    const title = Buffer.from(definition.title);
    const id = BigInt(definition.marketId);
    const idBytes = Buffer.alloc(ID_BYTES);
    idBytes.writeBigUInt64LE(BigInt.asUintN(64, id), 0);
    idBytes.writeBigUInt64LE(id >> 64n, 8);
    out.byte(TYPE.listing | sizedFlags(state));
    out.raw(idBytes);
    out.f64(definition.tickSize);
    out.f64(definition.lotSize);
    out.count(title.length);
    out.raw(title);
    out.count(tradeSeq);
    this.#state(state);
  }

  state(state: MarketState): void {
    this.#out.byte(TYPE.state | sizedFlags(state));
    this.#state(state);
  }

  #state(state: MarketState): void {
    const out = this.#out;
    const { price, bestBid, bestAsk, bidQuantity, askQuantity, ts } = state;
    const absent =
      (price === null ? ABSENT.price : 0) |
      (bestBid === null ? ABSENT.bestBid : 0) |
      (bestAsk === null ? ABSENT.bestAsk : 0) |
      (bidQuantity === null ? ABSENT.bidQuantity : 0) |
      (askQuantity === null ? ABSENT.askQuantity : 0);
    out.count(state.slot);
    out.byte(MARKET_STATUSES.indexOf(state.status) | (absent << ABSENT_SHIFT));
    out.byte(state.changes);
    out.count(state.stateSeq);
    out.signed(state.stateSeq - state.priceSeq);
    out.signed(state.sizedSeq - state.priceSeq);
    out.signed(this.#ts - ts);
    if (sizedFlags(state) === 0) out.signed(ts - state.sizedTs);
    if (price !== null) out.count(price);
    if (bestBid !== null) out.signed(bestBid - (price ?? 0));
    if (bestAsk !== null) out.signed(bestAsk - (bestBid ?? 0));
    out.count(state.volume);
    if (bidQuantity !== null) out.count(bidQuantity);
    if (askQuantity !== null) out.count(askQuantity);
  }

  book(slot: number, { seq, ts, topSeq, topTs, bids, asks }: BookPlaced): void {
    const out = this.#out;
    out.byte(TYPE.book);
    out.count(slot);
    out.count(bids.length);
    out.count(asks.length);
    out.count(seq);
    out.signed(seq - topSeq);
    out.signed(this.#ts - ts);
    out.signed(ts - topTs);
    this.#levels(bids, 0);
    this.#levels(asks, bids.length === 0 ? 0 : (bids.price[0] as number));
  }

  #levels({ price, quantity, length }: BookSide, from: number): void {
    let before = from;
    for (let level = 0; level < length; level++) {
      const at = price[level] as number;
      this.#out.signed(at - before);
      this.#out.count(quantity[level] as number);
      before = at;
    }
  }

  trade({ slot, seq, tradeNumber, price, quantity, takerSide, ts, tradeId }: TradeNumbered): void {
    const out = this.#out;
    const isNumber = tradeId === String(tradeNumber);
    out.byte(TYPE.trade | (takerSide === "Sell" ? SELL : 0) | (isNumber ? NUMBER_ID : 0));
    out.count(slot);
    out.count(seq);
    out.count(tradeNumber);
    out.count(price);
    out.count(quantity);
    out.signed(this.#ts - ts);
    if (isNumber) return;
    const id = Buffer.from(tradeId);
    out.count(id.length);
    out.raw(id);
  }

  completeFrom(ts: number): void {
    this.#out.byte(TYPE.completeFrom);
    this.#out.count(ts);
  }

  publication({ channel, userId, data, seq, ts }: PublicationRecord): void {
    const out = this.#out;
    const texts = publicationTexts(channel, userId, data);
    const { user } = texts;
    out.byte(TYPE.publication);
    out.count(texts.channel.length);
    out.count(user === undefined ? 0 : user.length + 1);
    out.count(texts.data.length);
    out.count(seq);
    out.signed(this.#ts - ts);
    out.raw(texts.channel);
    if (user !== undefined) out.raw(user);
    out.raw(texts.data);
  }

  publishedTo(ts: number): void {
    this.#out.byte(TYPE.publishedTo);
    this.#out.count(ts);
  }
}

function sizedFlags({ ts, sizedTs }: MarketState): number {
  if (sizedTs === 0) return SIZED_ZERO;
  return sizedTs === ts ? SIZED_SAME : 0;
}

/** Reads records of an entry; throws PackedBytesError for what is none. */
export class RecordReader {
  readonly #from: ByteReader;
  readonly #ts: number;
  readonly #state: MarketState;
  #book: BookPlaced | undefined;

  constructor(from: ByteReader, ts: number) {
    this.#from = from;
    this.#ts = ts;
    this.#state = emptyState();
  }

  /** Reads the next record and calls the sink. */
  next(sink: RecordSink): void {
    const from = this.#from;
    const head = from.byte();
    switch (head & TYPE_MASK) {
      case TYPE.listing: {
        const definition = this.#definition();
        const tradeSeq = from.count();
        return sink.listing(definition, this.#readState(head), tradeSeq);
      }
      case TYPE.state:
        return sink.state(this.#readState(head));
      case TYPE.book:
        return sink.book(from.count(), this.#readBook());
      case TYPE.trade:
        return sink.trade(this.#readTrade(head));
      case TYPE.completeFrom:
        return sink.completeFrom(from.count());
      case TYPE.publication:
        return sink.publication(this.#readPublication());
      case TYPE.publishedTo:
        return sink.publishedTo(from.count());
      default:
        throw new PackedBytesError(`a record has type ${head & TYPE_MASK}`);
    }
  }

  /** To be called behind the last record. */
  end(): void {
    if (this.#from.left > 0)
      throw new PackedBytesError(`${this.#from.left} bytes are behind the last record`);
  }

  #definition(): MarketDefinition {
    const from = this.#from;
    const id = from.raw(ID_BYTES);
    const marketId = fromBigInt((id.readBigUInt64LE(8) << 64n) | id.readBigUInt64LE(0));
    const tickSize = from.f64();
    const lotSize = from.f64();
    return { marketId, tickSize, lotSize, title: this.#text() };
  }

  #text(): string {
    return this.#textOf(this.#from.count(), TEXT_BYTES_MAX);
  }

  #textOf(bytes: number, most: number): string {
    if (bytes > most) throw new PackedBytesError(`a text has ${bytes} bytes`);
    return this.#from.raw(bytes).toString();
  }

  #readPublication(): PublicationRecord {
    const from = this.#from;
    const [channelBytes, userBytes, dataBytes] = [from.count(), from.count(), from.count()];
    const seq = from.count();
    const ts = this.#ts - from.signed();
    const channel = this.#textOf(channelBytes, TEXT_BYTES_MAX);
    const userId = userBytes === 0 ? undefined : this.#textOf(userBytes - 1, TEXT_BYTES_MAX);
    return { channel, userId, data: this.#textOf(dataBytes, DATA_BYTES_MAX), seq, ts };
  }

  #readState(head: number): MarketState {
    const from = this.#from;
    const state = this.#state;
    state.slot = from.count();
    const statusAndAbsent = from.byte();
    const absent = statusAndAbsent >>> ABSENT_SHIFT;
    const status: MarketStatus | undefined = MARKET_STATUSES[statusAndAbsent & 3];
    if (status === undefined) throw new PackedBytesError("a state has no known status");
    state.status = status;
    state.changes = from.byte();
    state.stateSeq = from.count();
    state.priceSeq = state.stateSeq - from.signed();
    state.sizedSeq = state.priceSeq + from.signed();
    state.ts = this.#ts - from.signed();
    if ((head & SIZED_SAME) !== 0) state.sizedTs = state.ts;
    else state.sizedTs = (head & SIZED_ZERO) !== 0 ? 0 : state.ts - from.signed();
    state.price = (absent & ABSENT.price) !== 0 ? null : from.count();
    state.bestBid = (absent & ABSENT.bestBid) !== 0 ? null : (state.price ?? 0) + from.signed();
    state.bestAsk = (absent & ABSENT.bestAsk) !== 0 ? null : (state.bestBid ?? 0) + from.signed();
    state.volume = from.count();
    state.bidQuantity = (absent & ABSENT.bidQuantity) !== 0 ? null : from.count();
    state.askQuantity = (absent & ABSENT.askQuantity) !== 0 ? null : from.count();
    return state;
  }

  #readBook(): BookPlaced {
    const from = this.#from;
    const bids = from.count();
    const asks = from.count();
    if (bids > BOOK_LEVELS_MAX || asks > BOOK_LEVELS_MAX)
      throw new PackedBytesError(`a book has ${bids} and ${asks} levels`);
    this.#book ??= { ...createBook(), seq: 0, ts: 0, topSeq: 0, topTs: 0 };
    const book = this.#book;
    book.seq = from.count();
    book.topSeq = book.seq - from.signed();
    book.ts = this.#ts - from.signed();
    book.topTs = book.ts - from.signed();
    this.#levels(book.bids, bids, 0);
    this.#levels(book.asks, asks, bids === 0 ? 0 : (book.bids.price[0] as number));
    return book;
  }

  #levels(side: BookSide, levels: number, before: number): void {
    side.length = levels;
    let price = before;
    for (let level = 0; level < levels; level++) {
      price += this.#from.signed();
      side.price[level] = price;
      side.quantity[level] = this.#from.count();
    }
  }

  #readTrade(head: number): TradeNumbered {
    const from = this.#from;
    const takerSide: Side = SIDES[(head & SELL) === 0 ? 0 : 1];
    const slot = from.count();
    const seq = from.count();
    const tradeNumber = from.count();
    const price = from.count();
    const quantity = from.count();
    const ts = this.#ts - from.signed();
    const tradeId = (head & NUMBER_ID) !== 0 ? String(tradeNumber) : this.#text();
    return { slot, seq, tradeNumber, price, quantity, takerSide, ts, tradeId };
  }
}

function emptyState(): MarketState {
  return {
    slot: 0,
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
