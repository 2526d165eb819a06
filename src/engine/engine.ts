import type { MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { isOpen } from "../shared/order.js";
import { Administration } from "./administration.js";
import type { Standing } from "./bound-rules.js";
import { byPriority } from "./by-priority.js";
import { ChangeLog } from "./change-log.js";
import { type ClientOrderIdLimits, ClientOrderIds } from "./client-order-ids.js";
import type {
  Command,
  EngineChanges,
  EngineEvent,
  EngineState,
  OrderReference,
} from "./commands.js";
import { Deadlines } from "./deadlines.js";
import { Lapses } from "./lapses.js";
import type { AdministeredMarket, Instrument, Market } from "./market.js";
import { Markets } from "./markets.js";
import { OpenOrders } from "./open-orders.js";
import type { CancelCause, MarketTotals, Order, OrderTerms, Position } from "./order.js";
import type { OrderBook } from "./order-book.js";
import { OrderLifecycle } from "./order-lifecycle.js";
import {
  CANCEL_CAUSE,
  checkAmend,
  checkOrder,
  isReduction,
  type WalletFigures,
} from "./order-rules.js";
import { newOrder } from "./order-versions.js";
import { Positions } from "./positions.js";
import { marketNotFound } from "./rejection.js";
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
 * - The orders of a price rest by ascending priority.
 * - No open order has an `expiresTs` that is not later than the last command's time.
 * - Order and trade ids ascend and are never used twice.
 * - Of each market, the positions' quantities sum to 0, and so does `realizedPnl − cost`.
 * - Every holding's open quantities are the sums over its wallet's open orders.
 * - A market that was closed by a command stays so, and is wound up, or on its way to be.
 */
export class Engine {
  readonly #limits: EngineLimits;
  readonly #markets: Markets;
  readonly #open = new OpenOrders();
  readonly #positions = new Positions();
  readonly #clientOrderIds: ClientOrderIds;
  readonly #deadlines = new Deadlines();
  readonly #changes = new ChangeLog();
  readonly #lifecycle: OrderLifecycle;
  readonly #lapses: Lapses;
  readonly #administration: Administration;
  /** The time that has passed, as the present command says. */
  #passed = 0;
  /** Of ids, and of priorities that amends give. */
  #nextOrderId = 1;

  /** @param createBook makes a market's book, the fast one unless told otherwise */
  constructor(limits: EngineLimits, createBook: () => OrderBook = () => new TrieOrderBook()) {
    this.#limits = limits;
    this.#markets = new Markets(createBook);
    this.#clientOrderIds = new ClientOrderIds(limits);
    const parts = { open: this.#open, deadlines: this.#deadlines, changes: this.#changes };
    this.#lifecycle = new OrderLifecycle({
      ...parts,
      positions: this.#positions,
      clientOrderIds: this.#clientOrderIds,
    });
    this.#lapses = new Lapses({
      ...parts,
      cancel: (order, cause, ts) =>
        this.#lifecycle.cancel(this.#markets.listed(order.marketId), order, cause, ts),
    });
    this.#administration = new Administration({
      markets: this.#markets,
      positions: this.#positions,
      changes: this.#changes,
      openOrder: (orderId) => this.#open.get(orderId) as Order,
      cancel: (...cancelled) => this.#lifecycle.cancel(...cancelled),
    });
  }

  /** Lists a market, ahead of {@link restore} where there is one. Throws where it is listed already. */
  list(instrument: Instrument): void {
    this.#markets.list(instrument);
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
      this.#markets.listed(totals.marketId).totals = totals;
      yield;
    }
    for (const position of state.positions) {
      const holding = this.#positions.take(position.wallet, position.marketId);
      this.#positions.set(holding, position);
      yield;
    }
    for (const finished of state.clientOrderIds) {
      this.#clientOrderIds.add(finished, passedAt(finished.finishedTs));
      yield;
    }
    for (const timer of state.timers) {
      this.#deadlines.setTimer(timer, passedAt(timer.setTs));
      yield;
    }
    let last = 0;
    const moved: Order[] = [];
    for (const order of state.openOrders) {
      const { orderId, wallet, clientOrderId } = order;
      if (orderId <= last || orderId >= state.nextOrderId || !isOpen(order))
        throw new Error(`order ${orderId} cannot be restored as the next open one after ${last}`);
      last = orderId;
      this.#markets.listed(order.marketId);
      this.#open.add(order);
      if (order.priority !== orderId) moved.push(order);
      if (clientOrderId !== undefined) this.#clientOrderIds.add({ wallet, clientOrderId, orderId });
      yield;
    }
    for (const order of byPriority(state.openOrders, moved)) {
      const owner = this.#open.ownerOf(order.wallet);
      this.#lifecycle.rest(this.#markets.listed(order.marketId), order, owner);
      yield;
    }
    for (const market of state.markets)
      this.#administration.restore(this.#markets.listed(market.marketId), market);
    this.#nextOrderId = state.nextOrderId;
    this.#lifecycle.nextTradeId = state.nextTradeId;
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
    this.#lifecycle.passed = passed;
    this.#clientOrderIds.expire(passed);
    if (command.type === "expire") return this.#lapses.expire(command.most, ts, passed);
    if (!this.#deadlines.isDue(ts, passed)) return this.#carryOut(command, ts);
    return [...this.#lapses.expire(Infinity, ts, passed), ...this.#carryOut(command, ts)];
  }

  #carryOut(
    command: Exclude<Command, { readonly type: "expire" }>,
    ts: number,
  ): readonly EngineEvent[] {
    switch (command.type) {
      case "place":
        return this.#place(command, ts);
      case "amend":
        return this.#amend(command, ts);
      case "cancel":
        return [this.#cancel(command, ts)];
      case "cancel-all":
        return this.#cancelAll(command, ts);
      case "cancel-after":
        return [this.#cancelAfter(command.wallet, command.timeoutMs, ts)];
      case "end-session":
        return this.#endSession(command.session, command.reason, ts);
      case "list":
      case "set-status":
      case "settle":
      case "wind-up":
        return this.#administration.carryOut(command, ts);
    }
  }

  /** What has changed since the last call. The caller commits it, and asks after each batch. */
  takeChanges(): EngineChanges {
    return this.#changes.take(this.#nextOrderId, this.#lifecycle.nextTradeId);
  }

  /** Whether anything ever happens by itself, as things are. */
  get hasDeadlines(): boolean {
    return this.#deadlines.hasAny;
  }

  /** Whether something happens by itself at a time; see {@link execute}. */
  isDue(ts: number, passed: number): boolean {
    return this.#deadlines.isDue(ts, passed);
  }

  openOrder(orderId: number): Order | undefined {
    return this.#open.get(orderId);
  }

  /** The latest version of an order that is open or has changed since the changes were last taken. */
  latest(orderId: number): Order | undefined {
    return this.#open.get(orderId) ?? this.#changes.orderOf(orderId);
  }

  /** The number of open orders of a wallet. */
  openCount(wallet: string): number {
    return this.#open.countOf(wallet);
  }

  /** How many open orders a mass cancel looks at: all of the wallet's, and none where none of them fits. */
  looks(wallet: string, marketId?: MarketId, side?: Side): number {
    return this.#positions.hasOpen(wallet, marketId, side) ? this.#open.countOf(wallet) : 0;
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
    return { orderId, order: this.latest(orderId) };
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

  /** What was set of a market while the exchange ran. */
  administered(marketId: MarketId): AdministeredMarket | undefined {
    return this.#markets.get(marketId)?.administered;
  }

  /** Whether markets that were closed have anything left to be cancelled or paid; one of them, or any. */
  isWindingUp(marketId?: MarketId): boolean {
    return this.#administration.isWindingUp(marketId);
  }

  #place(
    { terms, validUntilTs, validateOnly }: CommandOf<"place">,
    ts: number,
  ): readonly EngineEvent[] {
    const { wallet, clientOrderId, marketId } = terms;
    if (clientOrderId !== undefined) {
      const known = this.knownOrder(wallet, clientOrderId, this.#passed);
      if (known !== undefined) return [{ type: "duplicate", ...known }];
    }
    const market = this.#markets.get(marketId);
    if (market === undefined) return [{ type: "rejected", rejection: marketNotFound(marketId) }];
    const figures = this.#walletFigures(terms, market);
    const rejection = checkOrder(terms, market, figures, this.#limits, { ts, validUntilTs });
    if (rejection !== undefined) return [{ type: "rejected", rejection }];
    if (validateOnly === true) return [{ type: "validated" }];
    return this.#lifecycle.place(market, newOrder(terms, this.#nextOrderId++, ts), ts);
  }

  #amend(command: CommandOf<"amend">, ts: number): readonly EngineEvent[] {
    const order = this.#find(command.wallet, command.order);
    if ("type" in order) return [order];
    const { price = order.price, quantity = order.quantity } = command;
    if (price === order.price && quantity === order.quantity) return [{ type: "unchanged", order }];
    const market = this.#markets.listed(order.marketId);
    const standing = this.#standingOf(order, market);
    const rejection = checkAmend(order, price, quantity, market, standing);
    if (rejection !== undefined) return [{ type: "rejected", rejection }];
    const keeps = isReduction(order, price, quantity);
    const priority = keeps ? order.priority : this.#nextOrderId++;
    return this.#lifecycle.amend(market, order, price, quantity, priority, ts);
  }

  #walletFigures(terms: OrderTerms, market: Market): WalletFigures {
    const { wallet, clientOrderId } = terms;
    return {
      openOrders: this.#open.countOf(wallet),
      standing: this.#standingOf(terms, market),
      clientOrderIdsFull:
        clientOrderId === undefined
          ? undefined
          : this.#clientOrderIds.fullFor(wallet, this.#passed),
    };
  }

  #standingOf({ wallet, marketId }: OrderTerms, { bounds }: Market): Standing {
    const holding = this.#positions.get(wallet, marketId);
    return { holding, owner: bounds === undefined ? 0 : this.#open.ownerOf(wallet) };
  }

  #cancel({ wallet, order, cause }: CommandOf<"cancel">, ts: number): EngineEvent {
    const found = this.#find(wallet, order);
    return "type" in found ? found : this.#cancelOpen(found, cause ?? CANCEL_CAUSE.requested, ts);
  }

  #cancelAll(
    { wallet, marketId, side }: CommandOf<"cancel-all">,
    ts: number,
  ): readonly EngineEvent[] {
    if (this.looks(wallet, marketId, side) === 0) return [];
    return this.#open
      .ofWallet(wallet)
      .filter((order) => marketId === undefined || order.marketId === marketId)
      .filter((order) => side === undefined || order.side === side)
      .map((order) => this.#cancelOpen(order, CANCEL_CAUSE.requested, ts));
  }

  #endSession(session: string, text: string, ts: number): readonly EngineEvent[] {
    const cause = { code: "cancel_on_disconnect", text } as const;
    return this.#open.ofSession(session).map((order) => this.#cancelOpen(order, cause, ts));
  }

  #cancelOpen(order: Order, cause: CancelCause, ts: number): EngineEvent {
    const market = this.#markets.listed(order.marketId);
    return { type: "order", order: this.#lifecycle.cancel(market, order, cause, ts) };
  }

  #cancelAfter(wallet: string, timeoutMs: number, ts: number): EngineEvent {
    return { type: "timer", timer: this.#lapses.setTimer(wallet, timeoutMs, ts, this.#passed) };
  }

  /** An open order of a wallet, or why there is none. */
  #find(wallet: string, reference: OrderReference): Order | EngineEvent {
    if ("orderId" in reference) {
      const order = this.#open.get(reference.orderId);
      // Another wallet's order is answered as one that is not there, so that nobody learns of it.
      return order?.wallet === wallet
        ? order
        : notFound(`the wallet has no open order ${reference.orderId}`);
    }
    const { clientOrderId } = reference;
    const known = this.knownOrder(wallet, clientOrderId, this.#passed);
    if (known === undefined)
      return notFound(`the wallet has no open order with client order id ${clientOrderId}`);
    return known.order === undefined || !isOpen(known.order)
      ? notFound(`order ${known.orderId}, client order id ${clientOrderId}, is finished`)
      : known.order;
  }
}

type CommandOf<T extends Command["type"]> = Extract<Command, { readonly type: T }>;

function notFound(message: string): EngineEvent {
  return { type: "rejected", rejection: { code: "ORDER_NOT_FOUND", message } };
}
