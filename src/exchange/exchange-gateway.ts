import type { MessagePort } from "node:worker_threads";
import type { ExchangeOptions } from "../config/thread-options.js";
import type { OrderResult as OrderResultOf, ServerMessage } from "../contract/messages.js";
import { type CounterSection, count, PRODUCER } from "../counters/counters.js";
import type { EngineChanges, EngineEvent } from "../engine/commands.js";
import type { Order, Trade } from "../engine/order.js";
import { isEdgeShard } from "../shared/edge-shards.js";
import type { Logger } from "../shared/log.js";
import { machineMs } from "../shared/machine-clock.js";
import {
  type ContractOrder,
  toContractFills,
  toContractOrder,
  toContractPosition,
} from "../store/contract-form.js";
import type { Store } from "../store/store.js";
import type { Refused, ReplayPosition } from "../workers/messages.js";
import type { ExchangeCore } from "./exchange-core.js";
import {
  type AttachedShard,
  addNews,
  ExchangeShards,
  type News,
  withoutAnswer,
} from "./exchange-shards.js";
import { type Asked, OrderDesk, type OrderRequest } from "./order-desk.js";
import { OrderTally } from "./order-tally.js";
import { isCommand } from "./request-kinds.js";
import type { SessionDesk } from "./session-desk.js";
import type { SnapshotDesk } from "./snapshot-desk.js";
import type { WalletDesk } from "./wallet-desk.js";

/** Requests of one batch, which share one commit, and the orders that they are about. */
const BATCH_ORDERS_MAX = 4096;

const TOO_LATE: Refused = {
  code: "UNAVAILABLE",
  message: "it came too late from another node and was not carried out; try again",
};
const SESSION_OVER = "cancel on disconnect: the session has ended";

interface ExchangeGatewayContext {
  readonly options: ExchangeOptions;
  readonly desk: SessionDesk;
  readonly snapshots: SnapshotDesk;
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
  readonly #orders: OrderDesk;
  /** What no batch has taken up yet. */
  readonly #waiting: Asked[] = [];
  /** What the batch has taken up, and all that will be told of it. */
  #asked: readonly Asked[] = [];
  readonly #tally = new OrderTally();
  #news: News = new Map();
  /** What commands are answered while a batch is held back. */
  #held: Refused | undefined;
  #told: ReplayPosition;

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
    this.#orders = new OrderDesk({
      options: context.options,
      core,
      answers: {
        collect: (events, asked) => this.collect(events, asked),
        collectBeside: (events, asked) => this.collect(events, asked, true),
        refuse: (asked, refusal) => this.#refuse(asked, refusal),
        replyKnown: (asked, order) => this.#reply(asked, order, false),
        answer: (asked, message, costBytes) => this.#answerWith(asked, message, costBytes),
        resultOf: (order, duplicate) => this.#resultOf(order, duplicate),
        countRefused: (refusal) => this.#tally.refused(refusal),
        firstOrder: ({ orderId, order }) => order ?? this.#storedOrder(orderId),
      },
      bind: (session) => this.#bind(session),
    });
    this.#shards = new ExchangeShards({
      request: (from, request, takeBy) => this.#ask({ from, request, takeBy }),
      gone: (from) => {
        if (isEdgeShard(from.shard)) context.desk.sessions.awaitShard(from.shard);
        // Behind what the shard asked while it lived.
        else this.#ask({ from, request: { type: "attach", sessions: [] } });
      },
    });
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    this.#shards.attach(shard, port);
  }

  close(): void {
    this.#shards.close();
  }

  /** From where on nothing has been told of what is on disk. */
  get told(): ReplayPosition {
    return this.#told;
  }

  /** Whether something has been asked that no batch has taken up. */
  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  #ask(asked: Asked): void {
    if (this.#held !== undefined && isCommand(asked.request)) {
      this.#refuseAtOnce([asked], this.#held);
      return;
    }
    this.#waiting.push(asked);
    this.#hooks.asked();
  }

  // --- A batch ----------------------------------------------------------------------------------

  /** Takes up what has been asked; with a refusal, orders and cancels are answered by that instead. */
  takeUp(refusal: Refused | undefined): void {
    let taken = 0;
    for (let weight = 0; weight < BATCH_ORDERS_MAX; taken++) {
      const asked = this.#waiting[taken];
      if (asked === undefined) break;
      // What has become due meanwhile is the next batch's, before anybody trades with it.
      if (taken > 0 && this.#core.isDue) break;
      weight += this.#orders.weightOf(asked.request);
      const isLate = asked.takeBy !== undefined && machineMs() > asked.takeBy;
      if (isLate) count(this.#context.counters, PRODUCER.requestsTooLate);
      this.#answer(asked, refusal ?? (isLate ? TOO_LATE : undefined));
    }
    this.#asked = this.#waiting.splice(0, taken);
  }

  /** The batch is on disk: tells what came of it. */
  release(changes: EngineChanges): void {
    // Counted first: whoever is told of an order finds it in the metrics.
    this.#tally.countInto(this.#context.counters);
    this.#shards.tell(this.#context.desk.takeNews());
    this.#told = behind(changes, this.#told);
    for (const all of this.#news.values()) all.push({ type: "told", position: this.#told });
    this.#shards.tell(this.#news);
    this.#forget();
  }

  /**
   * The batch is stored, and must not be told yet, nor be waited for any longer: its commands, and those that are asked
   * from now on, are refused. When it is told after all, who asked hears of its orders as everybody else does.
   */
  hold(refusal: Refused | undefined): void {
    this.#held = refusal;
    if (refusal === undefined) return;
    const commands = [...this.#asked, ...this.#waiting].filter(({ request }) => isCommand(request));
    const others = this.#waiting.filter(({ request }) => !isCommand(request));
    this.#waiting.splice(0, this.#waiting.length, ...others);
    for (const [shard, news] of this.#news) this.#news.set(shard, news.flatMap(withoutAnswer));
    this.#refuseAtOnce(commands, refusal);
  }

  #refuseAtOnce(asked: readonly Asked[], refusal: Refused): void {
    const news: News = new Map();
    for (const { from, request } of asked) {
      if (!("request" in request)) continue;
      this.#tally.unavailable();
      addNews(news, from, { type: "refusal", request: request.request, refusal });
    }
    this.#shards.tell(news);
  }

  /** The batch is undone: answers anew what it was asked, orders and cancels by a refusal. */
  undone(refusal: Refused): void {
    const asked = this.#asked;
    this.#forget();
    for (const one of asked) if (isCommand(one.request)) this.#answer(one, refusal);
  }

  #forget(): void {
    this.#asked = [];
    this.#tally.forget();
    this.#news = new Map();
  }

  #answer({ from, request }: Asked, refusal: Refused | undefined): void {
    switch (request.type) {
      case "watch":
        // What it is told of before its snapshot, that will have.
        this.#shards.watch(from, request.wallet);
        return this.#context.snapshots.ask(from, request);
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
        return this.#orders.take({ from, request }, refusal);
    }
  }

  /** An order may be bound to a session. */
  #bind(session: string): void {
    const { sessions } = this.#context.desk;
    if (sessions.has(session)) sessions.bind(session);
    // Its connection has lost the session to another one, with which it has ended.
    else this.#hooks.ended(session, SESSION_OVER);
  }

  /**
   * Collects the news of what came of a command. The order that a request was about is its answer: the
   * last one of the command.
   * @param beside the answer is another and follows; who has asked is not told of the order here
   */
  collect(events: readonly EngineEvent[], asked?: Asked, beside = false): void {
    const answer = asked && events.findLast((event) => event.type === "order");
    for (const event of events) {
      switch (event.type) {
        case "trade":
          // The core publishes it.
          this.#tellOfFills(event.trade);
          break;
        case "lapsed":
          this.#tellOfOrder(event.order);
          break;
        case "unchanged":
          this.#reply(asked, event.order, false);
          break;
        case "order":
          if (event !== answer) this.#tellOfOrder(event.order);
          else if (beside) this.#tellBeside(asked, event.order);
          else this.#reply(asked, event.order, true);
          break;
        case "position": {
          const { wallet, marketId } = event.position;
          const watching = this.#shards.watching(wallet);
          if (watching === undefined) break;
          const position = toContractPosition(event.position, this.#core.listed(marketId));
          for (const shard of watching) addNews(this.#news, shard, { type: "position", position });
          break;
        }
        case "duplicate":
          throw new Error(`exchange: order ${event.orderId} was not known, and is a duplicate`);
        case "rejected":
          if (!beside) this.#refuse(asked, event.rejection);
          break;
        case "market":
        case "conflict":
        case "validated":
        case "timer":
          // A desk tells who asked. Of a market, the core publishes it; the others are news for nobody else.
          break;
        default:
          event satisfies never;
      }
    }
  }

  #reply(asked: Asked | undefined, order: Order, changed: boolean): void {
    if (asked?.request.type === "place") {
      if (changed) this.#tally.placed(order);
      else this.#tally.duplicate();
    }
    if (asked === undefined || !("request" in asked.request)) return;
    const contractOrder = this.#contractOrder(order);
    const { request } = asked.request;
    const isKnown = !changed && asked.request.type === "place";
    addNews(this.#news, asked.from, {
      type: "reply",
      request,
      order: contractOrder,
      changed,
      ...(isKnown && { duplicate: true }),
    });
    if (changed) this.#tellOfOrder(order, contractOrder, asked.from);
  }

  /** Tells of an order of a request whose answer follows. */
  #tellBeside(asked: Asked | undefined, order: Order): void {
    this.#tally.placed(order);
    const watching = this.#shards.watching(order.wallet);
    if (watching === undefined) return;
    const news = { type: "order", order: this.#contractOrder(order) } as const;
    const beside = asked?.request.type === "place-all" ? asked.request.request : 0;
    for (const shard of watching)
      addNews(this.#news, shard, shard === asked?.from ? { ...news, beside } : news);
  }

  /** An answer that is no order. */
  #answerWith({ from, request }: Asked<OrderRequest>, message: ServerMessage, costBytes = 0): void {
    addNews(this.#news, from, { type: "answer", request: request.request, message, costBytes });
  }

  #resultOf(order: Order, duplicate: boolean): OrderResultOf {
    if (duplicate) this.#tally.duplicate();
    return { order: this.#contractOrder(order), ...(duplicate && { duplicate }) };
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
    if (refusal.code === "UNAVAILABLE") this.#tally.unavailable();
    else if (type === "place" && asked.request.validateOnly !== true) this.#tally.refused(refusal);
    else if (type === "amend") this.#tally.amendRefused(refusal);
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
