import type { OrderResult } from "../counters/counters.js";
import { admitOrder } from "../engine/admission.js";
import type { Command, EngineEvent, OrderReference } from "../engine/commands.js";
import type { Engine, KnownOrder } from "../engine/engine.js";
import type { Order, Trade } from "../engine/order.js";
import type { Logger } from "../shared/log.js";
import type { MarketId } from "../shared/market-id.js";
import type { OrderStatus } from "../shared/order.js";
import { type ContractOrder, toContractOrder, toContractPosition } from "../store/contract-form.js";
import { walletFault } from "../store/records.js";
import type { Store } from "../store/store.js";
import type {
  ExchangeNews,
  ExchangeOptions,
  ExchangeRequest,
  OrderName,
  Refused,
} from "../workers/messages.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import { type AttachedShard, addNews, type ExchangeShards, type News } from "./exchange-shards.js";
import type { ExchangeTime } from "./exchange-time.js";
import { sessionOf, shardPrefix } from "./sessions.js";

/** The form of the order ids that the exchange gives. */
const ORDER_ID = /^[1-9][0-9]{0,15}$/;

/** Orders that a batch cancels of the exchange's own accord, but for the last session's. */
export const WITHDRAWN_PER_BATCH = 4096;

const CONNECTION_ENDED = "cancel on disconnect: the connection ended";

const RESULTS = {
  Open: "open",
  PartiallyFilled: "partially_filled",
  Filled: "filled",
  Cancelled: "cancelled",
} as const satisfies Record<OrderStatus, OrderResult>;

export interface Asked {
  readonly from: AttachedShard;
  readonly request: ExchangeRequest;
}

/** What has been executed and is not on disk yet, and all that will be told of it. */
export interface Batch {
  readonly asked: Asked[];
  readonly trades: Trade[];
  /** Markets whose books may have changed. */
  readonly touched: Set<MarketId>;
  readonly results: OrderResult[];
  readonly news: News;
  /** Sessions whose orders it has cancelled, with the reason. */
  readonly ended: Map<string, string>;
  /** Orders that the exchange itself has cancelled. */
  withdrawn: number;
}

export function batchOf(): Batch {
  return {
    asked: [],
    trades: [],
    touched: new Set(),
    results: [],
    news: new Map(),
    ended: new Map(),
    withdrawn: 0,
  };
}

type Holdings = Pick<Extract<ExchangeNews, { type: "snapshot" }>, "orders" | "positions">;

export interface OrderDeskContext {
  readonly options: ExchangeOptions;
  /** Tells this run of the server from all others. */
  readonly run: string;
  readonly store: Pick<Store, "order">;
  readonly markets: ExchangeMarkets;
  readonly log: Logger;
  readonly time: Pick<ExchangeTime, "now" | "passed">;
}

/**
 * Carries out what shards ask, on one engine and into a batch, with what each shard will be told of it
 * once the batch is on disk. It goes with its engine, and so does all that it knows of it.
 */
export class OrderDesk {
  readonly #context: OrderDeskContext;
  readonly #shards: ExchangeShards;
  readonly #engine: Engine;
  /** Sessions whose orders are to be cancelled, with the reason. */
  readonly #ended = new Map<string, string>();
  /** What wallets have, as it was told last; until the next command. */
  readonly #holdings = new Map<string, Holdings>();

  constructor(context: OrderDeskContext, shards: ExchangeShards, engine: Engine) {
    this.#context = context;
    this.#shards = shards;
    this.#engine = engine;
  }

  /** Executes a command of the exchange's own. */
  execute(batch: Batch, command: Command): void {
    this.#take(batch, this.#command(command));
  }

  /** A session's orders are to be cancelled, if it has any. */
  end(session: string, reason: string): void {
    if (this.#engine.hasSession(session)) this.#ended.set(session, reason);
  }

  /** Sessions whose orders are to be cancelled, with the reason. */
  get ended(): ReadonlyMap<string, string> {
    return this.#ended;
  }

  /** Cancels the orders of sessions that have ended, until the batch has some thousands of cancels. */
  endSessions(batch: Batch): void {
    for (const [session, reason] of this.#ended) {
      if (batch.withdrawn >= WITHDRAWN_PER_BATCH) return;
      const events = this.#command({ type: "end-session", session, reason });
      this.#take(batch, events);
      this.#ended.delete(session);
      batch.ended.set(session, reason);
      batch.withdrawn += events.length;
    }
  }

  #command(command: Command): readonly EngineEvent[] {
    const { time } = this.#context;
    const ts = time.now();
    return this.#engine.execute(command, ts, time.passed);
  }

  /** Carries out a request; with a refusal, orders and cancels are answered by that instead. */
  answer(batch: Batch, { from, request }: Asked, refusal: Refused | undefined): void {
    const { run } = this.#context;
    switch (request.type) {
      case "place":
        return this.#place(batch, from, request, refusal);
      case "cancel":
        return this.#cancel(batch, from, request, refusal);
      case "watch":
        this.#shards.watch(from, request.wallet);
        addNews(batch.news, from, this.#snapshot(request.request, request.wallet));
        return;
      case "unwatch":
        return this.#shards.unwatch(from, request.wallet);
      case "ended":
        return this.end(sessionOf(run, from.shard, request.connection), CONNECTION_ENDED);
      case "attach": {
        const alive = new Set(request.connections.map((one) => sessionOf(run, from.shard, one)));
        for (const session of this.#engine.sessions()) {
          if (!session.startsWith(shardPrefix(run, from.shard)) || alive.has(session)) continue;
          this.end(session, CONNECTION_ENDED);
        }
      }
    }
  }

  #place(
    batch: Batch,
    from: AttachedShard,
    request: RequestOf<"place">,
    refusal: Refused | undefined,
  ): void {
    const { options, markets, run, time } = this.#context;
    const { wallet, order, boundTo } = request;
    const refused = (why: Refused): void => this.#refuse(batch, { from, request }, why);
    if (refusal !== undefined) return refused(refusal);
    // Before all other rules, so that sending an order again always tells what became of it.
    const known =
      order.client_order_id === undefined
        ? undefined
        : this.#engine.knownOrder(wallet, order.client_order_id, time.passed);
    if (known !== undefined) return this.#replyKnown(batch, { from, request }, known);
    const session = boundTo === undefined ? undefined : sessionOf(run, from.shard, boundTo);
    const terms = admitOrder(order, markets.get(order.market_id), options, wallet, session);
    if ("code" in terms) return refused(terms);
    // Of one order alone: found when the batch is written, it would take all the others with it.
    const fault = walletFault(wallet);
    if (fault !== undefined)
      return refused({ code: "ORDER_REJECTED", message: `the wallet cannot be stored: ${fault}` });
    this.#take(batch, this.#command({ type: "place", terms }), { from, request });
  }

  #cancel(
    batch: Batch,
    from: AttachedShard,
    request: RequestOf<"cancel">,
    refusal: Refused | undefined,
  ): void {
    if (refusal !== undefined) return this.#refuse(batch, { from, request }, refusal);
    const order = toOrderReference(request.order);
    if (order === undefined) {
      const name = "order_id" in request.order ? request.order.order_id : "";
      return this.#refuse(
        batch,
        { from, request },
        { code: "ORDER_NOT_FOUND", message: `no open order has the id ${name}` },
      );
    }
    const { wallet } = request;
    this.#take(batch, this.#command({ type: "cancel", wallet, order }), { from, request });
  }

  /**
   * Takes what came of a command into the batch, and collects the news of it. The order that a
   * request was about is its answer: the last one of the command.
   */
  #take(batch: Batch, events: readonly EngineEvent[], asked?: Asked): void {
    this.#holdings.clear();
    const answer = asked && events.findLast((event) => event.type === "order");
    for (const event of events) {
      switch (event.type) {
        case "trade":
          batch.trades.push(event.trade);
          break;
        case "order":
          batch.touched.add(event.order.marketId);
          if (event === answer) this.#reply(batch, asked, event.order, true);
          else this.#tellOfOrder(batch, event.order);
          break;
        case "position": {
          const { position } = event;
          const watching = this.#shards.watching(position.wallet);
          if (watching === undefined) break;
          const news = {
            type: "position" as const,
            position: toContractPosition(position, this.#context.markets.listed(position.marketId)),
          };
          for (const shard of watching) addNews(batch.news, shard, news);
          break;
        }
        case "duplicate":
          this.#replyKnown(batch, asked, event);
          break;
        case "rejected":
          this.#refuse(batch, asked, event.rejection);
      }
    }
  }

  #reply(batch: Batch, asked: Asked | undefined, order: Order, changed: boolean): void {
    if (asked?.request.type === "place") {
      batch.results.push(changed ? RESULTS[order.status] : "duplicate");
    }
    if (asked === undefined || !("request" in asked.request)) return;
    const contractOrder = this.#contractOrder(order);
    const { request } = asked.request;
    addNews(batch.news, asked.from, { type: "reply", request, order: contractOrder, changed });
    if (changed) this.#tellOfOrder(batch, order, contractOrder, asked.from);
  }

  /** Tells what became of an order that was placed before. */
  #replyKnown(batch: Batch, asked: Asked | undefined, { orderId, order }: KnownOrder): void {
    const first = order ?? this.#storedOrder(orderId);
    if (first !== undefined) this.#reply(batch, asked, first, false);
    else
      this.#refuse(batch, asked, {
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

  #refuse(batch: Batch, asked: Asked | undefined, refusal: Refused): void {
    if (asked === undefined || !("request" in asked.request)) return;
    const { type, request } = asked.request;
    if (refusal.code === "UNAVAILABLE") batch.results.push("unavailable");
    else if (type === "place") batch.results.push("rejected");
    addNews(batch.news, asked.from, { type: "refusal", request, refusal });
  }

  /** Tells the shards that watch an order's wallet, but for the one that has it as an answer. */
  #tellOfOrder(
    batch: Batch,
    order: Order,
    contractOrder?: ContractOrder,
    except?: AttachedShard,
  ): void {
    const watching = this.#shards.watching(order.wallet);
    if (watching === undefined) return;
    const news = { type: "order" as const, order: contractOrder ?? this.#contractOrder(order) };
    for (const shard of watching) if (shard !== except) addNews(batch.news, shard, news);
  }

  /** Many may ask for one wallet in a batch; what nothing has changed is made once, and sent once. */
  #snapshot(request: number, wallet: string): ExchangeNews {
    const held = this.#holdings.get(wallet) ?? this.#holdingsOf(wallet);
    this.#holdings.set(wallet, held);
    return { type: "snapshot", request, ...held };
  }

  #holdingsOf(wallet: string): Holdings {
    const { markets } = this.#context;
    return {
      orders: [...this.#engine.openOrders(wallet)].map((order) => this.#contractOrder(order)),
      positions: [...this.#engine.positions(wallet)].map((position) =>
        toContractPosition(position, markets.listed(position.marketId)),
      ),
    };
  }

  #contractOrder(order: Order): ContractOrder {
    return toContractOrder(order, this.#context.markets.listed(order.marketId));
  }
}

type RequestOf<T extends ExchangeRequest["type"]> = Extract<ExchangeRequest, { readonly type: T }>;

function toOrderReference(name: OrderName): OrderReference | undefined {
  if ("client_order_id" in name) return { clientOrderId: name.client_order_id };
  return ORDER_ID.test(name.order_id) ? { orderId: Number(name.order_id) } : undefined;
}
