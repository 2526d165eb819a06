import { CHECKSUM_LEVELS } from "../contract/checksum-levels.js";
import type {
  BookUpdate,
  Channel,
  Market,
  MarketId,
  OrderBook,
  PriceLevel,
  ServerMessage,
} from "../contract/messages.js";
import type { Mirror } from "./mirror.js";
import type { MirrorStore } from "./mirror-store.js";
import type { Subscriptions } from "./subscriptions.js";

interface BookMirrors {
  readonly books: MirrorStore<OrderBook>;
  readonly markets: Mirror<Market>;
  bookResyncs: number;
}

/**
 * Keeps the books of `Book` channels from their messages: each update must follow the book that is there,
 * and a checksum must be that of the book it makes. It is checked where the market is known, as it is of
 * counts of its ticks and lots. A book that does not fit is asked for anew, once, and stays as it was.
 * @param mirrors with how many books were asked for anew
 * @param outOfStep asks for a book anew
 */
export function createBookKeeper(
  mirrors: BookMirrors,
  subscriptions: Pick<Subscriptions, "book">,
  outOfStep: (channel: Channel) => void,
): (message: ServerMessage<"OrderBook" | "BookUpdate">) => void {
  const { books, markets } = mirrors;
  /** Markets whose book was asked for anew. */
  const asked = new Set<MarketId>();

  const fits = (book: OrderBook): boolean => {
    const market = markets.get(book.market_id);
    if (book.checksum === undefined || market === undefined) return true;
    return checksumOf(book, market) === book.checksum;
  };

  const askAnew = (marketId: MarketId): void => {
    const channel = subscriptions.book(marketId);
    if (channel === undefined) return;
    asked.add(marketId);
    mirrors.bookResyncs++;
    outOfStep(channel);
  };

  return ({ type, data }) => {
    const { market_id } = data;
    if (type === "OrderBook") {
      // Of one that came because it was asked for anew there is no better one.
      if (asked.delete(market_id) || fits(data)) books.set(market_id, data);
      else askAnew(market_id);
      return;
    }
    if (asked.has(market_id)) return;
    const book = books.get(market_id);
    const next =
      book?.depth === data.depth && book.seq === data.prev_seq ? applied(book, data) : undefined;
    if (next !== undefined && fits(next)) books.change(market_id, next);
    else askAnew(market_id);
  };
}

/** The book that an update makes of the one before it. */
function applied(book: OrderBook, { bids, asks, prev_seq: _, ...rest }: BookUpdate): OrderBook {
  return { ...rest, bids: side(book.bids, bids, -1), asks: side(book.asks, asks, 1) };
}

/** @param deeper the sign of the direction in which prices get worse */
function side(
  levels: readonly PriceLevel[],
  changes: readonly PriceLevel[],
  deeper: 1 | -1,
): readonly PriceLevel[] {
  if (changes.length === 0) return levels;
  const next = [...levels];
  for (const change of changes) {
    const [price, quantity] = change;
    let at = 0;
    while (at < next.length && ((next[at] as PriceLevel)[0] - price) * deeper < 0) at++;
    const replaced = next[at]?.[0] === price ? 1 : 0;
    if (quantity === 0) next.splice(at, replaced);
    else next.splice(at, replaced, change);
  }
  return next;
}

function checksumOf({ bids, asks }: OrderBook, { tick_size, lot_size }: Market): number {
  const steps = [tick_size, lot_size];
  const counts = [bids, asks]
    .flatMap((levels) => levels.slice(0, CHECKSUM_LEVELS))
    .flatMap((level) => level.map((value, at) => Math.round(value / (steps[at] as number))));
  const bytes = new DataView(new ArrayBuffer(counts.length * 8));
  for (const [at, count] of counts.entries()) bytes.setBigInt64(at * 8, BigInt(count), true);
  let crc = -1;
  for (const byte of new Uint8Array(bytes.buffer)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb8_8320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
