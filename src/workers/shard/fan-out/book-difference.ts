import type { Book, BookSide } from "../../../shared/market.js";

/** Makes `into` the first `depth` levels of a side. */
function copySide(from: BookSide, depth: number, into: BookSide): void {
  into.length = Math.min(from.length, depth);
  for (let level = 0; level < into.length; level++) {
    into.price[level] = from.price[level] as number;
    into.quantity[level] = from.quantity[level] as number;
  }
}

/** Makes `into`, which has room for so many, the first `depth` levels of a book. */
export function copyBook(from: Book, depth: number, into: Book): void {
  copySide(from.bids, depth, into.bids);
  copySide(from.asks, depth, into.asks);
}

/** A view of the first `depth` levels of a book. */
export function firstLevels({ bids, asks }: Book, depth: number): Book {
  const first = ({ price, quantity, length }: BookSide): BookSide => ({
    price,
    quantity,
    length: Math.min(length, depth),
  });
  return { bids: first(bids), asks: first(asks) };
}

/**
 * Writes into `into`, which has room for twice `depth` levels a side, what makes `after` of `before`: of
 * the first `depth` levels of both those that differ, best first, with a quantity of 0 where a price is
 * not among them any more. Returns whether there is any.
 */
export function bookDifference(before: Book, after: Book, depth: number, into: Book): boolean {
  sideDifference(before.bids, after.bids, depth, -1, into.bids);
  sideDifference(before.asks, after.asks, depth, 1, into.asks);
  return into.bids.length + into.asks.length > 0;
}

/** @param deeper the sign of the direction in which prices get worse */
function sideDifference(
  before: BookSide,
  after: BookSide,
  depth: number,
  deeper: 1 | -1,
  into: BookSide,
): void {
  const befores = Math.min(before.length, depth);
  const afters = Math.min(after.length, depth);
  let was = 0;
  let is = 0;
  let length = 0;
  const add = (price: number, quantity: number): void => {
    into.price[length] = price;
    into.quantity[length++] = quantity;
  };
  while (was < befores || is < afters) {
    const old = before.price[was] as number;
    const price = after.price[is] as number;
    const order = is >= afters ? -1 : was >= befores ? 1 : (old - price) * deeper;
    if (order < 0) {
      add(old, 0);
      was++;
    } else {
      const quantity = after.quantity[is++] as number;
      if (order > 0) add(price, quantity);
      else if (before.quantity[was++] !== quantity) add(price, quantity);
    }
  }
  into.length = length;
}
