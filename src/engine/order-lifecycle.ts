import type { Side } from "../shared/market.js";
import { isOpen } from "../shared/order.js";
import { tradingLimit } from "./bound-rules.js";
import type { ChangeLog } from "./change-log.js";
import type { ClientOrderIds } from "./client-order-ids.js";
import type { EngineEvent } from "./commands.js";
import type { Deadlines } from "./deadlines.js";
import { crosses, limitOf, type Market } from "./market.js";
import type { OpenOrders } from "./open-orders.js";
import type { CancelCause, Order, Trade } from "./order.js";
import { opposite } from "./order-book.js";
import { CANCEL_CAUSE, restCause } from "./order-rules.js";
import { amendedOrder, cancelledOrder, filledOrder } from "./order-versions.js";
import { afterFill, flatPosition, type Holding, type Positions } from "./positions.js";

interface OrderLifecycleContext {
  readonly open: OpenOrders;
  readonly positions: Positions;
  readonly clientOrderIds: ClientOrderIds;
  readonly deadlines: Deadlines;
  readonly changes: ChangeLog;
}

/**
 * What moves an order from one version to the next, and what follows from it: the book, the wallet's open
 * orders and its holding, the client order id, the deadline. Whether it may be moved is the engine's to say.
 */
export class OrderLifecycle {
  readonly #context: OrderLifecycleContext;
  /** The time that has passed, as the present command says. */
  passed = 0;
  nextTradeId = 1;

  constructor(context: OrderLifecycleContext) {
    this.#context = context;
  }

  /** Has a new order trade, and rest or end; its last event of an order is of it. */
  place(market: Market, placed: Order, ts: number): readonly EngineEvent[] {
    const { clientOrderIds } = this.#context;
    const { clientOrderId, wallet, orderId } = placed;
    if (clientOrderId !== undefined) clientOrderIds.add({ wallet, clientOrderId, orderId });
    return this.#enter(market, placed, ts, false);
  }

  /**
   * Has an open order go on with another price or quantity: at its place where `priority` is the one that
   * it had, else as one that comes anew. Its last event of an order is of it.
   */
  amend(
    market: Market,
    order: Order,
    price: number | undefined,
    quantity: number,
    priority: number,
    ts: number,
  ): readonly EngineEvent[] {
    const { open, positions, changes } = this.#context;
    const amended = amendedOrder(order, price, quantity, priority, ts);
    const left = quantity - order.filled;
    if (priority === order.priority && left > 0) {
      market.book.reduce(order.orderId, left);
      positions.changeOpen(order, quantity - order.quantity);
      open.replace(amended);
      changes.order(amended);
      return [{ type: "order", order: amended }];
    }
    positions.changeOpen(order, -market.book.cancel(order.orderId));
    return this.#enter(market, amended, ts, true);
  }

  /** Cancels an open order; returns its last version. */
  cancel({ book }: Pick<Market, "book">, order: Order, cause: CancelCause, ts: number): Order {
    const { positions, changes } = this.#context;
    positions.changeOpen(order, -book.cancel(order.orderId));
    const cancelled = cancelledOrder(order, cause, ts);
    this.#finish(cancelled);
    changes.order(cancelled);
    return cancelled;
  }

  /** Puts what is left of an open order into its book, behind all others of its price. */
  rest({ book }: Pick<Market, "book">, order: Order, owner: number): void {
    const left = order.quantity - order.filled;
    book.add(order.orderId, order.side, limitOf(order), left, owner);
    this.#context.positions.changeOpen(order, left);
    this.#context.deadlines.add(order);
  }

  /** @param wasOpen whether it is among the open orders, and in no book */
  #enter(market: Market, order: Order, ts: number, wasOpen: boolean): readonly EngineEvent[] {
    const events: EngineEvent[] = [];
    const traded = new Set<Holding>();
    const limit = tradingLimit(order, market);
    const matched = isOpen(order) ? this.#match(market, order, limit, ts, events, traded) : order;
    const settled = this.#settle(market, matched, limit, ts, wasOpen);
    events.push({ type: "order", order: settled });
    for (const { position } of traded)
      if (position !== undefined) events.push({ type: "position", position });
    return events;
  }

  /** Trades an incoming order as far as its terms and `limit` allow; returns its version after that. */
  #match(
    market: Market,
    placed: Order,
    limit: number,
    ts: number,
    events: EngineEvent[],
    traded: Set<Holding>,
  ): Order {
    const { open } = this.#context;
    const { side, wallet, timeInForce, selfTrade } = placed;
    const { book } = market;
    const owner = open.ownerOf(wallet);
    let left = placed.quantity - placed.filled;
    const passesOwn = selfTrade === "CancelMaker";
    if (timeInForce === "FOK") {
      const own = this.#ownByPrice(placed, opposite(side));
      if (!book.fills(side, limit, left, owner, passesOwn, own))
        return cancelledOrder(placed, CANCEL_CAUSE.fillOrKill, ts);
    }
    let taker = placed;
    for (;;) {
      left = book.match(side, limit, left, owner, (makerOrderId, price, filled) => {
        const resting = open.get(makerOrderId);
        if (resting === undefined) throw new Error(`order ${makerOrderId} rests and is not open`);
        const maker = filledOrder(resting, price, filled, ts);
        taker = filledOrder(taker, price, filled, ts);
        this.#trade(market, maker, taker, price, filled, ts, events, traded);
      });
      if (left === 0 || selfTrade === "CancelTaker" || !crosses(book, side, limit)) return taker;
      // The best order of the other side is one of the same wallet.
      const own = open.get(book.front(opposite(side)) as number);
      if (own?.wallet !== wallet) throw new Error("engine: matching stopped before its end");
      const cancelled = this.cancel(market, own, CANCEL_CAUSE.selfTradeMaker, ts);
      events.push({ type: "order", order: cancelled });
      if (selfTrade === "CancelBoth") return cancelledOrder(taker, CANCEL_CAUSE.selfTradeTaker, ts);
    }
  }

  /** What is open of the orders that the wallet of an order has resting on a side of its market, by price. */
  #ownByPrice({ wallet, marketId }: Order, side: Side): ReadonlyMap<number, readonly number[]> {
    const { open, positions } = this.#context;
    const own = new Map<number, number[]>();
    if (!positions.hasOpen(wallet, marketId, side)) return own;
    for (const order of open.ofWallet(wallet)) {
      if (order.marketId !== marketId || order.side !== side) continue;
      const left = order.quantity - order.filled;
      const others = own.get(limitOf(order));
      if (others === undefined) own.set(limitOf(order), [left]);
      else others.push(left);
    }
    return own;
  }

  /** @param maker, taker their versions after the trade */
  #trade(
    market: Market,
    maker: Order,
    taker: Order,
    price: number,
    quantity: number,
    ts: number,
    events: EngineEvent[],
    traded: Set<Holding>,
  ): void {
    const { open, positions, changes } = this.#context;
    const { marketId } = taker;
    const trade: Trade = {
      tradeId: this.nextTradeId++,
      marketId,
      price,
      quantity,
      takerSide: taker.side,
      makerOrderId: maker.orderId,
      takerOrderId: taker.orderId,
      makerWallet: maker.wallet,
      takerWallet: taker.wallet,
      makerClientOrderId: maker.clientOrderId,
      takerClientOrderId: taker.clientOrderId,
      ts,
    };
    events.push({ type: "trade", trade }, { type: "order", order: maker });
    changes.trade(trade);
    changes.order(maker);
    traded.add(this.#fillPosition(taker, price, quantity, ts));
    traded.add(this.#fillPosition(maker, price, quantity, ts));
    positions.changeOpen(maker, -quantity);
    if (isOpen(maker)) open.replace(maker);
    else this.#finish(maker);
    const volume = market.totals.volume + quantity;
    market.totals = {
      marketId,
      lastPrice: price,
      // No larger one could be sent as an exact number.
      volume: Math.min(volume, market.instrument.quantityScale.countMax),
    };
    changes.totals(market, market.totals);
  }

  /** Applies a fill of an order to its wallet's position; returns the holding that it changed. */
  #fillPosition(order: Order, price: number, quantity: number, ts: number): Holding {
    const { positions, changes } = this.#context;
    const { wallet, marketId, side } = order;
    const holding = positions.take(wallet, marketId);
    const before = holding.position ?? flatPosition(wallet, marketId);
    const after = afterFill(before, side, price, quantity, ts);
    positions.set(holding, after);
    changes.position(holding, after);
    return holding;
  }

  /** Lets what is left of a matched order rest or end; returns its version after the command. */
  #settle(market: Market, matched: Order, limit: number, ts: number, wasOpen: boolean): Order {
    const { open, changes } = this.#context;
    const cause = isOpen(matched) ? restCause(matched, market, limit) : undefined;
    const order = cause === undefined ? matched : cancelledOrder(matched, cause, ts);
    if (!isOpen(order)) {
      if (wasOpen) this.#finish(order);
      else this.#finishClientOrderId(order);
    } else if (wasOpen) {
      open.replace(order);
      this.rest(market, order, open.ownerOf(order.wallet));
    } else this.rest(market, order, open.add(order));
    changes.order(order);
    return order;
  }

  /** An order that was open has its last version. */
  #finish(order: Order): void {
    this.#context.open.remove(order);
    this.#context.deadlines.remove(order);
    this.#finishClientOrderId(order);
  }

  #finishClientOrderId({ wallet, clientOrderId }: Order): void {
    if (clientOrderId !== undefined)
      this.#context.clientOrderIds.finish(wallet, clientOrderId, this.passed);
  }
}
