import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type OrderBook, opposite } from "../../src/engine/order-book.js";
import { ReferenceOrderBook } from "../../src/engine/reference-order-book.js";
import { TrieOrderBook } from "../../src/engine/trie-order-book.js";
import { type Book, createBook, type Side } from "../../src/shared/market.js";

const MAX = Number.MAX_SAFE_INTEGER;

const BOOKS: readonly (readonly [string, () => OrderBook])[] = [
  ["trie order book", () => new TrieOrderBook()],
  ["reference order book", () => new ReferenceOrderBook()],
];

type Fill = readonly [makerOrderId: number, price: number, quantity: number, left: number];

/** Matches and returns what was left, then the fills. */
function match(
  book: OrderBook,
  side: Side,
  limit: number,
  quantity: number,
  owner = 0,
): readonly [left: number, ...fills: Fill[]] {
  const fills: Fill[] = [];
  const left = book.match(side, limit, quantity, owner, (...fill) => fills.push(fill));
  return [left, ...fills];
}

/** Whether all of an order would be filled. */
function fills(
  book: OrderBook,
  side: Side,
  limit: number,
  quantity: number,
  owner: number,
  passesOwn = false,
): boolean {
  const own = new Map<number, number[]>();
  for (const order of book.orders(opposite(side)))
    if (order.owner === owner)
      own.set(order.price, [...(own.get(order.price) ?? []), order.quantity]);
  return book.fills(side, limit, quantity, owner, passesOwn, own);
}

function levels(book: OrderBook, side: Side, room = 20): number[][] {
  const into = { price: new Float64Array(room), quantity: new Float64Array(room), length: 0 };
  book.levels(side, into);
  return Array.from({ length: into.length }, (_, level) => [
    into.price[level] as number,
    into.quantity[level] as number,
  ]);
}

function ids(book: OrderBook, side: Side): number[] {
  return [...book.orders(side)].map(({ orderId }) => orderId);
}

describe.each(BOOKS)("%s", (name, createOrderBook) => {
  it(`${name} - has no best price, level or order while it is empty`, () => {
    const book = createOrderBook();
    expect([book.best("Buy"), book.best("Sell"), book.size]).toEqual([undefined, undefined, 0]);
    expect([levels(book, "Buy"), ids(book, "Sell")]).toEqual([[], []]);
    expect(match(book, "Buy", Infinity, 5)).toEqual([5]);
    expect(fills(book, "Sell", -Infinity, 1, 0)).toBe(false);
    expect(book.cancel(1)).toBe(0);
  });

  it(`${name} - ranks by price, then by time`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 50, 10, 1);
    book.add(2, "Buy", 52, 10, 1);
    book.add(3, "Buy", 50, 10, 1);
    book.add(4, "Buy", 51, 10, 1);
    book.add(5, "Sell", 60, 10, 1);
    book.add(6, "Sell", 58, 10, 1);
    book.add(7, "Sell", 60, 10, 1);
    expect(ids(book, "Buy")).toEqual([2, 4, 1, 3]);
    expect(ids(book, "Sell")).toEqual([6, 5, 7]);
    expect([book.best("Buy"), book.best("Sell"), book.size]).toEqual([52, 58, 7]);
  });

  it(`${name} - sums levels and stops where there is no more room`, () => {
    const book = createOrderBook();
    book.add(1, "Sell", 58, 10, 1);
    book.add(2, "Sell", 58, 5, 2);
    book.add(3, "Sell", 60, 1, 1);
    book.add(4, "Sell", 61, 2, 1);
    expect(levels(book, "Sell", 2)).toEqual([
      [58, 15],
      [60, 1],
    ]);
    book.cancel(1);
    match(book, "Buy", 58, 2);
    expect(levels(book, "Sell")).toEqual([
      [58, 3],
      [60, 1],
      [61, 2],
    ]);
  });

  it(`${name} - matches the best price first, at the resting orders' prices, up to the limit`, () => {
    const book = createOrderBook();
    book.add(1, "Sell", 60, 10, 1);
    book.add(2, "Sell", 58, 4, 1);
    book.add(3, "Sell", 58, 4, 2);
    book.add(4, "Sell", 62, 10, 1);
    expect(match(book, "Buy", 60, 30, 9)).toEqual([
      12,
      [2, 58, 4, 0],
      [3, 58, 4, 0],
      [1, 60, 10, 0],
    ]);
    expect(ids(book, "Sell")).toEqual([4]);
    expect(match(book, "Buy", Infinity, 3, 9)).toEqual([0, [4, 62, 3, 7]]);
  });

  it(`${name} - a partly filled order keeps its place`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 50, 10, 1);
    book.add(2, "Buy", 50, 10, 1);
    expect(match(book, "Sell", 50, 4)).toEqual([0, [1, 50, 4, 6]]);
    expect(match(book, "Sell", 50, 7)).toEqual([0, [1, 50, 6, 0], [2, 50, 1, 9]]);
  });

  it(`${name} - stops in front of an order of the same owner`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 50, 10, 1);
    book.add(2, "Buy", 50, 10, 2);
    book.add(3, "Buy", 50, 10, 1);
    expect(fills(book, "Sell", 50, 11, 2)).toBe(false);
    expect(fills(book, "Sell", 50, 10, 2)).toBe(true);
    expect(match(book, "Sell", -Infinity, 25, 2)).toEqual([15, [1, 50, 10, 0]]);
    expect(ids(book, "Buy")).toEqual([2, 3]);
  });

  it(`${name} - says beforehand whether all of an order would be filled`, () => {
    const book = createOrderBook();
    book.add(1, "Sell", 58, 10, 1);
    book.add(2, "Sell", 60, 10, 1);
    expect(fills(book, "Buy", 60, 20, 2)).toBe(true);
    expect(fills(book, "Buy", 60, 21, 2)).toBe(false);
    expect(fills(book, "Buy", 59, 11, 2)).toBe(false);
    expect(fills(book, "Buy", Infinity, 20, 2)).toBe(true);
    expect(fills(book, "Buy", 57, 1, 2)).toBe(false);
    expect(book.size).toBe(2);
  });

  it(`${name} - says it exactly among orders of the owner, ahead of them, between and behind`, () => {
    const book = createOrderBook();
    const [own, other] = [1, 2];
    const most = Number.MAX_SAFE_INTEGER;
    for (const [id, owner, quantity] of [
      [1, other, 4],
      [2, own, most],
      [3, other, most],
    ] as const)
      book.add(id, "Sell", 58, quantity, owner);
    book.add(4, "Sell", 59, 2, own);
    book.add(5, "Sell", 60, 3, other);
    const filled = (quantity: number, passesOwn: boolean) =>
      fills(book, "Buy", 60, quantity, own, passesOwn);
    expect([4, 5, most].map((quantity) => filled(quantity, false))).toEqual([true, false, false]);
    expect([4, 5, most].map((quantity) => filled(quantity, true))).toEqual([true, true, true]);
    book.cancel(3);
    expect([7, 8].map((quantity) => filled(quantity, true))).toEqual([true, false]);
    book.cancel(2);
    expect([4, 5].map((quantity) => filled(quantity, false))).toEqual([true, false]);
    expect(fills(book, "Buy", 60, 9, 3)).toBe(true);
    expect(fills(book, "Buy", 60, 10, 3)).toBe(false);
  });

  it(`${name} - cancels the first, a middle and the last of a level, and tells what was left`, () => {
    const book = createOrderBook();
    for (let id = 1; id <= 5; id++) book.add(id, "Buy", 50, id, 1);
    match(book, "Sell", 50, 1 + 1);
    expect([book.cancel(4), book.cancel(2), book.cancel(5), book.cancel(2)]).toEqual([4, 1, 5, 0]);
    expect(ids(book, "Buy")).toEqual([3]);
    expect(levels(book, "Buy")).toEqual([[50, 3]]);
    expect(book.cancel(3)).toBe(3);
    expect([book.best("Buy"), book.size]).toEqual([undefined, 0]);
  });

  it(`${name} - a price may be a bid's and later an ask's`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 50, 5, 1);
    expect(match(book, "Sell", 50, 5)).toEqual([0, [1, 50, 5, 0]]);
    book.add(2, "Sell", 50, 5, 1);
    expect([book.best("Buy"), book.best("Sell")]).toEqual([undefined, 50]);
    book.add(3, "Buy", 49, 5, 1);
    book.cancel(2);
    book.add(4, "Buy", 50, 5, 1);
    expect(ids(book, "Buy")).toEqual([4, 3]);
  });

  it(`${name} - refuses an order that would cross, and an id that rests`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 50, 5, 1);
    book.add(2, "Sell", 52, 5, 1);
    expect(() => book.add(3, "Buy", 52, 1, 2)).toThrow("cross");
    expect(() => book.add(3, "Sell", 50, 1, 2)).toThrow("cross");
    expect(() => book.add(1, "Sell", 60, 1, 2)).toThrow("rests already");
    expect([ids(book, "Buy"), ids(book, "Sell")]).toEqual([[1], [2]]);
  });

  it(`${name} - takes prices and quantities up to 2^53−1`, () => {
    const book = createOrderBook();
    book.add(1, "Buy", 1, MAX, 1);
    book.add(2, "Sell", MAX, MAX, 1);
    book.add(3, "Sell", MAX, 3, 1);
    expect(levels(book, "Sell")).toEqual([[MAX, 2 ** 53 + 2]]);
    // The sum was beyond exact integers and is exact again.
    expect(match(book, "Buy", Infinity, MAX)).toEqual([0, [2, MAX, MAX, 0]]);
    expect(levels(book, "Sell")).toEqual([[MAX, 3]]);
    expect(match(book, "Sell", 1, 2)).toEqual([0, [1, 1, 2, MAX - 2]]);
    expect(levels(book, "Buy")).toEqual([[1, MAX - 2]]);
  });
});

/** A step of a history: an order that comes in and rests with what is left, or a cancel. */
type Step =
  | {
      readonly side: Side;
      readonly price: number;
      readonly quantity: number;
      readonly owner: number;
    }
  | { readonly cancel: number }
  | { readonly reduce: number; readonly to: number };

const side = fc.constantFrom<Side>("Buy", "Sell");
const quantity = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2 ** 27 - 1, 2 ** 27, 2 ** 27 + 1, 2 ** 40, MAX) },
);

/** Histories whose prices are all `price`. */
function histories(price: fc.Arbitrary<number>, maxLength: number): fc.Arbitrary<Step[]> {
  const order = fc.record({ side, price, quantity, owner: fc.integer({ min: 1, max: 4 }) });
  const cancel = fc.record({ cancel: fc.nat(maxLength) });
  const reduce = fc.record({ reduce: fc.nat(maxLength), to: fc.integer({ min: 1, max: 10 }) });
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: order },
      { weight: 1, arbitrary: cancel },
      {
        weight: 1,
        arbitrary: reduce,
      },
    ),
    // Long ones: a deep book is what goes wrong.
    { maxLength, size: "max" },
  );
}

/** Whether something could be done. */
function tried(what: () => void): boolean {
  try {
    what();
    return true;
  } catch {
    return false;
  }
}

/** Takes one step in a book, as the engine would, and tells all that there is to see of it. */
function take(book: OrderBook, step: Step, orderId: number): unknown {
  if ("cancel" in step) return book.cancel(step.cancel);
  if ("reduce" in step) return tried(() => book.reduce(step.reduce, step.to));
  const { side, price, quantity, owner } = step;
  const filled = [false, true].map((own) => fills(book, side, price, quantity, owner, own));
  const [left, ...trades] = match(book, side, price, quantity, owner);
  const best = book.best(opposite(side));
  const crosses = best !== undefined && (side === "Buy" ? best <= price : best >= price);
  if (left > 0 && !crosses) book.add(orderId, side, price, left, owner);
  return { filled, left, trades };
}

function view(book: OrderBook, shown: Book): unknown {
  book.levels("Buy", shown.bids);
  book.levels("Sell", shown.asks);
  return {
    best: [book.best("Buy"), book.best("Sell")],
    front: [book.front("Buy"), book.front("Sell")],
    size: book.size,
    bids: [...shown.bids.price.subarray(0, shown.bids.length)],
    bidQuantities: [...shown.bids.quantity.subarray(0, shown.bids.length)],
    asks: [...shown.asks.price.subarray(0, shown.asks.length)],
    askQuantities: [...shown.asks.quantity.subarray(0, shown.asks.length)],
  };
}

const all = (book: OrderBook): unknown => [[...book.orders("Buy")], [...book.orders("Sell")]];

describe("order books", () => {
  it("order books - the trie's memory follows the orders that rest at a time", () => {
    const { arrayBuffers } = process.memoryUsage();
    const book = new TrieOrderBook();
    for (let id = 1; id <= 300_000; id++) {
      // Nearly all of them have a level of their own, spread over four digits.
      book.add(id, "Sell", 1 + ((id * 7919) % 1_000_000), 1, 1);
      if (id > 100) book.cancel(id - 100);
    }
    expect(book.size).toBe(100);
    // Records of 300,000 orders, levels or nodes would take 8 MB and more.
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(1_000_000);
  });

  it.each([
    ["close prices", fc.integer({ min: 1, max: 12 })],
    ["prices of one and two digits of the trie", fc.integer({ min: 1, max: 200 })],
    [
      "extreme prices",
      fc.oneof(
        fc.constantFrom(1, 31, 32, 33, 2 ** 30 - 1, 2 ** 30, 2 ** 30 + 1, 2 ** 32, MAX - 1, MAX),
        fc.integer({ min: 1, max: MAX }),
      ),
    ],
  ])("order books - trie and reference do the same at %s", (_, price) => {
    fc.assert(
      fc.property(histories(price, 1200), (steps) => {
        const [trie, reference] = [new TrieOrderBook(), new ReferenceOrderBook()];
        const shown = createBook();
        for (const [index, step] of steps.entries()) {
          const expected = take(reference, step, index + 1);
          expect(take(trie, step, index + 1)).toEqual(expected);
          expect(view(trie, shown)).toEqual(view(reference, shown));
        }
        expect(all(trie)).toEqual(all(reference));
      }),
      { numRuns: 12 },
    );
  });
});
