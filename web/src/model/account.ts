import type { Fill, MarketId, Order, Position } from "marketcast/client";

/** Finished orders, and fills, that are remembered each. */
export const REMEMBERED_MAX = 1000;

export interface AccountEvents {
  changed(): void;
  /** So much of an order was executed, on average at this price. */
  filled(order: Order, quantity: number, price: number): void;
}

/** Orders, fills and positions of the wallet that is signed in. */
export class Account {
  readonly #events: AccountEvents;
  #open = new Map<string, Order>();
  #finished = new Map<string, Order>();
  /** By trade and order: a wallet may have both sides of a trade. */
  #fills = new Map<string, Fill>();
  #positions = new Map<MarketId, Position>();

  constructor(events: AccountEvents) {
    this.#events = events;
  }

  /** The latest one first. */
  get openOrders(): readonly Order[] {
    return [...this.#open.values()].sort((a, b) => b.created_ts - a.created_ts);
  }

  /** What ended last first. */
  get finishedOrders(): readonly Order[] {
    return [...this.#finished.values()].sort(
      (a, b) => b.updated_ts - a.updated_ts || Number(b.order_id) - Number(a.order_id),
    );
  }

  /** The latest one first. */
  get fills(): readonly Fill[] {
    return [...this.#fills.values()].sort(
      (a, b) => b.ts - a.ts || Number(b.trade_id) - Number(a.trade_id),
    );
  }

  get positions(): readonly Position[] {
    return [...this.#positions.values()].filter(
      ({ quantity, realized_pnl }) => quantity !== 0 || realized_pnl !== 0,
    );
  }

  clear(): void {
    this.#open = new Map();
    this.#finished = new Map();
    this.#fills = new Map();
    this.#positions = new Map();
    this.#events.changed();
  }

  /** Takes in all open orders; what was open and is not among them has ended unseen. */
  putOrders(orders: readonly Order[]): void {
    this.#open = new Map(orders.map((order) => [order.order_id, order]));
    this.#events.changed();
  }

  /** Takes in finished orders of the history; what is known of them may be younger. */
  putFinished(orders: readonly Order[]): void {
    for (const order of orders) {
      const known = this.#knownAs(order.order_id);
      if (known === undefined || !isOlder(order, known)) this.#finish(order);
    }
    this.#events.changed();
  }

  putFills(fills: readonly Fill[]): void {
    for (const fill of fills) this.#fills.set(`${fill.trade_id} ${fill.order_id}`, fill);
    for (const { trade_id, order_id } of this.fills.slice(REMEMBERED_MAX))
      this.#fills.delete(`${trade_id} ${order_id}`);
    this.#events.changed();
  }

  /** Takes in the state of an order; a reply and a push may say the same, or come out of order. */
  putOrder(order: Order): void {
    const known = this.#knownAs(order.order_id);
    if (known !== undefined && isOlder(order, known)) return;
    this.#noteFill(order, known);
    if (order.status === "Open" || order.status === "PartiallyFilled")
      this.#open.set(order.order_id, order);
    else this.#finish(order);
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

  #knownAs(orderId: string): Order | undefined {
    return this.#open.get(orderId) ?? this.#finished.get(orderId);
  }

  #finish(order: Order): void {
    this.#open.delete(order.order_id);
    this.#finished.set(order.order_id, order);
    if (this.#finished.size <= REMEMBERED_MAX) return;
    const oldest = this.finishedOrders.at(-1);
    if (oldest !== undefined) this.#finished.delete(oldest.order_id);
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
