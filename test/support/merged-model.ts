import { crc32 } from "node:zlib";
import type {
  BookUpdate,
  OrderBook,
  PriceLevel,
  PriceUpdate,
  ServerMessage,
} from "../../src/contract/messages.js";
import type { BookState } from "../../src/ring/records.js";
import type { BookSide } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { PublishedTruth } from "./published-truth.js";

/** How the streams of a market are asked for. */
export interface MergedTerms {
  readonly depth: number;
  readonly checksum: boolean;
  readonly sizes: boolean;
  readonly bookMs: number;
  readonly priceMs: number;
  readonly marketMs: number;
}

/** The tick and the lot of every market are these. */
export const TICK = 0.01;
export const LOT = 1;

/** CRC-32 of the first ten levels a side, by the words of the contract. */
export function expectedChecksum(bids: readonly PriceLevel[], asks: readonly PriceLevel[]): number {
  const counts = [bids.slice(0, 10), asks.slice(0, 10)].flat(2);
  const bytes = Buffer.alloc(counts.length * 8);
  for (const [index, value] of counts.entries()) {
    const step = index % 2 === 0 ? TICK : LOT;
    bytes.writeBigInt64LE(BigInt(Math.round(value / step)), index * 8);
  }
  return crc32(bytes);
}

/** An obvious client of one market's merged streams: it throws at whatever breaks the contract. */
export class MergedModel {
  book: OrderBook | undefined;
  /** Its socket took everything at once: it was never caught up later than others were told. */
  keptUp = true;
  updates = 0;
  wholes = 0;
  readonly #id: MarketId;
  readonly #truth: () => PublishedTruth;
  readonly #now: () => number;
  /** When each stream was told last, but for first data; and its last number. */
  readonly #toldAt = new Map<string, number>();
  readonly last = new Map<string, number>();
  #terms: MergedTerms;

  constructor(id: MarketId, terms: MergedTerms, truth: () => PublishedTruth, now: () => number) {
    this.#id = id;
    this.#terms = terms;
    this.#truth = truth;
    this.#now = now;
  }

  /** First data come again, in these terms. */
  begin(terms: MergedTerms): void {
    this.#terms = terms;
    this.#toldAt.clear();
    this.last.clear();
    this.book = undefined;
  }

  take(message: ServerMessage): void {
    const { bookMs, priceMs, marketMs } = this.#terms;
    switch (message.type) {
      case "OrderBook":
        if (message.data.depth === undefined) {
          const top = this.#truth().of(this.#id).orderBook(message.data.seq);
          same({ ...message.data, ts: undefined }, { ...top, ts: undefined });
          return this.#told("top", message.data.seq, marketMs);
        }
        this.wholes++;
        this.#takeBook(message.data, bookMs);
        return;
      case "BookUpdate":
        this.updates++;
        return this.#takeUpdate(message.data, bookMs);
      case "PriceUpdate":
        return this.#takePrice(message.data, priceMs);
      case "MarketSnapshot":
        return this.#told("state", message.data.markets[0]?.seq ?? 0, marketMs);
      case "MarketUpdate":
        same(message.data.market, this.#truth().of(this.#id).market(message.data.market.seq));
        return this.#told("state", message.data.market.seq, marketMs);
      case "EpochChanged":
        return this.begin(this.#terms);
      default:
    }
  }

  #takeBook(book: OrderBook, intervalMs: number): void {
    this.#told("book", book.seq, intervalMs);
    this.#check(book);
    this.book = book;
  }

  #takeUpdate(update: BookUpdate, intervalMs: number): void {
    const { book } = this;
    require(book !== undefined, "an update before a book", update);
    require(book?.seq === update.prev_seq, `it does not follow ${book?.seq}`, update);
    require(update.bids.length + update.asks.length > 0, "it says nothing", update);
    this.#told("book", update.seq, intervalMs);
    const { prev_seq: _, ...rest } = update;
    const next = {
      ...rest,
      bids: applied(book?.bids ?? [], update.bids, -1),
      asks: applied(book?.asks ?? [], update.asks, 1),
    };
    this.#check(next);
    this.book = next;
  }

  /** A book is that of its `seq`, at the depth that was asked for. */
  #check(book: OrderBook): void {
    const { depth, checksum } = this.#terms;
    require(book.depth === depth, `not of depth ${depth}`, book);
    const { bids, asks, ts } = this.#truth().of(this.#id).deepBooks[book.seq - 1] ?? NO_BOOK;
    same([book.bids, book.asks], [levelsOf(bids, depth), levelsOf(asks, depth)]);
    require(book.seq === 0 || book.ts === ts, "a ts of another book", book);
    const sum = checksum ? expectedChecksum(book.bids, book.asks) : undefined;
    require(book.checksum === sum, `its checksum is ${sum}`, book);
  }

  #takePrice(price: PriceUpdate, intervalMs: number): void {
    const history = this.#truth().of(this.#id);
    if (this.#terms.sizes) {
      const state = history.sized[price.seq - 1];
      same([price.bid_quantity, price.ask_quantity], [state?.bidQuantity, state?.askQuantity]);
      require(price.ts === state?.sizedTs, "a ts of another price", price);
    } else {
      require(!("bid_quantity" in price), "sizes that nobody asked for", price);
      same({ ...price, ts: undefined }, { ...history.price(price.seq), ts: undefined });
    }
    this.#told("price", price.seq, intervalMs);
  }

  #told(stream: string, seq: number, intervalMs: number): void {
    const last = this.last.get(stream);
    const at = this.#toldAt.get(stream);
    const now = this.#now();
    const what = { stream, seq, intervalMs, now };
    require(last === undefined || seq > last, `repeated, or back from ${last}`, what);
    const early = this.keptUp && at !== undefined && now - at < intervalMs;
    require(!early, `told again after ${at}`, what);
    // First data are no message of an interval that others share.
    if (last !== undefined && intervalMs > 0) this.#toldAt.set(stream, now);
    this.last.set(stream, seq);
  }
}

const NO_SIDE: BookSide = { price: new Float64Array(), quantity: new Float64Array(), length: 0 };
const NO_BOOK: Pick<BookState, "bids" | "asks" | "ts"> = { bids: NO_SIDE, asks: NO_SIDE, ts: 0 };

function levelsOf({ price, quantity, length }: BookSide, depth: number): PriceLevel[] {
  return Array.from({ length: Math.min(length, depth) }, (_, level) => [
    Number(((price[level] as number) * TICK).toFixed(2)),
    quantity[level] as number,
  ]);
}

/** By a map of all prices, sorted anew. */
function applied(
  levels: readonly PriceLevel[],
  changes: readonly PriceLevel[],
  deeper: 1 | -1,
): PriceLevel[] {
  const all = new Map(levels);
  for (const [price, quantity] of changes) {
    if (quantity === 0) require(all.delete(price), "it removes what is not there", changes);
    else all.set(price, quantity);
  }
  return [...all].sort(([a], [b]) => (a - b) * deeper);
}

function require(holds: boolean, what: string, context: unknown): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(context)}`);
}

function same(actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  require(one === other, `not what was published: ${one} is not ${other}`, undefined);
}
