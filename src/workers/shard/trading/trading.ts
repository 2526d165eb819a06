import type { MessagePort } from "node:worker_threads";
import type { MessageFault } from "../../../codec/decode.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import type { PrivateChannel } from "../../../contract/channel-kinds.js";
import type { RequestId } from "../../../contract/client-messages-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { ContractOrder } from "../../../store/contract-form.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  Refused,
  ReplayFrom,
  ReplayPosition,
  WalletQuestion,
} from "../../messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import { FairBudget } from "../connections/fair-budget.js";
import type { Outbox } from "../connections/outbox.js";
import { CoalescedWrites, type Takers } from "./coalesced-writes.js";
import { ExchangeLink } from "./exchange-link.js";
import { OrderReplays, type WalletAsking } from "./order-replays.js";
import { PrivateChannels } from "./private-channels.js";
import { ShardSessions } from "./shard-sessions.js";
import { type WaitingOrder, WaitingOrders } from "./waiting-orders.js";
import { costOfReading, type PageNews, pageMessage } from "./wallet-pages.js";
import { WalletSnapshots } from "./wallet-snapshots.js";

/** What the exchange is asked about orders, before it has a number. */
export type OrderQuestion = {
  [T in ExchangeRequest["type"]]: Extract<
    ExchangeRequest,
    { readonly type: T }
  > extends infer R extends {
    readonly request: number;
  }
    ? Omit<R, "request">
    : never;
}["place" | "place-all" | "amend" | "cancel" | "cancel-all" | "cancel-after"];

type TradingOptions = Pick<ShardOptions, "maxPendingOrders" | "handshakeTimeoutMs" | "takesOrders">;

/**
 * The part of the time for a handshake within which a client hears of the session that it names: it has the
 * rest for the upgrade.
 */
const ANSWERED_WITHIN = 0.5;

const QUERY_LOST: MessageFault = {
  code: "UNAVAILABLE",
  message: "the exchange went away before it answered; try again",
};

/**
 * A shard's part in trading: passes orders on to the exchange and its answers back, and tells the
 * connections that watch a wallet what is new of it.
 *
 * Everything private goes out in the order in which the exchange told it and is never conflated: an
 * answer to an order does not overtake older news of the same wallet.
 */
export class Trading {
  readonly #outbox: Outbox;
  readonly #counters: CounterSection;
  /** Requests that may wait for the exchange, shared fairly by wallet. */
  readonly #pending: FairBudget;
  readonly #link: ExchangeLink;
  readonly #channels: PrivateChannels;
  readonly #orders: WaitingOrders;
  readonly #snapshots: WalletSnapshots;
  readonly replays: OrderReplays;
  readonly sessions: ShardSessions;
  /** Whether orders are taken; undefined where that is another node's to say, which has not yet. */
  takesOrders: boolean | undefined;
  #lastRequest = 0;
  /** From where on nothing has been told of what is watched, by this exchange or the one before. */
  #told: ReplayPosition | undefined;
  /** By the messages that are told in pieces. */
  readonly #takers = new WeakMap<object, Takers>();

  constructor(outbox: Outbox, counters: CounterSection, options: TradingOptions) {
    this.#outbox = outbox;
    this.#counters = counters;
    this.takesOrders = options.takesOrders;
    this.#pending = new FairBudget(options.maxPendingOrders);
    this.#orders = new WaitingOrders(this.#pending, counters);
    this.#channels = new PrivateChannels(counters);
    this.#link = new ExchangeLink({
      news: (news, message) => this.#tell(news, message),
      lost: () => this.#lost(),
    });
    // What is asked for a subscription is asked over the bound too: there is one of each at most.
    const asking: WalletAsking = {
      ask: (trader, request) => {
        if (!this.#link.connected) return undefined;
        this.#pending.take(trader);
        this.#link.send({ ...request, request: ++this.#lastRequest });
        return this.#lastRequest;
      },
      answered: (trader) => this.#pending.giveBack(trader),
    };
    this.#snapshots = new WalletSnapshots(outbox, this.#channels, asking);
    this.replays = new OrderReplays(outbox, counters, asking, (connection, wallet) =>
      this.#channels.setReplaying(connection, wallet, "Orders", false),
    );
    this.sessions = new ShardSessions(
      (request) => this.#link.send(request),
      options.handshakeTimeoutMs * ANSWERED_WITHIN,
    );
  }

  /**
   * Trades with the exchange behind `port`, or with none, and asks for every snapshot again. Who was told news of
   * orders is told, too, what the exchange before has stored and not told.
   */
  connect(port: MessagePort | undefined): void {
    this.#link.close();
    if (port === undefined) return;
    this.#link.connect(port, this.sessions.claims);
    this.#askAgain();
  }

  /** Asks an exchange that has been told of the sessions for all that is still to be answered. */
  #askAgain(): void {
    this.sessions.askAgain();
    const followers = [...this.#channels.wallets].flatMap((wallet) =>
      [...this.#channels.live(wallet, "Orders")].map((connection) => ({ connection, wallet })),
    );
    this.#channels.awaitAll();
    for (const wallet of this.#channels.wallets) {
      for (const connection of this.#channels.watching(wallet)) {
        const own = this.#channels.of(connection).filter(({ params }) => params.wallet === wallet);
        this.#snapshots.ask(connection, wallet, own);
      }
    }
    this.replays.askAgain();
    for (const { connection, wallet } of followers)
      if (this.#told !== undefined) this.#replay(connection, wallet, this.#told);
  }

  close(): void {
    this.#link.close();
  }

  /** Why the snapshots of channels cannot be asked for right now. */
  overloadedBy(
    connection: Connection,
    channels: readonly PrivateChannel[],
  ): MessageFault | undefined {
    const wallets = new Set(channels.map(({ params }) => params.wallet));
    return this.#overloaded(connection, wallets.size);
  }

  /** Why so many requests more are too many for the exchange at the moment, or for one trader. */
  #overloaded({ trader }: Connection, requests = 1): MessageFault | undefined {
    if (this.#pending.mayTake(trader, requests)) return undefined;
    const { taken, max } = this.#pending;
    const message = `${taken} of ${max} requests that may wait for the exchange do so, and this wallet has its share; try again`;
    return { code: "UNAVAILABLE", message };
  }

  // --- Orders -----------------------------------------------------------------------------------

  /**
   * Asks the exchange about orders, or says why not right now.
   * @param orders as how many requests that wait it counts
   */
  ask(
    connection: Connection,
    id: RequestId | undefined,
    orders: number,
    question: OrderQuestion,
  ): MessageFault | undefined {
    const fault = this.#unavailable(connection, orders);
    if (fault !== undefined) return fault;
    this.#link.send({
      ...question,
      request: this.#orders.wait(++this.#lastRequest, connection, id, orders),
    });
    return undefined;
  }

  /**
   * Asks what a wallet has had; returns why that cannot be asked right now, where it is so.
   * @param answered called behind the answer
   */
  query(
    connection: Connection,
    id: RequestId | undefined,
    question: WalletQuestion,
    answered: () => void,
  ): MessageFault | undefined {
    const fault = this.#unavailable(connection);
    if (fault !== undefined) return fault;
    this.#link.send({
      ...question,
      request: this.#orders.wait(++this.#lastRequest, connection, id, 1, QUERY_LOST, answered),
    });
    return undefined;
  }

  /** Why no order can be passed on right now. */
  #unavailable(connection: Connection, orders = 1): MessageFault | undefined {
    const fault: MessageFault | undefined = this.#link.connected
      ? this.#overloaded(connection, orders)
      : { code: "UNAVAILABLE", message: `${this.#link.reason}; try again` };
    if (fault !== undefined) count(this.#counters, SHARD.ordersUnavailable);
    return fault;
  }

  // --- Subscriptions ----------------------------------------------------------------------------

  /**
   * Subscribes; the snapshots come as soon as the exchange answers.
   * @param replayed channels of them that get in their place what there was since their `since`
   */
  subscribe(
    connection: Connection,
    channels: readonly PrivateChannel[],
    replayed: ReadonlySet<PrivateChannel> = new Set(),
  ): void {
    for (const channel of channels) {
      this.#channels.add(connection, channel, this.#lastRequest + 1);
    }
    const snapped = channels.filter((channel) => !replayed.has(channel));
    for (const wallet of new Set(snapped.map(({ params }) => params.wallet))) {
      const own = snapped.filter(({ params }) => params.wallet === wallet);
      this.#snapshots.ask(connection, wallet, own);
    }
    for (const { since = 0, params } of replayed) {
      this.#replay(connection, params.wallet, { since });
    }
  }

  #replay(connection: Connection, wallet: string, from: ReplayFrom): void {
    this.#channels.setReplaying(connection, wallet, "Orders", true);
    this.replays.begin(connection, wallet, from);
  }

  unsubscribe(connection: Connection, channels: readonly PrivateChannel[]): void {
    for (const channel of channels) {
      if (channel.type === "Orders") this.replays.end(connection, channel.params.wallet);
      if (!this.#channels.remove(connection, channel)) continue;
      this.#link.send({ type: "unwatch", wallet: channel.params.wallet });
    }
  }

  channelsOf(connection: Connection): readonly PrivateChannel[] {
    return this.#channels.of(connection);
  }

  /** Forgets a connection that has ended. */
  forget(connection: Connection): void {
    this.unsubscribe(connection, this.#channels.of(connection));
    this.sessions.end(connection.number);
  }

  // --- What the exchange tells ------------------------------------------------------------------

  #tell(news: readonly ExchangeNews[], message: readonly ExchangeNews[]): void {
    const writes = new CoalescedWrites(this.#outbox, this.#takersOf(news, message));
    const made = new Map<object, PrivateBatch[]>();
    for (const item of news) {
      switch (item.type) {
        case "reply":
          this.#reply(writes, item);
          break;
        case "refusal":
          this.#refuse(writes, this.#orders.answered(item.request), item.refusal);
          break;
        case "answer":
          this.#answer(writes, item.request, item.message, item.costBytes);
          break;
        case "order":
          this.#pushOrder(writes, item.order, this.#orders.connectionOf(item.beside));
          break;
        case "position": {
          const live = this.#channels.live(item.position.wallet, "Positions");
          writes.push(live, { type: "PositionUpdate", data: { position: item.position } });
          break;
        }
        case "fill":
          writes.push(this.#channels.live(item.fill.wallet, "Orders"), {
            type: "Fill",
            data: { fill: item.fill },
          });
          break;
        case "page":
          this.#sendPage(writes, this.#orders.answered(item.request), item);
          break;
        case "recoverable":
          this.replays.found(item);
          break;
        case "replay":
          this.replays.take(writes, item);
          break;
        case "replay-lost":
          this.replays.fail(item.request);
          break;
        case "told":
          this.#told = item.position;
          break;
        case "session":
          this.sessions.granted(item.connection, item.session);
          break;
        case "session-taken":
          this.sessions.taken(item.connection, item.session);
          break;
        case "snapshot":
          this.#snapshots.take(writes, item, made);
          break;
        case "reachable":
          this.#reachable(item.takesOrders);
          break;
        case "unreachable":
          // What was told before comes before the answers that this brings about.
          writes.send();
          this.#link.detach(item.reason);
          break;
        default:
          item satisfies never;
      }
    }
    writes.send();
  }

  /** The exchange is on another node, and can be reached. */
  #reachable(takesOrders: boolean): void {
    this.takesOrders = takesOrders;
    if (this.#link.attach(this.sessions.claims)) this.#askAgain();
  }

  /** Of a message that is told in pieces; undefined where the news are all of it. */
  #takersOf(news: readonly ExchangeNews[], message: readonly ExchangeNews[]): Takers | undefined {
    if (news.length === message.length) return undefined;
    const takers = this.#takers.get(message) ?? new Map();
    this.#takers.set(message, takers);
    return takers;
  }

  #reply(
    writes: CoalescedWrites,
    { request, order, changed, duplicate }: Extract<ExchangeNews, { type: "reply" }>,
  ): void {
    const waiting = this.#orders.answered(request);
    if (waiting !== undefined) {
      const data = duplicate === undefined ? { order } : { order, duplicate };
      writes.add(waiting.connection, reply(waiting, { type: "OrderUpdate", data }));
    }
    if (changed) this.#pushOrder(writes, order, waiting?.connection);
  }

  #answer(
    writes: CoalescedWrites,
    request: number,
    message: ServerMessage,
    costBytes: number,
  ): void {
    const waiting = this.#orders.answered(request);
    if (waiting === undefined) return;
    if (costBytes > 0) waiting.connection.chargeAnswer(costBytes);
    writes.add(waiting.connection, reply(waiting, message));
  }

  #sendPage(writes: CoalescedWrites, waiting: WaitingOrder | undefined, page: PageNews): void {
    if (waiting === undefined) return;
    const { connection } = waiting;
    const batch = this.#outbox.encode(connection.encoding, reply(waiting, pageMessage(page)));
    // Made for this connection alone, so that its address pays as well.
    connection.charge(batch.bytes.length + costOfReading(page), performance.now());
    writes.put(connection, { ...batch, asked: true });
  }

  #refuse(writes: CoalescedWrites, waiting: WaitingOrder | undefined, refusal: Refused): void {
    if (waiting === undefined) return;
    writes.add(waiting.connection, reply(waiting, { type: "Error", data: { ...refusal } }));
  }

  #pushOrder(writes: CoalescedWrites, order: ContractOrder, except?: Connection): void {
    const live = this.#channels.live(order.wallet, "Orders");
    writes.push(live, { type: "OrderUpdate", data: { order } }, except);
  }

  #lost(): void {
    const waiting = this.#orders.lost();
    this.#snapshots.lost();
    count(this.#counters, SHARD.ordersUnavailable, waiting.length);
    for (const one of waiting) {
      this.#outbox.deliver(one.connection, reply(one, { type: "Error", data: { ...one.lost } }));
      if (one.answered !== undefined) queueMicrotask(one.answered);
    }
    this.replays.lost();
  }
}

function reply({ id }: WaitingOrder, message: ServerMessage): ServerMessage {
  return id === undefined ? message : { ...message, id };
}
