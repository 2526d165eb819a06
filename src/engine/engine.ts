import type { MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { isOpen } from "../shared/order.js";
import { ChangeLog } from "./change-log.js";
import { type ClientOrderIdLimits, ClientOrderIds } from "./client-order-ids.js";
import type { Command, EngineChanges, EngineEvent, EngineState } from "./commands.js";
import { type Instrument, limitOf, type Market } from "./market.js";
import { OpenOrders } from "./open-orders.js";
import type { MarketTotals, Order, OrderTerms, Position, Trade } from "./order.js";
import type { OrderBook } from "./order-book.js";
import {
  cancelReason,
  checkOrder,
  FILL_OR_KILL_REASON,
  type WalletFigures,
} from "./order-rules.js";
import { cancelledOrder, filledOrder, newOrder } from "./order-versions.js";
import { afterFill, exposure, flatPosition, type Holding, Positions } from "./positions.js";
import { TrieOrderBook } from "./trie-order-book.js";

export interface EngineLimits extends ClientOrderIdLimits {
  /** Open orders of a wallet. */
  readonly maxOpenOrders: number;
}

/** The order that a client order id was used for. */
export interface KnownOrder {
  readonly orderId: number;
  /** Undefined once it has finished and its changes have been taken: then it is in the store. */
  readonly order: Order | undefined;
}

/**
 * Matches orders. Deterministic: it reads no clock and does no I/O, so equal commands at equal times
 * give equal events, whatever book it runs on.
 *
 * Invariants, after each command:
 * - An order is open if and only if it rests in its market's book, with its quantity less what is
 *   filled. No book is crossed.
 * - Order and trade ids ascend and are never used twice.
 * - Of each market, the positions' quantities sum to 0, and so does `realizedPnl − cost`.
 * - Every holding's open quantities are the sums over its wallet's open orders.
 */
export class Engine {
  readonly #limits: EngineLimits;
  readonly #createBook: () => OrderBook;
  readonly #markets = new Map<MarketId, Market>();
  readonly #open = new OpenOrders();
  readonly #positions = new Positions();
  readonly #clientOrderIds: ClientOrderIds;
  readonly #changes = new ChangeLog();
  /** The time that has passed, as the present command says. */
  #passed = 0;
  #nextOrderId = 1;
  #nextTradeId = 1;

  /** @param createBook makes a market's book, the fast one unless told otherwise */
  constructor(limits: EngineLimits, createBook: () => OrderBook = () => new TrieOrderBook()) {
    this.#limits = limits;
    this.#createBook = createBook;
    this.#clientOrderIds = new ClientOrderIds(limits);
  }

  /** Lists a market; all are listed before {@link restore}. Throws where it is listed already. */
  list(instrument: Instrument): void {
    const { marketId, status } = instrument;
    if (this.#markets.has(marketId)) throw new Error(`market ${marketId} is listed already`);
    const totals: MarketTotals = { marketId, lastPrice: undefined, volume: 0 };
    this.#markets.set(marketId, { instrument, book: this.#createBook(), status, totals });
  }

  /**
   * Takes over the state of an earlier engine, once, before any command. Throws where it has had one,
   * and where the state does not fit: open orders or totals of a market that is not listed, ids that
   * do not ascend.
   */
  restore(state: EngineState): void {
    for (const _ of this.restoring(state));
  }

  /**
   * Restores record by record, and yields after each, so that a thread may do other things in between:
   * there may be millions.
   *
   * @param passedAt the time that had passed at a `ts`, where the two are not one; see {@link execute}
   */
  *restoring(state: EngineState, passedAt = (ts: number): number => ts): Generator<void, void> {
    if (this.#nextOrderId > 1) throw new Error("an engine restores before its first command only");
    for (const totals of state.totals) {
      this.#listed(totals.marketId).totals = totals;
      yield;
    }
    for (const position of state.positions) {
      this.#positions.take(position.wallet, position.marketId).position = position;
      yield;
    }
    for (const finished of state.clientOrderIds) {
      this.#clientOrderIds.add(finished, passedAt(finished.finishedTs));
      yield;
    }
    let last = 0;
    for (const order of state.openOrders) {
      const { orderId } = order;
      if (orderId <= last || orderId >= state.nextOrderId || !isOpen(order))
        throw new Error(`order ${orderId} cannot be restored as the next open one after ${last}`);
      last = orderId;
      this.#rest(this.#listed(order.marketId), order);
      this.#rememberClientOrderId(order);
      yield;
    }
    this.#nextOrderId = state.nextOrderId;
    this.#nextTradeId = state.nextTradeId;
  }

  /**
   * Carries out a command and tells what came of it.
   *
   * @param ts microseconds since the Unix epoch
   * @param passed microseconds that have passed from some moment on, by a clock that nobody sets: how
   *   long client order ids are remembered is measured by it
   */
  execute(command: Command, ts: number, passed = ts): readonly EngineEvent[] {
    this.#passed = passed;
    this.#clientOrderIds.expire(passed);
    switch (command.type) {
      case "place":
        return this.#place(command.terms, ts);
      case "cancel":
        return [this.#cancel(command, ts)];
      case "end-session":
        return this.#endSession(command.session, command.reason, ts);
      case "set-status":
        return this.#setStatus(command.marketId, command.status);
    }
  }

  /** What has changed since the last call. The caller commits it, and asks after each batch. */
  takeChanges(): EngineChanges {
    return this.#changes.take(this.#nextOrderId, this.#nextTradeId);
  }

  openOrder(orderId: number): Order | undefined {
    return this.#open.get(orderId);
  }

  /** Open orders of a wallet, by ascending id. */
  openOrders(wallet: string): Iterable<Order> {
    return this.#open.ofWallet(wallet);
  }

  /**
   * The order that a wallet used a client order id for, undefined where the id is free.
   * @param passed as of a command
   */
  knownOrder(wallet: string, clientOrderId: string, passed: number): KnownOrder | undefined {
    const orderId = this.#clientOrderIds.find(wallet, clientOrderId, passed);
    if (orderId === undefined) return undefined;
    return { orderId, order: this.#open.get(orderId) ?? this.#changes.orderOf(orderId) };
  }

  /** Client order ids that are remembered, of all wallets. */
  get clientOrderIds(): number {
    return this.#clientOrderIds.size;
  }

  /** Positions of a wallet, flat ones that have a history too. */
  positions(wallet: string): Iterable<Position> {
    return this.#positions.ofWallet(wallet);
  }

  hasSession(session: string): boolean {
    return this.#open.hasSession(session);
  }

  /** Sessions that have open orders. */
  sessions(): Iterable<string> {
    return this.#open.sessions();
  }

  book(marketId: MarketId): Pick<OrderBook, "best" | "levels"> | undefined {
    return this.#markets.get(marketId)?.book;
  }

  totals(marketId: MarketId): MarketTotals | undefined {
    return this.#markets.get(marketId)?.totals;
  }

  marketStatus(marketId: MarketId): MarketStatus | undefined {
    return this.#markets.get(marketId)?.status;
  }

  #place(terms: OrderTerms, ts: number): readonly EngineEvent[] {
    const { wallet, clientOrderId, marketId } = terms;
    if (clientOrderId !== undefined) {
      const known = this.knownOrder(wallet, clientOrderId, this.#passed);
      if (known !== undefined) return [{ type: "duplicate", ...known }];
    }
    const market = this.#markets.get(marketId);
    if (market === undefined) return [notListed(marketId)];
    const rejection = checkOrder(terms, market, this.#walletFigures(terms), this.#limits);
    if (rejection !== undefined) return [{ type: "rejected", rejection }];

    const placed = newOrder(terms, this.#nextOrderId++, ts);
    this.#rememberClientOrderId(placed);
    const events: EngineEvent[] = [];
    const traded = new Set<Holding>();
    const order = this.#settle(market, this.#match(market, placed, ts, events, traded), ts);
    events.push({ type: "order", order });
    for (const { position } of traded)
      if (position !== undefined) events.push({ type: "position", position });
    return events;
  }

  #walletFigures(terms: OrderTerms): WalletFigures {
    const { wallet, marketId, side, clientOrderId } = terms;
    const holding = this.#positions.get(wallet, marketId);
    return {
      openOrders: this.#open.countOf(wallet),
      exposure: holding === undefined ? 0 : exposure(holding, side),
      clientOrderIdsFull:
        clientOrderId === undefined
          ? undefined
          : this.#clientOrderIds.fullFor(wallet, this.#passed),
    };
  }

  /** Trades an incoming order as far as its terms allow; returns its version after that. */
  #match(
    market: Market,
    placed: Order,
    ts: number,
    events: EngineEvent[],
    traded: Set<Holding>,
  ): Order {
    const { marketId, side, quantity, wallet, orderId, timeInForce } = placed;
    const limit = limitOf(placed);
    const owner = this.#open.ownerOf(wallet);
    if (timeInForce === "FOK" && !market.book.fills(side, limit, quantity, owner))
      return cancelledOrder(placed, FILL_OR_KILL_REASON, ts);
    let taker = placed;
    market.book.match(side, limit, quantity, owner, (makerOrderId, price, filled) => {
      const resting = this.#open.get(makerOrderId);
      if (resting === undefined) throw new Error(`order ${makerOrderId} rests and is not open`);
      const maker = filledOrder(resting, price, filled, ts);
      taker = filledOrder(taker, price, filled, ts);
      const trade: Trade = {
        tradeId: this.#nextTradeId++,
        marketId,
        price,
        quantity: filled,
        takerSide: side,
        makerOrderId,
        takerOrderId: orderId,
        makerWallet: maker.wallet,
        takerWallet: wallet,
        makerClientOrderId: maker.clientOrderId,
        takerClientOrderId: placed.clientOrderId,
        ts,
      };
      events.push({ type: "trade", trade }, { type: "order", order: maker });
      this.#changes.trade(trade);
      this.#changes.order(maker);
      traded.add(this.#fillPosition(taker, price, filled, ts));
      traded.add(this.#fillPosition(maker, price, filled, ts));
      this.#positions.changeOpen(maker, -filled);
      if (isOpen(maker)) this.#open.replace(maker);
      else this.#finish(maker);
      const volume = market.totals.volume + filled;
      market.totals = {
        marketId,
        lastPrice: price,
        // No larger one could be sent as an exact number.
        volume: Math.min(volume, market.instrument.quantityScale.countMax),
      };
      this.#changes.totals(market, market.totals);
    });
    return taker;
  }

  /** Applies a fill of an order to its wallet's position; returns the holding that it changed. */
  #fillPosition(order: Order, price: number, quantity: number, ts: number): Holding {
    const { wallet, marketId, side } = order;
    const holding = this.#positions.take(wallet, marketId);
    const before = holding.position ?? flatPosition(wallet, marketId);
    holding.position = afterFill(before, side, price, quantity, ts);
    this.#changes.position(holding, holding.position);
    return holding;
  }

  /** Lets what is left of a matched order rest or end; returns its version after the command. */
  #settle(market: Market, matched: Order, ts: number): Order {
    const reason = isOpen(matched) ? cancelReason(matched, market) : undefined;
    const order = reason === undefined ? matched : cancelledOrder(matched, reason, ts);
    if (isOpen(order)) this.#rest(market, order);
    else this.#finishClientOrderId(order);
    this.#changes.order(order);
    return order;
  }

  #rest({ book }: Market, order: Order): void {
    const left = order.quantity - order.filled;
    book.add(order.orderId, order.side, limitOf(order), left, this.#open.add(order));
    this.#positions.changeOpen(order, left);
  }

  #cancel(command: Extract<Command, { readonly type: "cancel" }>, ts: number): EngineEvent {
    const { wallet, order: reference, reason = "requested" } = command;
    if ("orderId" in reference) {
      const order = this.#open.get(reference.orderId);
      // Another wallet's order is answered as one that is not there, so that nobody learns of it.
      return order?.wallet === wallet
        ? this.#cancelOpen(order, reason, ts)
        : notFound(`the wallet has no open order ${reference.orderId}`);
    }
    const { clientOrderId } = reference;
    const known = this.knownOrder(wallet, clientOrderId, this.#passed);
    if (known === undefined)
      return notFound(`the wallet has no open order with client order id ${clientOrderId}`);
    return known.order === undefined || !isOpen(known.order)
      ? notFound(`order ${known.orderId}, client order id ${clientOrderId}, is finished`)
      : this.#cancelOpen(known.order, reason, ts);
  }

  #endSession(session: string, reason: string, ts: number): readonly EngineEvent[] {
    return this.#open.ofSession(session).map((order) => this.#cancelOpen(order, reason, ts));
  }

  #cancelOpen(order: Order, reason: string, ts: number): EngineEvent {
    const left = this.#listed(order.marketId).book.cancel(order.orderId);
    this.#positions.changeOpen(order, -left);
    const cancelled = cancelledOrder(order, reason, ts);
    this.#finish(cancelled);
    this.#changes.order(cancelled);
    return { type: "order", order: cancelled };
  }

  #setStatus(marketId: MarketId, status: MarketStatus): readonly EngineEvent[] {
    const market = this.#markets.get(marketId);
    if (market === undefined) return [notListed(marketId)];
    market.status = status;
    return [];
  }

  /** An order that was open has its last version. */
  #finish(order: Order): void {
    this.#open.remove(order);
    this.#finishClientOrderId(order);
  }

  #rememberClientOrderId({ wallet, clientOrderId, orderId }: Order): void {
    if (clientOrderId !== undefined) this.#clientOrderIds.add({ wallet, clientOrderId, orderId });
  }

  #finishClientOrderId({ wallet, clientOrderId }: Order): void {
    if (clientOrderId !== undefined)
      this.#clientOrderIds.finish(wallet, clientOrderId, this.#passed);
  }

  #listed(marketId: MarketId): Market {
    const market = this.#markets.get(marketId);
    if (market === undefined) throw new Error(`market ${marketId} is not listed`);
    return market;
  }
}

function notListed(marketId: MarketId): EngineEvent {
  const message = `market ${marketId} is not listed`;
  return { type: "rejected", rejection: { code: "MARKET_NOT_FOUND", message } };
}

function notFound(message: string): EngineEvent {
  return { type: "rejected", rejection: { code: "ORDER_NOT_FOUND", message } };
}
