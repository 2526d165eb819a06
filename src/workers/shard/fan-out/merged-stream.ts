import type { FrameWriter } from "../../../codec/frame-writer.js";
import type { BookUpdateView, BookView, PushEncoder } from "../../../codec/push-encoder.js";
import { type Book, createBook, TOP_BOOK_LEVELS } from "../../../shared/market.js";
import { bookChecksum } from "./book-checksum.js";
import { bookDifference, copyBook, firstLevels } from "./book-difference.js";
import type { MirrorMarket } from "./mirror-market.js";
import { type BookTerms, type StreamTerms, termsKey } from "./stream-terms.js";

/**
 * A stream of one market that is not told change by change: at most once in its interval, or as the
 * difference to what it told last. It keeps what it told last, which is what those who missed it are sent.
 *
 * Invariant: between two rounds it has told the latest there is, or is `pending`.
 */
export abstract class MergedStream<Audience, Member> {
  readonly key: string;
  readonly what: StreamTerms["what"];
  readonly intervalMs: number;
  readonly audiences = new Set<Audience>();
  /** Members whose first data said more than the stream has told, with the `seq` of that. */
  readonly ahead = new Map<Member, number>();
  /** Undefined while it is not listed. */
  market: MirrorMarket | undefined;
  /** Noted as changed in the round that is under way. */
  noted = false;
  /** There is something to tell, which its interval holds back. */
  pending = false;
  /** The round in which it told last. */
  toldRound = 0;
  /** When its interval ends, in ms; it is in the queue of those until then. */
  dueAt = 0;

  constructor(terms: StreamTerms) {
    this.key = termsKey(terms);
    this.what = terms.what;
    this.intervalMs = terms.intervalMs;
  }

  /** Begins with what first data say in a round. */
  begin(market: MirrorMarket | undefined, round: number): void {
    this.market = market;
    this.noted = this.pending = false;
    this.toldRound = round;
    this.ahead.clear();
    this.forget();
    if (market !== undefined) this.take(market, round);
  }

  /** What it told last is of another producer. */
  protected abstract forget(): void;
  /** Takes the latest as told; returns whether there is anything to tell. */
  abstract take(market: MirrorMarket, round: number): boolean;
  /** `seq` and `ts` of what it told last. */
  abstract readonly told: { readonly seq: number; readonly ts: number };
  /** The `seq` that first data have which say the latest. */
  abstract latestSeq(market: MirrorMarket): number;
  /** Writes what {@link take} has found. */
  abstract write(out: FrameWriter, encoder: PushEncoder): void;
  /** Writes what it told last for those who have missed all since a round. */
  abstract writeWhole(out: FrameWriter, encoder: PushEncoder, since: number): void;
}

/** The states of a market. */
class StateStream<Audience, Member> extends MergedStream<Audience, Member> {
  #told: MirrorMarket | undefined;
  #since = 0;

  get told() {
    return { seq: this.#told?.stateSeq ?? 0, ts: this.#told?.ts ?? 0 };
  }

  latestSeq({ stateSeq }: MirrorMarket): number {
    return stateSeq;
  }

  protected forget(): void {
    this.#told = undefined;
  }

  take(market: MirrorMarket): boolean {
    this.#since = this.#told === undefined ? -1 : this.#told.stateRound;
    if (this.#told?.stateSeq === market.stateSeq) return false;
    this.#told = market.copy();
    return true;
  }

  write(out: FrameWriter, encoder: PushEncoder): void {
    this.writeWhole(out, encoder, this.#since);
  }

  writeWhole(out: FrameWriter, encoder: PushEncoder, since: number): void {
    const market = this.#told as MirrorMarket;
    encoder.marketUpdate(out, market, market.updateTypeSince(since));
  }
}

/** The prices of a market. */
class PriceStream<Audience, Member> extends MergedStream<Audience, Member> {
  readonly #sizes: boolean;
  #told: MirrorMarket | undefined;

  constructor(terms: Extract<StreamTerms, { readonly what: "price" }>) {
    super(terms);
    this.#sizes = terms.sizes;
  }

  get told() {
    const seq = this.#told === undefined ? 0 : this.latestSeq(this.#told);
    return { seq, ts: (this.#sizes ? this.#told?.sizedTs : this.#told?.ts) ?? 0 };
  }

  latestSeq({ sizedSeq, priceSeq }: MirrorMarket): number {
    return this.#sizes ? sizedSeq : priceSeq;
  }

  protected forget(): void {
    this.#told = undefined;
  }

  take(market: MirrorMarket): boolean {
    if (this.latestSeq(market) === this.told.seq) return false;
    this.#told = market.copy();
    return true;
  }

  write(out: FrameWriter, encoder: PushEncoder): void {
    const market = this.#told as MirrorMarket;
    if (this.#sizes) encoder.sizedPriceUpdate(out, market);
    else encoder.priceUpdate(out, market);
  }

  writeWhole(out: FrameWriter, encoder: PushEncoder): void {
    this.write(out, encoder);
  }
}

const NO_BOOK: BookView = { ...createBook(0), seq: 0, ts: 0 };

/** The books of a `Market` channel. */
class TopBookStream<Audience, Member> extends MergedStream<Audience, Member> {
  readonly #book = createBook(TOP_BOOK_LEVELS);
  told = { seq: 0, ts: 0 };

  latestSeq({ topBook }: MirrorMarket): number {
    return topBook?.seq ?? 0;
  }

  protected forget(): void {
    this.told = { seq: 0, ts: 0 };
  }

  take({ topBook }: MirrorMarket): boolean {
    if (topBook === undefined || topBook.seq === this.told.seq) return false;
    copyBook(topBook, TOP_BOOK_LEVELS, this.#book);
    this.told = { seq: topBook.seq, ts: topBook.ts };
    return true;
  }

  write(out: FrameWriter, encoder: PushEncoder): void {
    if (this.market !== undefined)
      encoder.orderBook(out, this.market, { ...this.#book, ...this.told });
  }

  writeWhole(out: FrameWriter, encoder: PushEncoder): void {
    this.write(out, encoder);
  }
}

/** The books of a `Book` channel: each told as the difference to the one before. */
class BookStream<Audience, Member> extends MergedStream<Audience, Member> {
  readonly #terms: BookTerms;
  readonly #book: Book;
  readonly #changes: Book;
  #update: BookUpdateView | undefined;
  #began = false;
  told = { seq: 0, ts: 0 };

  constructor(terms: Extract<StreamTerms, { readonly what: "book" }>) {
    super(terms);
    this.#terms = terms;
    this.#book = createBook(terms.depth);
    this.#changes = createBook(2 * terms.depth);
  }

  latestSeq({ book }: MirrorMarket): number {
    return book?.seq ?? 0;
  }

  protected forget(): void {
    this.#began = false;
    this.#book.bids.length = this.#book.asks.length = 0;
    this.told = { seq: 0, ts: 0 };
  }

  take(market: MirrorMarket): boolean {
    const { depth, checksum } = this.#terms;
    const { seq, ts, ...latest } = bookOf(market);
    const began = this.#began;
    this.#began = true;
    const changed = bookDifference(this.#book, latest, depth, this.#changes);
    if (began && !changed) return false;
    const prevSeq = this.told.seq;
    copyBook(latest, depth, this.#book);
    this.told = { seq, ts };
    // Whoever was told nothing yet has nothing that could be changed.
    if (!began) this.#update = undefined;
    else {
      const sum = checksum ? bookChecksum(this.#book) : undefined;
      this.#update = { ...this.#changes, depth, prevSeq, seq, ts, checksum: sum };
    }
    return true;
  }

  write(out: FrameWriter, encoder: PushEncoder): void {
    if (this.market === undefined) return;
    if (this.#update === undefined) this.writeWhole(out, encoder);
    else encoder.bookUpdate(out, this.market, this.#update);
  }

  writeWhole(out: FrameWriter, encoder: PushEncoder): void {
    if (this.market === undefined) return;
    const book = { ...this.#book, ...this.told };
    encoder.orderBook(out, this.market, withTerms(book, this.#terms));
  }
}

/** The book of a market, an empty one where it has published none. */
export function bookOf(market: MirrorMarket): BookView {
  return market.book ?? { ...NO_BOOK, ts: market.ts };
}

/** A book as a `Book` channel tells it. */
export function withTerms(book: BookView, { depth, checksum }: BookTerms): BookView {
  const first = { ...firstLevels(book, depth), seq: book.seq, ts: book.ts, depth };
  return checksum ? { ...first, checksum: bookChecksum(first) } : first;
}

export function createStream<Audience, Member>(terms: StreamTerms): MergedStream<Audience, Member> {
  switch (terms.what) {
    case "state":
      return new StateStream(terms);
    case "top":
      return new TopBookStream(terms);
    case "price":
      return new PriceStream(terms);
    case "book":
      return new BookStream(terms);
    default:
      return terms satisfies never;
  }
}
