import type { BookSide, Side } from "../shared/market.js";
import type { FillListener, OrderBook, RestingOrder } from "./order-book.js";
import { OrderIdTable } from "./order-id-table.js";
import { PriceTrie } from "./price-trie.js";
import { RecordPool } from "./record-pool.js";

/*
 * Records of the pools, by f64 words, of which the later ones are pairs of i32 words:
 *
 *   order  id │ quantity │ owner, level │ newer, older
 *   level  price │ high │ low │ higher, lower │ oldest, newest
 *
 * Newer and older are neighbours in the level's queue, higher and lower in the list of levels.
 */
const ORDER_WORDS = 4;
const ORDER_I32 = ORDER_WORDS * 2;
const ID = 0;
const QUANTITY = 1;
const OWNER = 4;
const LEVEL = 5;
const NEWER = 6;
const OLDER = 7;

const LEVEL_WORDS = 5;
const LEVEL_I32 = LEVEL_WORDS * 2;
const PRICE = 0;
const HIGH = 1;
const LOW = 2;
const HIGHER = 6;
const LOWER = 7;
const OLDEST = 8;
const NEWEST = 9;

/** No order, and the level that closes the list into a ring. */
const NONE = 0;

/** Where quantities are split, so that sums of up to 2^26 of them stay exact. */
const SPLIT = 2 ** 27;

/**
 * The fast book: orders, price levels and the nodes of the index lie in pools of memory, bound to each
 * other by slot numbers.
 *
 * A bid and an ask never have the same price, so one {@link PriceTrie} finds the levels of both sides,
 * and one list joins them all by price: the bids, then the asks. The best bid's upper neighbour is the
 * best ask. Adding to or taking from a level is a few writes; a new level costs one walk down the trie
 * to find its neighbour, and a level that empties one to leave it. No cost depends on how many orders
 * or levels there are, but for the doubling of the pools.
 *
 * Invariants:
 * - The list of levels ascends strictly from the lowest to the highest price; its ends meet at level
 *   NONE, whose price is 0. All levels up to `#bestBid` are bids, all others asks. With no bid,
 *   `#bestBid` is NONE.
 * - A level is in the list and in the trie while it has orders, and only then. Its orders are queued
 *   in the order of their adding. Its quantity is HIGH × 2^27 + LOW, the sums of its orders'
 *   quotients and remainders by 2^27.
 * - An order is in the id table if and only if it is in the queue of its level; its quantity is
 *   positive.
 */
export class TrieOrderBook implements OrderBook {
  readonly #orders = new RecordPool(ORDER_WORDS);
  readonly #levels = new RecordPool(LEVEL_WORDS);
  readonly #byId = new OrderIdTable();
  readonly #byPrice = new PriceTrie();
  #bestBid = NONE;

  get size(): number {
    return this.#orders.taken;
  }

  best(side: Side): number | undefined {
    const level = this.#best(side);
    return level === NONE ? undefined : this.#price(level);
  }

  add(orderId: number, side: Side, price: number, quantity: number, owner: number): void {
    if (this.#byId.get(orderId) !== 0) throw new Error(`order ${orderId} rests already`);
    const level = this.#levelFor(side, price);
    const order = this.#orders.take();
    this.#byId.add(orderId, order);
    const { i32: levels } = this.#levels;
    const newest = levels[level * LEVEL_I32 + NEWEST] as number;
    levels[level * LEVEL_I32 + NEWEST] = order;
    const { f64, i32 } = this.#orders;
    f64[order * ORDER_WORDS + ID] = orderId;
    f64[order * ORDER_WORDS + QUANTITY] = quantity;
    i32[order * ORDER_I32 + OWNER] = owner;
    i32[order * ORDER_I32 + LEVEL] = level;
    i32[order * ORDER_I32 + NEWER] = NONE;
    i32[order * ORDER_I32 + OLDER] = newest;
    if (newest === NONE) levels[level * LEVEL_I32 + OLDEST] = order;
    else i32[newest * ORDER_I32 + NEWER] = order;
    this.#adjust(level, 0, quantity);
  }

  front(side: Side): number | undefined {
    const level = this.#best(side);
    if (level === NONE) return undefined;
    const order = this.#levels.i32[level * LEVEL_I32 + OLDEST] as number;
    return this.#orders.f64[order * ORDER_WORDS + ID] as number;
  }

  reduce(orderId: number, quantity: number): void {
    const order = this.#byId.get(orderId);
    const { f64, i32 } = this.#orders;
    const before = f64[order * ORDER_WORDS + QUANTITY] as number;
    if (order === NONE || quantity <= 0 || quantity >= before)
      throw new Error(`order ${orderId} cannot be reduced to ${quantity}`);
    f64[order * ORDER_WORDS + QUANTITY] = quantity;
    this.#adjust(i32[order * ORDER_I32 + LEVEL] as number, before, quantity);
  }

  cancel(orderId: number): number {
    const order = this.#byId.remove(orderId);
    if (order === NONE) return 0;
    const quantity = this.#orders.f64[order * ORDER_WORDS + QUANTITY] as number;
    this.#leave(order, quantity);
    return quantity;
  }

  match(side: Side, limit: number, quantity: number, owner: number, fill: FillListener): number {
    const maker = side === "Buy" ? "Sell" : "Buy";
    const { f64, i32 } = this.#orders;
    let left = quantity;
    while (left > 0) {
      const level = this.#best(maker);
      if (level === NONE) break;
      const price = this.#price(level);
      if (side === "Buy" ? price > limit : price < limit) break;
      const order = this.#levels.i32[level * LEVEL_I32 + OLDEST] as number;
      if (i32[order * ORDER_I32 + OWNER] === owner) break;
      const at = order * ORDER_WORDS;
      const orderId = f64[at + ID] as number;
      const before = f64[at + QUANTITY] as number;
      const traded = Math.min(left, before);
      left -= traded;
      if (traded === before) {
        this.#byId.remove(orderId);
        this.#leave(order, before);
      } else {
        f64[at + QUANTITY] = before - traded;
        this.#adjust(level, before, before - traded);
      }
      fill(orderId, price, traded, before - traded);
    }
    return left;
  }

  /** Goes from level to level, so that asking costs no more where many orders rest. */
  fills(
    side: Side,
    limit: number,
    quantity: number,
    owner: number,
    passesOwn: boolean,
    own: ReadonlyMap<number, readonly number[]>,
  ): boolean {
    const maker = side === "Buy" ? "Sell" : "Buy";
    let left = quantity;
    for (let level = this.#best(maker); level !== NONE; level = this.#worse(maker, level)) {
      const price = this.#price(level);
      if (side === "Buy" ? price > limit : price < limit) return false;
      const ofOwner = own.get(price) ?? [];
      const others = this.#lotsBeside(level, ofOwner);
      if (ofOwner.length > 0 && !passesOwn)
        return left <= others && this.#isAhead(level, left, owner);
      left -= others;
      if (left <= 0) return true;
    }
    return false;
  }

  /** A level's quantity less that of some of its orders; exact up to 2^53. */
  #lotsBeside(level: number, quantities: readonly number[]): number {
    const { f64 } = this.#levels;
    let high = f64[level * LEVEL_WORDS + HIGH] as number;
    let low = f64[level * LEVEL_WORDS + LOW] as number;
    for (const quantity of quantities) {
      high -= Math.floor(quantity / SPLIT);
      low -= quantity % SPLIT;
    }
    return high * SPLIT + low;
  }

  /** Whether a level has so many lots ahead of its first order of an owner. */
  #isAhead(level: number, quantity: number, owner: number): boolean {
    const { f64, i32 } = this.#orders;
    let left = quantity;
    let order = this.#levels.i32[level * LEVEL_I32 + OLDEST] as number;
    for (; order !== NONE && left > 0; order = i32[order * ORDER_I32 + NEWER] as number) {
      if (i32[order * ORDER_I32 + OWNER] === owner) return false;
      left -= f64[order * ORDER_WORDS + QUANTITY] as number;
    }
    return left <= 0;
  }

  levels(side: Side, into: BookSide): void {
    const { f64 } = this.#levels;
    const room = into.price.length;
    let length = 0;
    let level = this.#best(side);
    for (; level !== NONE && length < room; level = this.#worse(side, level)) {
      const at = level * LEVEL_WORDS;
      into.price[length] = f64[at + PRICE] as number;
      into.quantity[length++] = (f64[at + HIGH] as number) * SPLIT + (f64[at + LOW] as number);
    }
    into.length = length;
  }

  *orders(side: Side): Iterable<RestingOrder> {
    for (let level = this.#best(side); level !== NONE; level = this.#worse(side, level)) {
      let order = this.#levels.i32[level * LEVEL_I32 + OLDEST] as number;
      for (; order !== NONE; order = this.#orders.i32[order * ORDER_I32 + NEWER] as number) {
        yield {
          orderId: this.#orders.f64[order * ORDER_WORDS + ID] as number,
          price: this.#price(level),
          quantity: this.#orders.f64[order * ORDER_WORDS + QUANTITY] as number,
          owner: this.#orders.i32[order * ORDER_I32 + OWNER] as number,
        };
      }
    }
  }

  #price(level: number): number {
    return this.#levels.f64[level * LEVEL_WORDS + PRICE] as number;
  }

  #best(side: Side): number {
    return side === "Buy" ? this.#bestBid : this.#higher(this.#bestBid);
  }

  #higher(level: number): number {
    return this.#levels.i32[level * LEVEL_I32 + HIGHER] as number;
  }

  #lower(level: number): number {
    return this.#levels.i32[level * LEVEL_I32 + LOWER] as number;
  }

  /** The next level of a side behind `level`. */
  #worse(side: Side, level: number): number {
    return side === "Buy" ? this.#lower(level) : this.#higher(level);
  }

  /** The level of a price, made and put into its place where it is new. */
  #levelFor(side: Side, price: number): number {
    const ask = this.#best("Sell");
    if (side === "Buy" ? ask !== NONE && price >= this.#price(ask) : price <= this.#bidPrice())
      throw new Error(`an order to ${side} at ${price} would cross the other side`);
    const found = this.#byPrice.get(price);
    if (found !== NONE) return found;
    const level = this.#levels.take();
    const lower = this.#byPrice.add(price, level);
    const higher = this.#higher(lower);
    const { f64, i32 } = this.#levels;
    f64[level * LEVEL_WORDS + PRICE] = price;
    f64[level * LEVEL_WORDS + HIGH] = 0;
    f64[level * LEVEL_WORDS + LOW] = 0;
    i32[level * LEVEL_I32 + LOWER] = lower;
    i32[level * LEVEL_I32 + HIGHER] = higher;
    i32[level * LEVEL_I32 + OLDEST] = NONE;
    i32[level * LEVEL_I32 + NEWEST] = NONE;
    i32[lower * LEVEL_I32 + HIGHER] = level;
    i32[higher * LEVEL_I32 + LOWER] = level;
    if (side === "Buy" && lower === this.#bestBid) this.#bestBid = level;
    return level;
  }

  /** The best bid's price, 0 where there is none. */
  #bidPrice(): number {
    return this.#price(this.#bestBid);
  }

  /** Takes an order that is no longer in the id table out of its level, and an emptied level out. */
  #leave(order: number, quantity: number): void {
    const { i32 } = this.#orders;
    const at = order * ORDER_I32;
    const level = i32[at + LEVEL] as number;
    const newer = i32[at + NEWER] as number;
    const older = i32[at + OLDER] as number;
    this.#orders.give(order);
    if (newer === NONE && older === NONE) {
      this.#removeLevel(level);
      return;
    }
    if (newer === NONE) this.#levels.i32[level * LEVEL_I32 + NEWEST] = older;
    else i32[newer * ORDER_I32 + OLDER] = older;
    if (older === NONE) this.#levels.i32[level * LEVEL_I32 + OLDEST] = newer;
    else i32[older * ORDER_I32 + NEWER] = newer;
    this.#adjust(level, quantity, 0);
  }

  #removeLevel(level: number): void {
    const { i32 } = this.#levels;
    const lower = this.#lower(level);
    const higher = this.#higher(level);
    i32[lower * LEVEL_I32 + HIGHER] = higher;
    i32[higher * LEVEL_I32 + LOWER] = lower;
    if (level === this.#bestBid) this.#bestBid = lower;
    this.#byPrice.remove(this.#price(level));
    this.#levels.give(level);
  }

  /** Brings a level's quantity up to date with one order's. */
  #adjust(level: number, before: number, after: number): void {
    const { f64 } = this.#levels;
    const at = level * LEVEL_WORDS;
    const high = Math.floor(after / SPLIT) - Math.floor(before / SPLIT);
    f64[at + HIGH] = (f64[at + HIGH] as number) + high;
    f64[at + LOW] = (f64[at + LOW] as number) + (after - before - high * SPLIT);
  }
}
