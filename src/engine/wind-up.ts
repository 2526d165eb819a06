import type { ChangeLog } from "./change-log.js";
import type { Market } from "./market.js";
import type { CancelCause, Order, Position } from "./order.js";
import { afterFill, type Holding, type Positions } from "./positions.js";

export interface WindUpContext {
  readonly positions: Positions;
  readonly changes: ChangeLog;
  /** The order of that id, which rests. */
  readonly openOrder: (orderId: number) => Order;
  /** Cancels an open order and returns its last version. */
  readonly cancel: (market: Market, order: Order, cause: CancelCause, ts: number) => Order;
}

/** How a market ends: its orders are cancelled, and where there is a price, its positions are closed at that. */
export interface Ending {
  readonly cause: CancelCause;
  /** In ticks. */
  readonly price: number | undefined;
}

/** What a step has done. */
interface WoundUp {
  readonly orders: readonly Order[];
  /** The latest version of each that was changed. */
  readonly positions: readonly Position[];
}

/**
 * The end of one market that takes no orders any more, step by step.
 *
 * Positions are closed in pairs: a long one and a short one, as many lots as the smaller of them has, both at the
 * market's price, as if the two had traded. So the market's positions add up to zero after every step, in lots
 * and in money, wherever it stops; a start that finds some left begins anew, and the flat ones have nothing to
 * be closed. When all are flat, their realized profits add up to zero.
 *
 * Invariant: `#unpaired` are the holdings gone through that are not flat, all long or all short. Nothing else
 * changes a position of the market.
 */
export class WindUp {
  readonly #market: Market;
  readonly #ending: Ending;
  readonly #context: WindUpContext;
  readonly #holdings: Iterator<Holding>;
  /** The one that is being closed. */
  #present: Holding | undefined;
  readonly #unpaired: Holding[] = [];

  constructor(market: Market, ending: Ending, context: WindUpContext) {
    this.#market = market;
    this.#ending = ending;
    this.#context = context;
    const { marketId } = market.instrument;
    const held = ending.price === undefined ? [] : context.positions.ofMarket(marketId);
    this.#holdings = held[Symbol.iterator]();
  }

  /**
   * Goes on; returns what it has done, and how much is left of `most`, which counts orders, holdings looked at and
   * pairs closed: where anything is, the market is wound up.
   */
  step(most: number, ts: number): WoundUp & { readonly left: number } {
    let left = most;
    const orders: Order[] = [];
    for (; left > 0; left--) {
      const order = this.#nextOrder();
      if (order === undefined) break;
      orders.push(this.#context.cancel(this.#market, order, this.#ending.cause, ts));
    }
    const changed = new Set<Holding>();
    for (; left > 0; left--) {
      this.#present ??= this.#holdings.next().value;
      if (this.#present === undefined) break;
      if (this.#isDone(this.#present, changed, ts)) this.#present = undefined;
    }
    if (left > 0 && this.#unpaired.length > 0)
      throw new Error(
        `market ${this.#market.instrument.marketId}: its positions do not cancel out`,
      );
    const positions = [...changed].flatMap(({ position }) => position ?? []);
    return { orders, positions, left };
  }

  #nextOrder(): Order | undefined {
    const { book } = this.#market;
    const orderId = book.front("Buy") ?? book.front("Sell");
    return orderId === undefined ? undefined : this.#context.openOrder(orderId);
  }

  /** Closes a holding against one of the other side; returns whether it is flat then, or has to wait for others. */
  #isDone(holding: Holding, changed: Set<Holding>, ts: number): boolean {
    const held = quantityOf(holding);
    if (held === 0) return true;
    const other = this.#unpaired.at(-1);
    if (other === undefined || Math.sign(quantityOf(other)) === Math.sign(held)) {
      this.#unpaired.push(holding);
      return true;
    }
    const lots = Math.min(Math.abs(held), Math.abs(quantityOf(other)));
    for (const one of [holding, other]) {
      this.#close(one, lots, ts);
      changed.add(one);
    }
    if (quantityOf(other) === 0) this.#unpaired.pop();
    return quantityOf(holding) === 0;
  }

  /** Closes so many lots of a holding at the market's price. */
  #close(holding: Holding, lots: number, ts: number): void {
    const { position } = holding;
    const { price } = this.#ending;
    if (position === undefined || price === undefined) throw new Error("nothing is to be paid");
    const side = position.quantity > 0 ? "Sell" : "Buy";
    const after = afterFill(position, side, price, lots, ts);
    this.#context.positions.set(holding, after);
    this.#context.changes.position(holding, after);
  }
}

function quantityOf({ position }: Holding): number {
  return position?.quantity ?? 0;
}
