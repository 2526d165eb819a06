import type { MessagePort } from "node:worker_threads";
import type { ExchangeOptions } from "../config/thread-options.js";
import {
  type CounterSection,
  countListed,
  ORDER_RESULTS,
  type OrderResult,
  PRODUCER,
} from "../counters/counters.js";
import { admitOrder } from "../engine/admission.js";
import type { EngineChanges, EngineEvent } from "../engine/commands.js";
import type { KnownOrder } from "../engine/engine.js";
import type { Order, Trade } from "../engine/order.js";
import type { Logger } from "../shared/log.js";
import type { OrderStatus } from "../shared/order.js";
import {
  type ContractOrder,
  toContractFills,
  toContractOrder,
  toContractPosition,
} from "../store/contract-form.js";
import { walletFault } from "../store/records.js";
import type { Store } from "../store/store.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  Refused,
  ReplayPosition,
} from "../workers/messages.js";
import type { ExchangeCore } from "./exchange-core.js";
import { type AttachedShard, addNews, ExchangeShards, type News } from "./exchange-shards.js";
import { toOrderReference } from "./order-reference.js";
import type { SessionDesk } from "./session-desk.js";
import type { WalletDesk } from "./wallet-desk.js";

/** Requests of one batch, which share one commit. */
const BATCH_REQUESTS_MAX = 4096;

const SESSION_OVER = "cancel on disconnect: the session has ended";

const RESULTS = {
  Open: "open",
  PartiallyFilled: "partially_filled",
  Filled: "filled",
  Cancelled: "cancelled",
} as const satisfies Record<OrderStatus, OrderResult>;

/** A request, and who has it answered. */
interface Asked {
  readonly from: AttachedShard;
  readonly request: ExchangeRequest;
}

type Holdings = Pick<Extract<ExchangeNews, { type: "snapshot" }>, "orders" | "positions">;

interface ExchangeGatewayContext {
  readonly options: ExchangeOptions;
  readonly desk: SessionDesk;
  readonly walletDesk: WalletDesk;
  readonly store: Pick<Store, "order">;
  readonly counters: CounterSection;
  readonly log: Logger;
}

interface ExchangeGatewayHooks {
  /** Something has been asked. */
  readonly asked: () => void;
  /** A session's orders are to be cancelled. */
  readonly ended: (session: string, reason: string) => void;
}

/**
 * The way between the shards and the core: turns what shards ask into commands, and what came of
 * commands, whoever gave them, into answers and news. Those wait here until the batch is on disk.
 */
export class ExchangeGateway {
  readonly #context: ExchangeGatewayContext;
  readonly #core: ExchangeCore;
  readonly #hooks: ExchangeGatewayHooks;
  readonly #shards: ExchangeShards;
  /** What no batch has taken up yet. */
  readonly #waiting: Asked[] = [];
  /** What the batch has taken up, and all that will be told of it. */
  #asked: readonly Asked[] = [];
  #results: OrderResult[] = [];
  #news: News = new Map();
  /** From where on nothing has been told. */
  #told: ReplayPosition;
  /** What wallets have, as it was told last; until the next command. */
  readonly #holdings = new Map<string, Holdings>();

  /** @param told what is stored was told by exchanges before, or will be asked for */
  constructor(
    context: ExchangeGatewayContext,
    core: ExchangeCore,
    hooks: ExchangeGatewayHooks,
    told: ReplayPosition,
  ) {
    this.#context = context;
    this.#core = core;
    this.#told = told;
    this.#hooks = hooks;
    this.#shards = new ExchangeShards({
      request: (from, request) => this.#ask({ from, request }),
      // Behind what the shard asked while it lived.
      gone: (from) => this.#ask({ from, request: { type: "attach", sessions: [] } }),
    });
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    this.#shards.attach(shard, port);
  }

  close(): void {
    this.#shards.close();
  }

  /** Whether something has been asked that no batch has taken up. */
  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  #ask(asked: Asked): void {
    this.#waiting.push(asked);
    this.#hooks.asked();
  }

  // --- A batch ----------------------------------------------------------------------------------

  /** Takes up what has been asked; with a refusal, orders and cancels are answered by that instead. */
  takeUp(refusal: Refused | undefined): void {
    this.#asked = this.#waiting.splice(0, BATCH_REQUESTS_MAX);
    for (const asked of this.#asked) this.#answer(asked, refusal);
  }

  /** The batch is on disk: tells what came of it. */
  release(changes: EngineChanges): void {
    // Counted first: whoever is told of an order finds it in the metrics.
    for (const result of this.#results)
      countListed(this.#context.counters, PRODUCER.ordersByResult, ORDER_RESULTS, result);
    this.#shards.tell(this.#context.desk.takeNews());
    this.#told = behind(changes, this.#told);
    for (const all of this.#news.values()) all.push({ type: "told", position: this.#told });
    this.#shards.tell(this.#news);
    this.#forget();
  }

  /** The batch is undone: answers anew what it was asked, orders and cancels by a refusal. */
  undone(refusal: Refused): void {
    const asked = this.#asked;
    this.#forget();
    this.#holdings.clear();
    for (const one of asked) if (isOfBatch(one.request)) this.#answer(one, refusal);
  }

  #forget(): void {
    this.#asked = [];
    this.#results = [];
    this.#news = new Map();
  }

  #answer({ from, request }: Asked, refusal: Refused | undefined): void {
    switch (request.type) {
      case "place":
        return this.#place(from, request, refusal);
      case "cancel":
        return this.#cancel(from, request, refusal);
      case "watch":
        this.#shards.watch(from, request.wallet);
        addNews(this.#news, from, this.#snapshot(request.request, request.wallet));
        return;
      case "unwatch":
        return this.#shards.unwatch(from, request.wallet);
      case "session":
      case "ended":
      case "attach":
        return this.#context.desk.take(from, request);
      case "replay":
        // Of what it is told before the replay is through, the shard has all but its own in that.
        this.#shards.watch(from, request.wallet);
        return this.#context.walletDesk.ask(from, request);
      case "get-order":
      case "orders":
      case "fills":
      case "recover":
        return this.#context.walletDesk.ask(from, request);
      default:
        return request satisfies never;
    }
  }

  #place(from: AttachedShard, request: RequestOf<"place">, refusal: Refused | undefined): void {
    const { options, desk } = this.#context;
    const { wallet, order, boundTo } = request;
    const refused = (why: Refused): void => this.#refuse({ from, request }, why);
    if (refusal !== undefined) return refused(refusal);
    // Before all other rules, so that sending an order again always tells what became of it.
    const known =
      order.client_order_id === undefined
        ? undefined
        : this.#core.knownOrder(wallet, order.client_order_id);
    if (known !== undefined) return this.#replyKnown({ from, request }, known);
    const terms = admitOrder(order, this.#core.market(order.market_id), options, wallet, boundTo);
    if ("code" in terms) return refused(terms);
    // Of one order alone: found when the batch is written, it would take all the others with it.
    const fault = walletFault(wallet);
    if (fault !== undefined)
      return refused({ code: "ORDER_REJECTED", message: `the wallet cannot be stored: ${fault}` });
    this.collect(this.#core.execute({ type: "place", terms }), { from, request });
    if (boundTo === undefined) return;
    if (desk.sessions.has(boundTo)) desk.sessions.bind(boundTo);
    // Its connection has lost the session to another one, with which it has ended.
    else this.#hooks.ended(boundTo, SESSION_OVER);
  }

  #cancel(from: AttachedShard, request: RequestOf<"cancel">, refusal: Refused | undefined): void {
    if (refusal !== undefined) return this.#refuse({ from, request }, refusal);
    const order = toOrderReference(request.order);
    if (order === undefined) {
      const name = "order_id" in request.order ? request.order.order_id : "";
      return this.#refuse(
        { from, request },
        { code: "ORDER_NOT_FOUND", message: `no open order has the id ${name}` },
      );
    }
    const { wallet } = request;
    this.collect(this.#core.execute({ type: "cancel", wallet, order }), { from, request });
  }

  /**
   * Collects the news of what came of a command. The order that a request was about is its answer: the
   * last one of the command.
   */
  collect(events: readonly EngineEvent[], asked?: Asked): void {
    this.#holdings.clear();
    const answer = asked && events.findLast((event) => event.type === "order");
    for (const event of events) {
      switch (event.type) {
        case "trade":
          // The core publishes it.
          this.#tellOfFills(event.trade);
          break;
        case "order":
          if (event === answer) this.#reply(asked, event.order, true);
          else this.#tellOfOrder(event.order);
          break;
        case "position": {
          const { position } = event;
          const watching = this.#shards.watching(position.wallet);
          if (watching === undefined) break;
          const news = {
            type: "position" as const,
            position: toContractPosition(position, this.#core.listed(position.marketId)),
          };
          for (const shard of watching) addNews(this.#news, shard, news);
          break;
        }
        case "duplicate":
          this.#replyKnown(asked, event);
          break;
        case "rejected":
          this.#refuse(asked, event.rejection);
          break;
        default:
          event satisfies never;
      }
    }
  }

  #reply(asked: Asked | undefined, order: Order, changed: boolean): void {
    if (asked?.request.type === "place") {
      this.#results.push(changed ? RESULTS[order.status] : "duplicate");
    }
    if (asked === undefined || !("request" in asked.request)) return;
    const contractOrder = this.#contractOrder(order);
    const { request } = asked.request;
    addNews(this.#news, asked.from, { type: "reply", request, order: contractOrder, changed });
    if (changed) this.#tellOfOrder(order, contractOrder, asked.from);
  }

  /** Tells what became of an order that was placed before. */
  #replyKnown(asked: Asked | undefined, { orderId, order }: KnownOrder): void {
    const first = order ?? this.#storedOrder(orderId);
    if (first !== undefined) this.#reply(asked, first, false);
    else
      this.#refuse(asked, {
        code: "INTERNAL",
        message: `the client order id was used for order ${orderId}, which cannot be read`,
      });
  }

  /** Undefined where the store has lost it: one order that cannot be told is no end of trading. */
  #storedOrder(orderId: number): Order | undefined {
    const { store, log } = this.#context;
    try {
      const order = store.order(orderId);
      if (order === undefined) log.error({ orderId }, "an order is not in the store");
      return order;
    } catch (error) {
      log.error({ err: error, orderId }, "an order cannot be read from the store");
      return undefined;
    }
  }

  #refuse(asked: Asked | undefined, refusal: Refused): void {
    if (asked === undefined || !("request" in asked.request)) return;
    const { type, request } = asked.request;
    if (refusal.code === "UNAVAILABLE") this.#results.push("unavailable");
    else if (type === "place") this.#results.push("rejected");
    addNews(this.#news, asked.from, { type: "refusal", request, refusal });
  }

  /** Tells the shards that watch an order's wallet, but for the one that has it as an answer. */
  #tellOfOrder(order: Order, contractOrder?: ContractOrder, except?: AttachedShard): void {
    const watching = this.#shards.watching(order.wallet);
    if (watching === undefined) return;
    const news = { type: "order" as const, order: contractOrder ?? this.#contractOrder(order) };
    for (const shard of watching) if (shard !== except) addNews(this.#news, shard, news);
  }

  /** Tells the shards that watch the wallets of a trade, of each its own side. */
  #tellOfFills(trade: Trade): void {
    const wallets = [trade.makerWallet, trade.takerWallet];
    if (wallets.every((wallet) => this.#shards.watching(wallet) === undefined)) return;
    for (const fill of toContractFills(trade, this.#core.listed(trade.marketId)))
      for (const shard of this.#shards.watching(fill.wallet) ?? [])
        addNews(this.#news, shard, { type: "fill", fill });
  }

  /** Many may ask for one wallet in a batch; what nothing has changed is made once, and sent once. */
  #snapshot(request: number, wallet: string): ExchangeNews {
    const held = this.#holdings.get(wallet) ?? this.#holdingsOf(wallet);
    this.#holdings.set(wallet, held);
    return { type: "snapshot", request, ...held };
  }

  #holdingsOf(wallet: string): Holdings {
    return {
      orders: [...this.#core.openOrders(wallet)].map((order) => this.#contractOrder(order)),
      positions: [...this.#core.positions(wallet)].map((position) =>
        toContractPosition(position, this.#core.listed(position.marketId)),
      ),
    };
  }

  #contractOrder(order: Order): ContractOrder {
    return toContractOrder(order, this.#core.listed(order.marketId));
  }
}

/** Where what follows a batch begins; what has changed at its very end is named again. */
function behind({ orders, nextTradeId }: EngineChanges, before: ReplayPosition): ReplayPosition {
  let { ts } = before;
  for (const { updatedTs } of orders) ts = Math.max(ts, updatedTs);
  return { tradeId: nextTradeId, ts, orderId: 0 };
}

/**
 * Whether a request has to be answered anew where its batch is undone. Connections and their sessions are what
 * they are, whatever becomes of orders, and what was before a batch is told behind it.
 */
function isOfBatch({ type }: ExchangeRequest): boolean {
  return type === "place" || type === "cancel" || type === "watch" || type === "unwatch";
}

type RequestOf<T extends ExchangeRequest["type"]> = Extract<ExchangeRequest, { readonly type: T }>;
