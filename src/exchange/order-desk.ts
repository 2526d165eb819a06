import type { ExchangeOptions } from "../config/thread-options.js";
import type { OrderResult, RequestedOrder, ServerMessage } from "../contract/messages.js";
import { admitAmend, admitOrder, isSameOrder, understood } from "../engine/admission.js";
import type { EngineEvent, OrderReference } from "../engine/commands.js";
import type { KnownOrder } from "../engine/engine.js";
import type { Order } from "../engine/order.js";
import { orderRejected } from "../engine/rejection.js";
import { walletFault } from "../store/wallet-fault.js";
import type { ExchangeRequest, OrderName, Refused } from "../workers/messages.js";
import type { ExchangeCore } from "./exchange-core.js";
import type { AttachedShard } from "./exchange-shards.js";
import { toOrderReference } from "./order-reference.js";

type RequestOf<T extends ExchangeRequest["type"]> = Extract<ExchangeRequest, { readonly type: T }>;
/** What shards ask that is about orders. */
export type OrderRequest =
  | RequestOf<"place" | "place-all" | "amend">
  | RequestOf<"cancel" | "cancel-all" | "cancel-after">;

/** A request, and who has it answered. */
export interface Asked<R extends ExchangeRequest = ExchangeRequest> {
  readonly from: AttachedShard;
  readonly request: R;
  /** In ms of the machine's clock: later it is not to be carried out. */
  readonly takeBy?: number | undefined;
}

/** What is told of what came of requests. */
interface OrderAnswers {
  /** The last order that the events are of is the answer. */
  readonly collect: (events: readonly EngineEvent[], asked: Asked) => void;
  /** The answer follows: the orders that the events are of are told to all but who asked, if anybody did. */
  readonly collectBeside: (
    events: readonly EngineEvent[],
    asked?: Asked<RequestOf<"place-all">>,
  ) => void;
  readonly refuse: (asked: Asked, refusal: Refused) => void;
  /** The order was placed before. */
  readonly replyKnown: (asked: Asked, order: Order) => void;
  /** @param costBytes what it cost beside its bytes, as so many of them */
  readonly answer: (asked: Asked<OrderRequest>, message: ServerMessage, costBytes?: number) => void;
  /** The result of an order that is not the answer itself. */
  readonly resultOf: (order: Order, duplicate: boolean) => OrderResult;
  /** Counts an order that is refused. */
  readonly countRefused: (refusal: Refused) => void;
  /** The first order of a client order id; undefined where the store has lost it. */
  readonly firstOrder: (known: KnownOrder) => Order | undefined;
}

interface OrderDeskContext {
  readonly options: ExchangeOptions;
  readonly core: ExchangeCore;
  readonly answers: OrderAnswers;
  /** Notes that an order may be bound to a session. */
  readonly bind: (session: string) => void;
}

/** What became of an order so far: it was refused, or known before, or executed. */
type Placed =
  | { readonly refusal: Refused }
  | { readonly first: Order }
  | { readonly events: readonly EngineEvent[] };

/** What a look at an open order costs who has all of his looked at, as so many bytes. */
const LOOK_COST_BYTES = 16;

/** Turns what shards ask about orders into commands, and what came of those into answers. */
export class OrderDesk {
  readonly #context: OrderDeskContext;

  constructor(context: OrderDeskContext) {
    this.#context = context;
  }

  /** Carries out a request; with a refusal it is answered by that instead. */
  take(asked: Asked<OrderRequest>, refusal: Refused | undefined): void {
    const { from, request } = asked;
    if (refusal !== undefined) return this.#context.answers.refuse(asked, refusal);
    switch (request.type) {
      case "place":
        return this.#place({ from, request });
      case "place-all":
        return this.#placeAll({ from, request });
      case "amend":
        return this.#amend({ from, request });
      case "cancel":
        return this.#cancel({ from, request });
      case "cancel-all":
        return this.#cancelAll({ from, request });
      case "cancel-after":
        return this.#cancelAfter({ from, request });
      default:
        return request satisfies never;
    }
  }

  /** How many orders a request is about at most, and one more. */
  weightOf(request: ExchangeRequest): number {
    if (request.type === "place-all") return 1 + request.orders.length;
    if (request.type !== "cancel-all") return 1;
    return 1 + this.#context.core.looks(request.wallet, request.marketId, request.side);
  }

  #place(asked: Asked<RequestOf<"place">>): void {
    const { answers } = this.#context;
    const { wallet, order, boundTo, validateOnly } = asked.request;
    const placed = this.#placed(wallet, order, boundTo, validateOnly);
    if ("refusal" in placed) answers.refuse(asked, placed.refusal);
    else if (validateOnly === true) {
      const rejected = "events" in placed ? rejectionOf(placed.events) : undefined;
      if ("events" in placed) answers.collectBeside(placed.events);
      if (rejected !== undefined) answers.refuse(asked, rejected);
      else answers.answer(asked, { type: "OrderValidated", data: { order: understood(order) } });
    } else if ("first" in placed) answers.replyKnown(asked, placed.first);
    else answers.collect(placed.events, asked);
  }

  #placeAll(asked: Asked<RequestOf<"place-all">>): void {
    const { core, answers } = this.#context;
    const { wallet, orders, boundTo } = asked.request;
    const all = orders.map((order): Refused | Order | number => {
      if ("refusal" in order) return order.refusal;
      const placed = this.#placed(wallet, order, boundTo);
      if ("refusal" in placed) return placed.refusal;
      if ("first" in placed) return placed.first;
      answers.collectBeside(placed.events, asked);
      const last = placed.events.findLast(({ type }) => type === "order");
      if (last?.type === "order") return last.order.orderId;
      return rejectionOf(placed.events) ?? INTERNAL;
    });
    const results = all.map((one): OrderResult => {
      if (typeof one === "object" && "code" in one) {
        answers.countRefused(one);
        return { error: one };
      }
      // Later ones may have cancelled it.
      if (typeof one === "number") return answers.resultOf(core.latest(one) as Order, false);
      return answers.resultOf(core.latest(one.orderId) ?? one, true);
    });
    answers.answer(asked, { type: "OrderResults", data: { results } });
  }

  #placed(
    wallet: string,
    order: RequestedOrder,
    boundTo: string | undefined,
    validateOnly?: boolean,
  ): Placed {
    const { options, core, answers } = this.#context;
    // Before all other rules, so that sending an order again always tells what became of it.
    const id = order.client_order_id;
    const known = id === undefined ? undefined : core.knownOrder(wallet, id);
    if (known !== undefined) {
      const first = answers.firstOrder(known);
      if (first === undefined) return { refusal: unreadable(known.orderId) };
      return isSameOrder(order, first, core.listed(first.marketId))
        ? { first }
        : { refusal: reused(id as string, known.orderId) };
    }
    const terms = admitOrder(order, core.market(order.market_id), options, wallet, boundTo);
    if ("code" in terms) return { refusal: terms };
    // Of one order alone: found when the batch is written, it would take all the others with it.
    const fault = walletFault(wallet);
    if (fault !== undefined) {
      const message = `the wallet cannot be stored: ${fault}`;
      return { refusal: orderRejected("wallet_name", message, { value: wallet }) };
    }
    const validUntilTs = order.valid_until_ts;
    const events = core.execute({
      type: "place",
      terms,
      ...(validUntilTs !== undefined && { validUntilTs }),
      ...(validateOnly === true && { validateOnly }),
    });
    if (boundTo !== undefined && validateOnly !== true) this.#context.bind(boundTo);
    return { events };
  }

  #amend(asked: Asked<RequestOf<"amend">>): void {
    const { options, core, answers } = this.#context;
    const { wallet, order: name, price, quantity } = asked.request;
    const order = toOrderReference(name);
    if (order === undefined) return this.#unknown(asked, name);
    const found = this.#open(wallet, order);
    // Of an order that is not there, or not the wallet's, the engine says no more than that.
    const admitted =
      found === undefined
        ? {}
        : admitAmend({ price, quantity }, core.listed(found.marketId), options);
    if ("code" in admitted) return answers.refuse(asked, admitted);
    answers.collect(core.execute({ type: "amend", wallet, order, ...admitted }), asked);
  }

  #open(wallet: string, reference: OrderReference): Order | undefined {
    const { core } = this.#context;
    if ("clientOrderId" in reference)
      return core.knownOrder(wallet, reference.clientOrderId)?.order;
    const order = core.openOrder(reference.orderId);
    return order?.wallet === wallet ? order : undefined;
  }

  #cancel(asked: Asked<RequestOf<"cancel">>): void {
    const { core, answers } = this.#context;
    const { wallet, order: name } = asked.request;
    const order = toOrderReference(name);
    if (order === undefined) return this.#unknown(asked, name);
    answers.collect(core.execute({ type: "cancel", wallet, order }), asked);
  }

  #unknown(asked: Asked<OrderRequest>, name: OrderName): void {
    const id = "order_id" in name ? name.order_id : "";
    const message = `no open order has the id ${id}`;
    this.#context.answers.refuse(asked, { code: "ORDER_NOT_FOUND", message });
  }

  #cancelAll(asked: Asked<RequestOf<"cancel-all">>): void {
    const { core, answers } = this.#context;
    const { wallet, marketId, side } = asked.request;
    const looks = core.openCount(wallet);
    const events = core.execute({
      type: "cancel-all",
      wallet,
      ...(marketId !== undefined && { marketId }),
      ...(side !== undefined && { side }),
    });
    const count = events.filter(({ type }) => type === "order").length;
    const message = { type: "OrdersCancelled", data: { count } } as const;
    answers.answer(asked, message, looks * LOOK_COST_BYTES);
    // Behind it, to who asked as well.
    answers.collectBeside(events);
  }

  #cancelAfter(asked: Asked<RequestOf<"cancel-after">>): void {
    const { core, answers } = this.#context;
    const { wallet, timeoutMs } = asked.request;
    const fault = walletFault(wallet);
    if (fault !== undefined) {
      const message = `the wallet cannot be stored: ${fault}`;
      return answers.refuse(asked, orderRejected("wallet_name", message, { value: wallet }));
    }
    const events = core.execute({ type: "cancel-after", wallet, timeoutMs });
    answers.collectBeside(events);
    const set = events.find((event) => event.type === "timer");
    const trigger_ts = set?.timer.triggerTs ?? null;
    answers.answer(asked, { type: "CancelAfterSet", data: { trigger_ts } });
  }
}

const INTERNAL: Refused = { code: "INTERNAL", message: "nothing came of the order" };

function rejectionOf(events: readonly EngineEvent[]): Refused | undefined {
  const rejected = events.find((event) => event.type === "rejected");
  return rejected?.rejection;
}

function unreadable(orderId: number): Refused {
  const message = `the client order id was used for order ${orderId}, which cannot be read`;
  return { code: "INTERNAL", message };
}

function reused(clientOrderId: string, orderId: number): Refused {
  const message = `client order id ${clientOrderId} was used for order ${orderId}, which was placed with other terms`;
  const details = { field: "client_order_id", value: clientOrderId };
  return orderRejected("client_order_id_reused", message, details);
}
