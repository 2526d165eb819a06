import type { MarketId, Order, Position } from "marketcast/client";

/** Finished orders that are remembered. */
const FINISHED_MAX = 100;

export interface AccountEvents {
  changed(): void;
  /** So much of an order was executed, on average at this price. */
  filled(order: Order, quantity: number, price: number): void;
}

/** Orders and positions of the wallet that is signed in. */
export class Account {
  readonly #events: AccountEvents;
  #open = new Map<string, Order>();
  /** The latest one first; only of what happened since the page was loaded. */
  #finished: Order[] = [];
  #positions = new Map<MarketId, Position>();

  constructor(events: AccountEvents) {
    this.#events = events;
  }

  /** The latest one first. */
  get openOrders(): readonly Order[] {
    return [...this.#open.values()].sort((a, b) => b.created_ts - a.created_ts);
  }

  get finishedOrders(): readonly Order[] {
    return this.#finished;
  }

  get positions(): readonly Position[] {
    return [...this.#positions.values()].filter(
      ({ quantity, realized_pnl }) => quantity !== 0 || realized_pnl !== 0,
    );
  }

  clear(): void {
    this.#open = new Map();
    this.#finished = [];
    this.#positions = new Map();
    this.#events.changed();
  }

  /** Takes in all open orders; what was open and is not among them has ended unseen. */
  putOrders(orders: readonly Order[]): void {
    this.#open = new Map(orders.map((order) => [order.order_id, order]));
    this.#events.changed();
  }

  /** Takes in the state of an order; a reply and a push may say the same, or come out of order. */
  putOrder(order: Order): void {
    const known =
      this.#open.get(order.order_id) ??
      this.#finished.find(({ order_id }) => order_id === order.order_id);
    if (known !== undefined && isOlder(order, known)) return;
    this.#noteFill(order, known);
    if (order.status === "Open" || order.status === "PartiallyFilled") {
      this.#open.set(order.order_id, order);
    } else {
      this.#open.delete(order.order_id);
      const others = this.#finished.filter(({ order_id }) => order_id !== order.order_id);
      this.#finished = [order, ...others].slice(0, FINISHED_MAX);
    }
    this.#events.changed();
  }

  putPositions(positions: readonly Position[]): void {
    this.#positions = new Map(positions.map((position) => [position.market_id, position]));
    this.#events.changed();
  }

  putPosition(position: Position): void {
    this.#positions.set(position.market_id, position);
    this.#events.changed();
  }

  #noteFill(order: Order, known: Order | undefined): void {
    const before = known?.filled_quantity ?? 0;
    const quantity = order.filled_quantity - before;
    if (quantity <= 0 || order.average_price === undefined) return;
    const value =
      order.average_price * order.filled_quantity - (known?.average_price ?? 0) * before;
    this.#events.filled(order, quantity, value / quantity);
  }
}

function isOlder(order: Order, known: Order): boolean {
  return (
    order.updated_ts < known.updated_ts ||
    order.filled_quantity < known.filled_quantity ||
    ((known.status === "Filled" || known.status === "Cancelled") && order.status !== known.status)
  );
}
