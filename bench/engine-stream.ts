import type { Command } from "../src/engine/commands.js";
import type { OrderBook } from "../src/engine/order-book.js";
import { opposite } from "../src/engine/order-book.js";
import { TrieOrderBook } from "../src/engine/trie-order-book.js";
import type { Side } from "../src/shared/market.js";
import { Random } from "../src/shared/random.js";

export const ADD_PERCENT = 60;
export const CANCEL_PERCENT = 30;
export const MARKET_ID = 1;
/** Resting orders have an owner from 1 to this; crossing ones another, so that all of them trade. */
export const OWNERS = 100;
const TAKER = OWNERS + 1;
const QUANTITY_MAX = 100;
/** Orders to a price level, on average, before the near ones are traded away. */
const ORDERS_PER_LEVEL = 5;

export const KIND = { add: 0, cancel: 1, cross: 2 } as const;

/**
 * Commands for one book: `depth` orders that fill it, then a mix that keeps it at that depth. Kept in
 * columns, so that reading them costs little beside what is measured. The ids of all orders ascend
 * from 1 without a gap, as the engine gives them.
 */
export interface BookStream {
  readonly depth: number;
  readonly length: number;
  readonly kind: Uint8Array;
  readonly orderId: Float64Array;
  readonly buy: Uint8Array;
  /** Limit of a crossing order, too. */
  readonly price: Float64Array;
  readonly quantity: Float64Array;
  readonly owner: Int32Array;
}

/** The orders that rest, to draw one of them at random. */
class LiveOrders {
  readonly #ids: number[] = [];
  readonly #places = new Map<number, number>();

  get size(): number {
    return this.#ids.length;
  }

  at(place: number): number {
    return this.#ids[place] as number;
  }

  add(id: number): void {
    this.#places.set(id, this.#ids.length);
    this.#ids.push(id);
  }

  remove(id: number): void {
    const place = this.#places.get(id) as number;
    const last = this.#ids.pop() as number;
    this.#places.delete(id);
    if (last === id) return;
    this.#ids[place] = last;
    this.#places.set(last, place);
  }
}

/**
 * Makes a stream: {@link ADD_PERCENT} orders that rest, most of them near the middle,
 * {@link CANCEL_PERCENT} cancels of any resting order, and orders that cross and trade away what the
 * book has above its depth, from the side that has more. Equal seeds give equal streams.
 *
 * @param commands after the filling
 */
export function bookStream(seed: number, depth: number, commands: number): BookStream {
  const random = new Random(seed);
  const length = depth + commands;
  const stream = emptyStream(depth, length);
  const book = new TrieOrderBook();
  const live = new LiveOrders();
  const sizes: Record<Side, number> = { Buy: 0, Sell: 0 };
  const sides = new Map<number, Side>();
  const width = Math.ceil(depth / 2 / ORDERS_PER_LEVEL);
  const middle = width + 1;
  const left = (id: number): void => {
    sizes[sides.get(id) as Side]--;
    sides.delete(id);
    live.remove(id);
  };
  let nextId = 1;
  for (let index = 0; index < length; index++) {
    const chance = index < depth ? 0 : random.below(100);
    if (chance < ADD_PERCENT) {
      const side = random.below(2) === 0 ? "Buy" : "Sell";
      const offset = 1 + Math.floor(width * (random.below(1 << 20) / (1 << 20)) ** 3);
      const price = side === "Buy" ? middle - offset : middle + offset;
      const quantity = 1 + random.below(QUANTITY_MAX);
      const owner = 1 + random.below(OWNERS);
      put(stream, index, KIND.add, nextId, side, price, quantity, owner);
      book.add(nextId, side, price, quantity, owner);
      live.add(nextId);
      sides.set(nextId++, side);
      sizes[side]++;
    } else if (chance < ADD_PERCENT + CANCEL_PERCENT) {
      const id = live.at(random.below(live.size));
      put(stream, index, KIND.cancel, id, "Buy", 0, 0, 0);
      book.cancel(id);
      left(id);
    } else {
      const maker = sizes.Buy > sizes.Sell ? "Buy" : "Sell";
      const quantity = quantityOf(book, maker, Math.max(1, live.size - depth));
      const side = opposite(maker);
      const limit = side === "Buy" ? 2 * middle : 1;
      put(stream, index, KIND.cross, nextId++, side, limit, quantity, TAKER);
      book.match(side, limit, quantity, TAKER, (id, _price, _quantity, rest) => {
        if (rest === 0) left(id);
      });
    }
  }
  return stream;
}

/** The same as commands of the engine; owners become wallets. */
export function engineCommands(stream: BookStream): Command[] {
  return Array.from(stream.kind, (kind, index): Command => {
    const wallet = `wallet-${stream.owner[index]}`;
    const orderId = stream.orderId[index] as number;
    if (kind === KIND.cancel) return { type: "cancel", wallet, order: { orderId } };
    return {
      type: "place",
      terms: {
        marketId: MARKET_ID,
        wallet,
        clientOrderId: undefined,
        side: stream.buy[index] === 1 ? "Buy" : "Sell",
        orderType: "Limit",
        timeInForce: kind === KIND.add ? "GTC" : "IOC",
        postOnly: false,
        selfTrade: "CancelTaker",
        expiresTs: undefined,
        price: stream.price[index] as number,
        quantity: stream.quantity[index] as number,
        session: undefined,
      },
    };
  });
}

/** What the first `count` orders of a side are worth, and half of the next, which is left standing. */
function quantityOf(book: OrderBook, side: Side, count: number): number {
  let quantity = 0;
  let seen = 0;
  for (const order of book.orders(side)) {
    if (seen++ === count) return quantity + (order.quantity >> 1);
    quantity += order.quantity;
  }
  return quantity;
}

function emptyStream(depth: number, length: number): BookStream {
  return {
    depth,
    length,
    kind: new Uint8Array(length),
    orderId: new Float64Array(length),
    buy: new Uint8Array(length),
    price: new Float64Array(length),
    quantity: new Float64Array(length),
    owner: new Int32Array(length),
  };
}

function put(
  stream: BookStream,
  index: number,
  kind: number,
  orderId: number,
  side: Side,
  price: number,
  quantity: number,
  owner: number,
): void {
  stream.kind[index] = kind;
  stream.orderId[index] = orderId;
  stream.buy[index] = side === "Buy" ? 1 : 0;
  stream.price[index] = price;
  stream.quantity[index] = quantity;
  stream.owner[index] = owner;
}
