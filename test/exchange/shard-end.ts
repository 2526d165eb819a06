import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { RequestedOrder } from "../../src/contract/messages.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
  ReplayPosition,
  SessionClaim,
  TimedRequests,
} from "../../src/workers/messages.js";
import type { OrderQuestion } from "../../src/workers/shard/trading/trading.js";
import { until } from "../support/until.js";

type RequestWithout<T extends ExchangeRequest["type"]> = Omit<
  Extract<ExchangeRequest, { type: T }>,
  "type" | "request"
>;
/** News that carry a request's number. */
type Answer = Extract<ExchangeNews, { readonly request: number }>;

/** A limit order of market 1 for one lot at 0.5, unless told otherwise. */
export function limitOrder(given: Partial<RequestedOrder> = {}): RequestedOrder {
  return {
    market_id: 1,
    side: "Buy",
    order_type: "Limit",
    price: 0.5,
    quantity: 1,
    time_in_force: "GTC",
    post_only: false,
    ...given,
  };
}

/** A shard's end of a real port to the exchange, in the test's hand. */
export class ShardEnd {
  /** What it has been told, but for what {@link answer} has taken. */
  readonly news: ExchangeNews[] = [];
  /** From where on it has been told nothing. */
  told: ReplayPosition | undefined;
  /** The exchange's end. */
  readonly port: MessagePort;
  closed = false;
  readonly #own: MessagePort;
  #requests = 0;

  readonly #number: number;
  /** Connections that have a session. */
  readonly #connected = new Set<number>();

  constructor(number = 0) {
    this.#number = number;
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#own = port2;
    port2.on("message", (news: ExchangeToShard) => {
      for (const one of news) {
        if (one.type === "told") this.told = one.position;
        else this.news.push(one);
      }
    });
    port2.on("close", () => {
      this.closed = true;
    });
  }

  /** Sends requests in one message, as a shard does with those of a turn. */
  send(...requests: readonly ExchangeRequest[]): void {
    for (const request of requests)
      if (request.type === "ended") this.#connected.delete(request.connection);
    this.#own.postMessage(requests);
  }

  /** As a shard of another node, whose requests are not to be taken up later. */
  sendTimed(takeBy: number, ...requests: readonly ExchangeRequest[]): void {
    this.#own.postMessage({ requests, takeBy } satisfies TimedRequests);
  }

  /** The session of a connection, as the shard tells of it. */
  claim(connection: number, waitMs = 0): SessionClaim {
    const session = `session-of-connection-${connection}-of-shard-${this.#number}`;
    return { connection, session, userId: "u", wallet: "w1", waitMs };
  }

  /** Tells of a connection's session, where that is not known. */
  connect(connection: number, waitMs = 0): SessionClaim {
    const claim = this.claim(connection, waitMs);
    if (!this.#connected.has(connection)) this.send({ type: "session", ...claim });
    this.#connected.add(connection);
    return claim;
  }

  /** @param boundTo a connection, to whose session the order is bound */
  place(
    wallet: string,
    order: Partial<RequestedOrder> = {},
    boundTo?: number,
  ): Extract<ExchangeRequest, { type: "place" }> {
    return {
      type: "place",
      request: ++this.#requests,
      wallet,
      order: limitOrder(order),
      boundTo: boundTo === undefined ? undefined : this.connect(boundTo).session,
    };
  }

  cancel(wallet: string, order: RequestWithout<"cancel">["order"]) {
    return { type: "cancel" as const, request: ++this.#requests, wallet, order };
  }

  /** Asks something about orders, and returns what comes back. */
  about(question: OrderQuestion): Promise<Answer> {
    return this.ask({ ...question, request: ++this.#requests });
  }

  watch(wallet: string) {
    return { type: "watch" as const, request: ++this.#requests, wallet };
  }

  /** Sends a request and takes its answer out of the news. */
  ask(request: Extract<ExchangeRequest, { readonly request: number }>): Promise<Answer> {
    this.send(request);
    return this.answer(request);
  }

  answer({ request }: { readonly request: number }): Promise<Answer> {
    return until(`the answer to request ${request}`, () => {
      const at = this.news.findIndex((one) => "request" in one && one.request === request);
      return at < 0 ? undefined : (this.news.splice(at, 1)[0] as Answer);
    });
  }

  /** Places an order and returns its state. */
  async placed(wallet: string, order: Partial<RequestedOrder> = {}, boundTo?: number) {
    const answer = await this.ask(this.place(wallet, order, boundTo));
    if (answer.type !== "reply") throw new Error(`no order: ${JSON.stringify(answer)}`);
    return answer.order;
  }

  /** What a wallet has, as a new watcher hears it. */
  async snapshot(wallet: string) {
    const answer = await this.ask(this.watch(wallet));
    if (answer.type !== "snapshot") throw new Error(`no snapshot: ${JSON.stringify(answer)}`);
    const { orders, positions } = answer;
    return { orders, positions };
  }

  /** Ends, as with its thread. */
  close(): void {
    this.#own.close();
  }
}
