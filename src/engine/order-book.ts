import type { BookSide, Side } from "../shared/market.js";

/**
 * The resting orders of one market, in price-time priority. Prices in ticks, quantities in lots, all
 * integers up to 2^53−1; `owner` is a small integer that stands for a wallet.
 *
 * A book does as it is told: whether an order may be placed is the engine's decision. A caller that
 * breaks a precondition has a bug, and gets an Error.
 */
export interface OrderBook {
  /** Best price of a side, undefined where it is empty. */
  best(side: Side): number | undefined;
  /** Orders that rest. */
  readonly size: number;
  /**
   * Rests an order behind all others of its price. The id is new, the quantity positive, and the
   * price does not cross the other side.
   */
  add(orderId: number, side: Side, price: number, quantity: number, owner: number): void;
  /** The id of the best order of a side, the oldest of its price; undefined where there is none. */
  front(side: Side): number | undefined;
  /** Leaves less of a resting order, which keeps its place: more than 0, and less than there is. */
  reduce(orderId: number, quantity: number): void;
  /** Takes an order out; returns what was left of it, 0 where it does not rest here. */
  cancel(orderId: number): number;
  /**
   * Trades an incoming order of `side` against the other side, best price first, oldest first, up to
   * `limit` (±Infinity for a Market order), and returns what is left of `quantity`. Stops in front of
   * an order of the same owner. `fill` hears of every trade, at the resting order's price, after the
   * book has changed; it must not touch the book.
   */
  match(side: Side, limit: number, quantity: number, owner: number, fill: FillListener): number;
  /**
   * Whether {@link match} would leave nothing of `quantity`; with `passesOwn` as if the owner's own orders
   * were not there.
   * @param own quantities of the owner's orders that rest on the other side, by price
   */
  fills(
    side: Side,
    limit: number,
    quantity: number,
    owner: number,
    passesOwn: boolean,
    own: ReadonlyMap<number, readonly number[]>,
  ): boolean;
  /**
   * Writes the best levels of a side into `into`, as many as it has room for. Quantities are summed;
   * a sum past 2^53 is the nearest number.
   */
  levels(side: Side, into: BookSide): void;
  /** Every resting order of a side in its priority, for comparison and checks. */
  orders(side: Side): Iterable<RestingOrder>;
}

/** @param left what remains of the resting order; at 0 it has left the book */
export type FillListener = (
  makerOrderId: number,
  price: number,
  quantity: number,
  left: number,
) => void;

export interface RestingOrder {
  readonly orderId: number;
  readonly price: number;
  readonly quantity: number;
  readonly owner: number;
}

export function opposite(side: Side): Side {
  return side === "Buy" ? "Sell" : "Buy";
}
