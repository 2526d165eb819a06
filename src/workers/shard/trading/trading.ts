import type { MessagePort } from "node:worker_threads";
import type { MessageFault } from "../../../codec/decode.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import type { PrivateChannel, PrivateType } from "../../../contract/channel-kinds.js";
import type { RequestId } from "../../../contract/client-messages-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { ContractOrder } from "../../../store/contract-form.js";
import type { ExchangeNews, ExchangeRequest, Refused } from "../../messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import { FairBudget, type Holder } from "../connections/fair-budget.js";
import type { Outbox } from "../connections/outbox.js";
import { CoalescedWrites } from "./coalesced-writes.js";
import { ExchangeLink } from "./exchange-link.js";
import { PrivateChannels } from "./private-channels.js";
import { ShardSessions } from "./shard-sessions.js";

/** Whose request the exchange has not answered yet. */
interface WaitingOrder {
  readonly connection: Connection;
  readonly id: RequestId | undefined;
  /** Whose share of the requests that may wait it is of. */
  readonly trader: Holder;
  /** As how many it counts there. */
  readonly orders: number;
}

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

/** Which channels a snapshot is for. */
interface WaitingSnapshot {
  readonly connection: Connection;
  readonly trader: Holder;
  readonly wallet: string;
  /** In the order in which they were subscribed to; one that was so again is there again. */
  readonly types: PrivateType[];
}

type TradingOptions = Pick<ShardOptions, "maxPendingOrders" | "handshakeTimeoutMs">;

/**
 * The part of the time for a handshake within which a client hears of the session that it names: it has the
 * rest for the upgrade.
 */
const ANSWERED_WITHIN = 0.5;

const LOST: MessageFault = {
  code: "UNAVAILABLE",
  message:
    "the exchange went away before it answered; it may have taken the order, so try again with the same client_order_id",
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
  readonly #orders = new Map<number, WaitingOrder>();
  readonly #snapshots = new Map<number, WaitingSnapshot>();
  /** The latest request for a snapshot, by connection and wallet. */
  readonly #latestSnapshots = new Map<string, number>();
  readonly sessions: ShardSessions;
  #lastRequest = 0;

  constructor(outbox: Outbox, counters: CounterSection, options: TradingOptions) {
    this.#outbox = outbox;
    this.#counters = counters;
    this.#pending = new FairBudget(options.maxPendingOrders);
    this.#channels = new PrivateChannels(counters);
    this.#link = new ExchangeLink({
      news: (news) => this.#tell(news),
      lost: () => this.#lost(),
    });
    this.sessions = new ShardSessions(
      (request) => this.#link.send(request),
      options.handshakeTimeoutMs * ANSWERED_WITHIN,
    );
  }

  /** Trades with the exchange behind `port`, or with none, and asks for every snapshot again. */
  connect(port: MessagePort | undefined): void {
    this.#link.close();
    if (port === undefined) return;
    this.#link.connect(port, this.sessions.claims);
    this.sessions.askAgain();
    this.#channels.awaitAll();
    for (const wallet of this.#channels.wallets) {
      for (const connection of this.#channels.watching(wallet)) {
        const own = this.#channels.of(connection).filter(({ params }) => params.wallet === wallet);
        this.#askSnapshot(connection, wallet, own);
      }
    }
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
    const { trader } = connection;
    this.#pending.take(trader, orders);
    this.#orders.set(++this.#lastRequest, { connection, id, trader, orders });
    this.#counters[SHARD.ordersPending] = this.#orders.size;
    this.#link.send({ ...question, request: this.#lastRequest });
    return undefined;
  }

  /** Why no order can be passed on right now. */
  #unavailable(connection: Connection, orders: number): MessageFault | undefined {
    const fault: MessageFault | undefined = this.#link.connected
      ? this.#overloaded(connection, orders)
      : { code: "UNAVAILABLE", message: "the exchange is starting again; try again" };
    if (fault !== undefined) count(this.#counters, SHARD.ordersUnavailable);
    return fault;
  }

  #answered(request: number): WaitingOrder | undefined {
    const waiting = this.#orders.get(request);
    if (waiting !== undefined) this.#pending.giveBack(waiting.trader, waiting.orders);
    this.#orders.delete(request);
    this.#counters[SHARD.ordersPending] = this.#orders.size;
    return waiting;
  }

  // --- Subscriptions ----------------------------------------------------------------------------

  /** Subscribes; the snapshots come as soon as the exchange answers. */
  subscribe(connection: Connection, channels: readonly PrivateChannel[]): void {
    for (const channel of channels) {
      this.#channels.add(connection, channel, this.#lastRequest + 1);
    }
    for (const wallet of new Set(channels.map(({ params }) => params.wallet))) {
      const own = channels.filter(({ params }) => params.wallet === wallet);
      this.#askSnapshot(connection, wallet, own);
    }
  }

  unsubscribe(connection: Connection, channels: readonly PrivateChannel[]): void {
    for (const channel of channels) {
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

  #askSnapshot(connection: Connection, wallet: string, channels: readonly PrivateChannel[]): void {
    // Without an exchange there is nobody to ask; the next one is asked for everything.
    if (!this.#link.connected) return;
    const key = snapshotKey(connection, wallet);
    const latest = this.#latestSnapshots.get(key) ?? 0;
    const underway = this.#snapshots.get(latest);
    // One that is on its way will be no older; a wallet may be large.
    if (underway && channels.every((one) => this.#channels.awaits(connection, one, latest))) {
      for (const { type } of channels) underway.types.push(type);
      return;
    }
    const request = ++this.#lastRequest;
    const types = channels.map(({ type }) => type);
    const { trader } = connection;
    // Also over the bound, where another exchange is asked for all that is watched.
    this.#pending.take(trader);
    this.#snapshots.set(request, { connection, trader, wallet, types });
    this.#latestSnapshots.set(key, request);
    this.#link.send({ type: "watch", request, wallet });
  }

  // --- What the exchange tells ------------------------------------------------------------------

  #tell(news: readonly ExchangeNews[]): void {
    const writes = new CoalescedWrites(this.#outbox);
    const made = new Map<object, PrivateBatch[]>();
    for (const item of news) {
      switch (item.type) {
        case "reply":
          this.#reply(writes, item);
          break;
        case "refusal":
          this.#refuse(writes, this.#answered(item.request), item.refusal);
          break;
        case "answer":
          this.#answer(writes, item.request, item.message, item.costBytes);
          break;
        case "order":
          this.#pushOrder(writes, item.order, this.#orders.get(item.beside ?? 0)?.connection);
          break;
        case "position": {
          const live = this.#channels.live(item.position.wallet, "Positions");
          writes.push(live, { type: "PositionUpdate", data: { position: item.position } });
          break;
        }
        case "session":
          this.sessions.granted(item.connection, item.session);
          break;
        case "session-taken":
          this.sessions.taken(item.connection, item.session);
          break;
        case "snapshot":
          this.#sendSnapshot(writes, item, made);
          break;
        default:
          item satisfies never;
      }
    }
    writes.send();
  }

  #reply(
    writes: CoalescedWrites,
    { request, order, changed, duplicate }: Extract<ExchangeNews, { type: "reply" }>,
  ): void {
    const waiting = this.#answered(request);
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
    const waiting = this.#answered(request);
    if (waiting === undefined) return;
    if (costBytes > 0) waiting.connection.chargeAnswer(costBytes);
    writes.add(waiting.connection, reply(waiting, message));
  }

  #refuse(writes: CoalescedWrites, waiting: WaitingOrder | undefined, refusal: Refused): void {
    if (waiting === undefined) return;
    writes.add(waiting.connection, reply(waiting, { type: "Error", data: { ...refusal } }));
  }

  #pushOrder(writes: CoalescedWrites, order: ContractOrder, except?: Connection): void {
    const live = this.#channels.live(order.wallet, "Orders");
    writes.push(live, { type: "OrderUpdate", data: { order } }, except);
  }

  /** @param made snapshots of these news by what they hold: the same for many connections is made once */
  #sendSnapshot(
    writes: CoalescedWrites,
    { request, orders, positions }: Extract<ExchangeNews, { type: "snapshot" }>,
    made: Map<object, PrivateBatch[]>,
  ): void {
    const waiting = this.#snapshots.get(request);
    this.#snapshots.delete(request);
    if (waiting === undefined) return;
    const { connection, trader, wallet, types } = waiting;
    this.#pending.giveBack(trader);
    const key = snapshotKey(connection, wallet);
    if (this.#latestSnapshots.get(key) === request) this.#latestSnapshots.delete(key);
    const { encoding } = connection;
    for (const type of types) {
      if (!this.#channels.goLive(connection, wallet, type, request)) continue;
      const held = type === "Orders" ? orders : positions;
      const batches = made.get(held) ?? [];
      made.set(held, batches);
      batches[encoding] ??= {
        ...this.#outbox.encode(
          encoding,
          type === "Orders"
            ? { type: "OrderSnapshot", data: { orders: [...orders] } }
            : { type: "PositionSnapshot", data: { positions: [...positions] } },
        ),
        asked: true,
      };
      connection.chargeAnswer(batches[encoding].bytes.length);
      writes.put(connection, batches[encoding]);
    }
  }

  #lost(): void {
    const waiting = [...this.#orders.values()];
    for (const { trader, orders } of waiting) this.#pending.giveBack(trader, orders);
    for (const { trader } of this.#snapshots.values()) this.#pending.giveBack(trader);
    this.#orders.clear();
    this.#snapshots.clear();
    this.#latestSnapshots.clear();
    this.#counters[SHARD.ordersPending] = 0;
    count(this.#counters, SHARD.ordersUnavailable, waiting.length);
    for (const one of waiting) {
      this.#outbox.deliver(one.connection, reply(one, { type: "Error", data: { ...LOST } }));
    }
  }
}

function snapshotKey({ number }: Connection, wallet: string): string {
  return `${number} ${wallet}`;
}

function reply({ id }: WaitingOrder, message: ServerMessage): ServerMessage {
  return id === undefined ? message : { ...message, id };
}
