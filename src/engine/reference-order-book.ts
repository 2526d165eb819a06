import type { BookSide, Side } from "../shared/market.js";
import { type FillListener, type OrderBook, opposite, type RestingOrder } from "./order-book.js";

interface Resting extends RestingOrder {
  quantity: number;
}

/**
 * The book as anybody would write it down: an array of orders a side, the best first. It is what
 * {@link OrderBook} means; tests and benches hold the fast book against it.
 */
export class ReferenceOrderBook implements OrderBook {
  readonly #sides: Readonly<Record<Side, Resting[]>> = { Buy: [], Sell: [] };

  get size(): number {
    return this.#sides.Buy.length + this.#sides.Sell.length;
  }

  best(side: Side): number | undefined {
    return this.#sides[side][0]?.price;
  }

  add(orderId: number, side: Side, price: number, quantity: number, owner: number): void {
    const best = this.best(opposite(side));
    if (best !== undefined && reaches(side, price, best))
      throw new Error(`order ${orderId} at ${price} would cross the best price ${best}`);
    if (this.#find(orderId) !== undefined) throw new Error(`order ${orderId} rests already`);
    const orders = this.#sides[side];
    const behind = orders.findIndex((other) => !reaches(opposite(side), price, other.price));
    orders.splice(behind < 0 ? orders.length : behind, 0, { orderId, price, quantity, owner });
  }

  front(side: Side): number | undefined {
    return this.#sides[side][0]?.orderId;
  }

  reduce(orderId: number, quantity: number): void {
    const found = this.#find(orderId);
    const order = found?.orders[found.index];
    if (order === undefined || quantity <= 0 || quantity >= order.quantity)
      throw new Error(`order ${orderId} cannot be reduced to ${quantity}`);
    order.quantity = quantity;
  }

  cancel(orderId: number): number {
    const found = this.#find(orderId);
    if (found === undefined) return 0;
    const { orders, index } = found;
    return orders.splice(index, 1)[0]?.quantity ?? 0;
  }

  match(side: Side, limit: number, quantity: number, owner: number, fill: FillListener): number {
    const orders = this.#sides[opposite(side)];
    let left = quantity;
    while (left > 0) {
      const maker = orders[0];
      if (maker === undefined || !reaches(side, limit, maker.price) || maker.owner === owner) break;
      const traded = Math.min(left, maker.quantity);
      left -= traded;
      maker.quantity -= traded;
      if (maker.quantity === 0) orders.shift();
      fill(maker.orderId, maker.price, traded, maker.quantity);
    }
    return left;
  }

  fills(side: Side, limit: number, quantity: number, owner: number, passesOwn: boolean): boolean {
    let left = quantity;
    for (const maker of this.#sides[opposite(side)]) {
      if (left <= 0 || !reaches(side, limit, maker.price)) break;
      if (maker.owner !== owner) left -= maker.quantity;
      else if (!passesOwn) break;
    }
    return left <= 0;
  }

  levels(side: Side, into: BookSide): void {
    const levels = new Map<number, bigint>();
    for (const { price, quantity } of this.#sides[side])
      levels.set(price, (levels.get(price) ?? 0n) + BigInt(quantity));
    into.length = 0;
    for (const [price, quantity] of levels) {
      if (into.length === into.price.length) break;
      into.price[into.length] = price;
      into.quantity[into.length++] = Number(quantity);
    }
  }

  *orders(side: Side): Iterable<RestingOrder> {
    for (const order of this.#sides[side]) yield { ...order };
  }

  #find(orderId: number): { orders: Resting[]; index: number } | undefined {
    for (const orders of Object.values(this.#sides)) {
      const index = orders.findIndex((order) => order.orderId === orderId);
      if (index >= 0) return { orders, index };
    }
    return undefined;
  }
}

/** Whether an order of `side` at `limit` trades at `price`. */
function reaches(side: Side, limit: number, price: number): boolean {
  return side === "Buy" ? price <= limit : price >= limit;
}
