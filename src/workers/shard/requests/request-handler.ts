import { type Decoded, decodeClientMessage, type MessageFault } from "../../../codec/decode.js";
import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { encodingAt } from "../../../codec/encodings.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import {
  CHANNEL_KINDS,
  channelKey,
  isNamed,
  isPrivate,
  marketIdsOf,
  type NamedChannel,
  type PrivateChannel,
} from "../../../contract/channel-kinds.js";
import {
  type Channel,
  isPresence,
  isPublic,
  type PresenceChannel,
  type PublicChannel,
} from "../../../contract/channels-schema.js";
import type { ClientMessage, RequestId } from "../../../contract/client-messages-schema.js";
import { CLOSE } from "../../../contract/closings.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { GrantedSession } from "../../../shared/session.js";
import type { FoundHistory } from "../channels/channel-searches.js";
import type { Channels } from "../channels/channels.js";
import type { Connection } from "../connections/connection.js";
import type { Outbox } from "../connections/outbox.js";
import type { FanOut } from "../fan-out/fan-out.js";
import type { FirstDataSender } from "../fan-out/first-data-sender.js";
import { Recoveries } from "../fan-out/recoveries.js";
import { SubscriptionSet } from "../fan-out/subscription-set.js";
import type { ShardPresence } from "../presence/shard-presence.js";
import type { RequestHold } from "../trading/shard-sessions.js";
import type { Trading } from "../trading/trading.js";
import { AuthenticationError, type Authenticator, type Identity } from "./authenticator.js";
import { ChannelRequests } from "./channel-requests.js";
import type { History, HistoryRequestMessage } from "./history.js";
import { OrderRequests } from "./order-requests.js";
import { authRequired, forbidden, rateLimited, tradingFault } from "./request-faults.js";
import { ADMIN, type WalletRequestMessage, WalletRequests } from "./wallet-requests.js";

/** Of larger messages that are refused undecoded nobody knows the id. */
const ANSWERED_WITH_ID_BYTES_MAX = 4096;
/*
 * What else than bytes a request costs, as so many bytes: each takes about as long as decoding them does,
 * which `bench requests` shows.
 */
const SIGNATURE_COST_BYTES = 32_768;
/** For each subscription that a connection has, when one of them changes. */
const SUBSCRIPTION_COST_BYTES = 32;
/** For each market that a filter of `Markets` is evaluated on. */
const EVALUATION_COST_BYTES = 16;
/** For each record that is looked at to find where a replay begins. */
const RECOVERY_COST_BYTES = 16;

export type RequestOptions = Pick<
  ShardOptions,
  "maxSubscriptions" | "maxFilters" | "maxReplayMessages" | "maxMessageValues"
>;

type AuthenticateData = Extract<ClientMessage, { type: "Authenticate" }>["data"];

/** What was found of channels with a `since` that others than the fan-out tell. */
interface FoundElsewhere {
  /** Channels of wallets' orders that can be replayed. */
  readonly orders: ReadonlySet<PrivateChannel>;
  readonly histories: ReadonlyMap<NamedChannel, FoundHistory>;
}

interface RequestHooks extends RequestHold {
  /** A client has subscribed to market data. */
  readonly subscribed: () => void;
  /** A connection has an identity, its first or another. */
  readonly identified: (connection: Connection, identity: Identity) => void;
}

/** Answers what clients ask: one direct reply to each message, and first data after a `Subscribed`. */
export class RequestHandler {
  readonly #options: RequestOptions;
  readonly #fanOut: FanOut;
  readonly #outbox: Outbox;
  readonly #firstData: FirstDataSender;
  readonly #trading: Trading;
  readonly #authenticator: Authenticator;
  readonly #counters: CounterSection;
  readonly #hooks: RequestHooks;
  readonly #history: History;
  readonly #presence: ShardPresence;
  readonly #orders: OrderRequests;
  readonly #walletRequests: WalletRequests;
  readonly #channels: Channels;
  readonly #channelRequests: ChannelRequests;

  constructor(
    options: RequestOptions,
    fanOut: FanOut,
    outbox: Outbox,
    firstData: FirstDataSender,
    trading: Trading,
    channels: Channels,
    authenticator: Authenticator,
    counters: CounterSection,
    hooks: RequestHooks,
    history: History,
    presence: ShardPresence,
  ) {
    this.#options = options;
    this.#fanOut = fanOut;
    this.#outbox = outbox;
    this.#firstData = firstData;
    this.#trading = trading;
    this.#channels = channels;
    this.#channelRequests = new ChannelRequests(channels, hooks);
    this.#authenticator = authenticator;
    this.#counters = counters;
    this.#hooks = hooks;
    this.#history = history;
    this.#presence = presence;
    this.#orders = new OrderRequests(trading, counters);
    this.#walletRequests = new WalletRequests({
      trading,
      hold: hooks,
      isListed: (id) => fanOut.mirror.find(id) !== undefined,
    });
  }

  /**
   * Handles one WebSocket message.
   * @param now performance.now()
   */
  handle(connection: Connection, payload: Buffer, isBinary: boolean, now: number): void {
    const encoding = encodingAt(this.#outbox.encodings, connection.encoding);
    if (isBinary !== (encoding.frames === "binary")) {
      connection.close(CLOSE.wrongFrames(encoding.frames));
      return;
    }
    connection.messageAt = now;
    count(this.#counters, SHARD.messagesReceived);
    const { maxMessageValues } = this.#options;
    if (!connection.countMessage(now))
      return this.#refuseByRate(connection, encoding, payload, now);
    const decoded = decodeClientMessage(encoding, payload, maxMessageValues);
    if (decoded.message === undefined) this.#refuse(connection, decoded.id, decoded.fault);
    else this.#answer(connection, decoded.message, now);
  }

  /** Refuses a message beyond the limit, undecoded; of a small one the answer has the id. */
  #refuseByRate(
    connection: Connection,
    encoding: EncodingDescriptor,
    payload: Buffer,
    now: number,
  ): void {
    if (!connection.open) return;
    const id =
      payload.length <= ANSWERED_WITH_ID_BYTES_MAX
        ? idOf(decodeClientMessage(encoding, payload, this.#options.maxMessageValues))
        : undefined;
    this.#refuse(connection, id, rateLimited(connection.messageAllowance, "messages", now));
  }

  #answer(connection: Connection, message: ClientMessage, now: number): void {
    switch (message.type) {
      case "Authenticate":
        connection.charge(SIGNATURE_COST_BYTES, now);
        return this.#authenticate(connection, message.id, message.data);
      case "Subscribe":
        connection.charge(this.#costOf(connection, message.data.channels), now);
        return this.#recoverElsewhere(connection, message.data.channels, (found) =>
          this.#firstData.take(connection, () =>
            this.#subscribe(connection, message.id, message.data.channels, found),
          ),
        );
      case "Unsubscribe":
        connection.charge(this.#costOf(connection, []), now);
        return this.#firstData.take(connection, () =>
          this.#unsubscribe(connection, message.id, message.data.channels),
        );
      case "Ping": {
        const data = { timestamp: message.data.timestamp, server_time: Date.now() };
        return this.#reply(connection, message.id, { type: "Pong", data });
      }
      case "PlaceOrder":
      case "PlaceOrders":
      case "AmendOrder":
      case "CancelOrder":
      case "CancelOrders":
      case "CancelAfter": {
        const fault = this.#orders.take(connection, message, now);
        return fault && this.#refuse(connection, message.id, fault);
      }
      case "TradeHistory":
      case "CandleHistory":
        // Paced as first data are: a page is read and written when there is time and room for it.
        return this.#firstData.take(connection, () => this.#answerHistory(connection, message));
      case "OrderHistory":
      case "FillHistory":
        return this.#firstData.take(connection, () => this.#askWallet(connection, message));
      case "GetOrder":
        return this.#askWallet(connection, message);
      case "Publish": {
        const fault = this.#channelRequests.publish(connection, message, now);
        return fault && this.#refuse(connection, message.id, fault);
      }
      default:
        return message satisfies never;
    }
  }

  /** What a change of subscriptions costs, as so many bytes: the sets are copied, the filters evaluated. */
  #costOf(connection: Connection, channels: readonly Channel[]): number {
    const filters = channels.filter(({ type }) => type === "Markets").length;
    const { length } = this.#fanOut.mirror.markets;
    return (
      SUBSCRIPTION_COST_BYTES * connection.subscriptions + EVALUATION_COST_BYTES * filters * length
    );
  }

  #answerHistory(connection: Connection, request: HistoryRequestMessage): void {
    const answer = this.#history.answer(request, this.#fanOut.mirror);
    connection.charge(answer.costBytes, performance.now());
    if (answer.fault !== undefined) this.#refuse(connection, request.id, answer.fault);
    else this.#reply(connection, request.id, answer.page);
  }

  #askWallet(connection: Connection, request: WalletRequestMessage): void {
    const fault = this.#walletRequests.take(connection, request, performance.now());
    if (fault !== undefined) this.#refuse(connection, request.id, fault);
  }

  // --- Authentication and subscriptions ---------------------------------------------------------

  #authenticate(
    connection: Connection,
    id: RequestId | undefined,
    { token, session }: AuthenticateData,
  ): void {
    let identity: Identity;
    try {
      identity = this.#authenticator.verify(token);
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      return this.#refuse(connection, id, { code: "AUTH_FAILED", message: error.message });
    }
    const before = connection.identity;
    if (
      before !== undefined &&
      (before.userId !== identity.userId || before.wallet !== identity.wallet)
    ) {
      const message = "another token must keep the sub and wallet of the connection's first";
      return this.#refuse(connection, id, forbidden(message));
    }
    this.#hooks.identified(connection, identity);
    this.#trading.sessions.give(connection, identity, session, this.#hooks, (granted) => {
      this.#reply(connection, id, authenticated(identity, granted));
      this.#endForbidden(connection);
    });
  }

  /** Ends the channels that a connection's new token does not allow any more. */
  #endForbidden(connection: Connection): void {
    for (const channel of this.#trading.channelsOf(connection)) {
      const fault = this.#privateFault(connection, channel);
      if (fault === undefined) continue;
      this.#trading.unsubscribe(connection, [channel]);
      this.#tellEnded(connection, fault);
    }
    const { watchers } = this.#presence;
    for (const channel of [...this.#channels.of(connection), ...watchers.of(connection)]) {
      const fault = this.#channelRequests.fault(connection, channel);
      if (fault === undefined) continue;
      if (isPresence(channel)) watchers.remove(connection, channel);
      else this.#channels.unsubscribe(connection, [channel]);
      this.#tellEnded(connection, fault);
    }
  }

  #tellEnded(connection: Connection, fault: MessageFault): void {
    const message = `the subscription has ended: ${fault.message}`;
    // Behind the channel's news that wait, which are the last of it.
    this.#outbox.deliver(connection, { type: "Error", data: { code: fault.code, message } });
  }

  /** Finds what of channels with a `since` is told by others than the fan-out. */
  #recoverElsewhere(
    connection: Connection,
    channels: readonly Channel[],
    found: (elsewhere: FoundElsewhere) => void,
  ): void {
    this.#recoverOrders(connection, channels, (orders) =>
      this.#channelRequests.findHistories(connection, channels, (histories) =>
        found({ orders, histories }),
      ),
    );
  }

  /**
   * Finds which of the channels of wallets' orders that have a `since` can be replayed; the connection's further
   * requests wait for that.
   */
  #recoverOrders(
    connection: Connection,
    channels: readonly Channel[],
    found: (orders: ReadonlySet<PrivateChannel>) => void,
  ): void {
    const asked = channels.filter(isOrdersSince);
    const orders = new Set<PrivateChannel>();
    const refused = asked.length === 0 || this.#privateFaultOf(connection, asked) !== undefined;
    if (refused) return found(orders);
    let left = asked.length;
    this.#hooks.hold(connection);
    for (const channel of asked) {
      const { params, since } = channel;
      const { maxReplayMessages } = this.#options;
      this.#trading.replays.find(
        connection,
        params.wallet,
        since,
        maxReplayMessages,
        (recovered) => {
          if (recovered) orders.add(channel);
          if (--left > 0) return;
          if (connection.open) found(orders);
          this.#hooks.release(connection);
        },
      );
    }
  }

  #subscribe(
    connection: Connection,
    id: RequestId | undefined,
    channels: readonly Channel[],
    found: FoundElsewhere,
    known?: Recoveries,
  ): void {
    const ofWallets = channels.filter(isPrivate);
    const named = channels.filter(isNamed);
    const ofPresence = channels.filter(isPresence);
    const ofMarkets = channels.filter(isPublic);
    const after = new SubscriptionSet(connection.audience?.subscriptions);
    const fault =
      this.#privateFaultOf(connection, ofWallets) ??
      this.#channelRequests.faultOf(connection, named) ??
      this.#presenceFaultOf(connection, ofPresence) ??
      this.#addAll(connection, after, ofMarkets, [...ofWallets, ...named, ...ofPresence]);
    if (fault !== undefined) return this.#refuse(connection, id, fault);
    const { window, archive } = this.#fanOut.trades;
    const recoveries =
      known?.isOf(window) === true
        ? known
        : new Recoveries(window, channels, this.#options.maxReplayMessages, archive);
    const again = (): void => this.#subscribe(connection, id, channels, found, recoveries);
    const state = recoveries.step();
    if (state === "going") return this.#firstData.later(connection, again);
    if (state === "waits") return this.#firstData.muchLater(connection, again);
    if (recoveries.cost > 0)
      connection.charge(RECOVERY_COST_BYTES * recoveries.cost, performance.now());
    if (!recoveries.follows(connection.replay)) {
      // The window moves on meanwhile: what was found is looked for anew.
      const anew = (): void => this.#subscribe(connection, id, channels, found);
      return this.#afterReplay(connection, recoveries, anew);
    }
    const { orders, histories } = found;
    const whole = named.filter((channel) => histories.get(channel)?.recovered === true);
    const elsewhere = new Set<Channel>([...orders, ...whole]);
    const recovered = recoveries.take(connection.encoding, this.#counters, elsewhere);
    const beginning =
      this.#fanOut.candles.beginningBytes(channels) + this.#presence.beginningBytes(ofPresence);
    if (beginning > 0) connection.charge(beginning, performance.now());
    const subscribed = reply(id, { type: "Subscribed", data: { channels: recovered.told } });
    this.#firstData.subscribe(connection, subscribed, recovered.channels, after, recovered.replays);
    this.#trading.subscribe(connection, ofWallets, orders);
    this.#channels.subscribe(connection, named, histories);
    this.#presence.subscribe(connection, ofPresence);
    if (ofMarkets.some(({ type }) => CHANNEL_KINDS[type].marketData)) this.#hooks.subscribed();
  }

  /** Has a request go on when the connection has been sent what has to come before what it asks for. */
  #afterReplay(connection: Connection, recoveries: Recoveries, request: () => void): void {
    this.#firstData.muchLater(connection, () => {
      if (recoveries.follows(connection.replay)) request();
      else this.#afterReplay(connection, recoveries, request);
    });
  }

  /** Why a connection may not have one of the private channels it asks for. */
  #privateFaultOf(
    connection: Connection,
    channels: readonly PrivateChannel[],
  ): MessageFault | undefined {
    for (const channel of channels) {
      const fault =
        tradingFault(this.#trading.takesOrders, channel.type) ??
        this.#privateFault(connection, channel);
      if (fault !== undefined) return fault;
    }
    return this.#trading.overloadedBy(connection, channels);
  }

  #privateFault(
    { identity }: Connection,
    { type, params: { wallet } }: PrivateChannel,
  ): MessageFault | undefined {
    if (identity === undefined) return authRequired(type);
    if (identity.wallet === wallet || identity.role === ADMIN) return undefined;
    const own = identity.wallet === null ? "none" : JSON.stringify(identity.wallet);
    return forbidden(`${type}: the token's wallet is ${own}, not ${JSON.stringify(wallet)}`);
  }

  /** Why a connection may not watch one of the channels it asks for. */
  #presenceFaultOf(
    connection: Connection,
    channels: readonly PresenceChannel[],
  ): MessageFault | undefined {
    for (const channel of channels) {
      const fault =
        this.#unknownMarket(channel) ?? this.#channelRequests.fault(connection, channel);
      if (fault !== undefined) return fault;
    }
    const { watchers } = this.#presence;
    if (watchers.mayWatch(connection.holder, channels)) return undefined;
    const what = connection.identity === undefined ? "address" : "user";
    return tooMany(
      `of ${watchers.max} markets and private channels whose presence may be watched ${watchers.size} are; this ${what} has its share, those that are watched are free`,
    );
  }

  #unknownMarket(channel: Channel): MessageFault | undefined {
    const unknown = marketIdsOf(channel).find((id) => this.#fanOut.mirror.find(id) === undefined);
    if (unknown === undefined) return undefined;
    const details = { field: "market_id" };
    return { code: "MARKET_NOT_FOUND", message: `no market has the id ${unknown}`, details };
  }

  /**
   * Adds channels to a set, or says why one of them cannot be.
   * @param others that are in no set, and count all the same
   */
  #addAll(
    connection: Connection,
    subscriptions: SubscriptionSet,
    channels: readonly PublicChannel[],
    beside: readonly (PrivateChannel | NamedChannel | PresenceChannel)[],
  ): MessageFault | undefined {
    for (const channel of channels) {
      const fault = this.#unknownMarket(channel);
      if (fault !== undefined) return fault;
      subscriptions.add(channel);
    }
    const { maxSubscriptions, maxFilters } = this.#options;
    const besideInAll = new Set(
      [
        ...this.#trading.channelsOf(connection),
        ...this.#channels.of(connection),
        ...this.#presence.watchers.of(connection),
        ...beside,
      ].map(channelKey),
    );
    const size = subscriptions.size + besideInAll.size;
    if (size > maxSubscriptions) {
      return tooMany(`${size} subscriptions; a connection may have ${maxSubscriptions}`);
    }
    if (subscriptions.filters.size > maxFilters) {
      return tooMany(
        `${subscriptions.filters.size} filters of Markets; a connection may have ${maxFilters}`,
      );
    }
    const { candles } = this.#fanOut;
    const what = connection.identity === undefined ? "address" : "user";
    if (!candles.mayHold(connection.holder, subscriptions.candles.values())) {
      return tooMany(
        `of ${candles.max} series of candles ${candles.inUse} are in use; this ${what} has its share, those that are in use are free`,
      );
    }
    const { filters } = this.#fanOut.markets;
    if (!filters.mayAcquire(connection.holder, subscriptions.filters)) {
      return tooMany(
        `of ${filters.max} distinct filters of Markets ${filters.size} are in use; this ${what} has its share, filters that are in use and that of every market are free`,
      );
    }
    return undefined;
  }

  #unsubscribe(
    connection: Connection,
    id: RequestId | undefined,
    channels: readonly Channel[],
  ): void {
    const after = new SubscriptionSet(connection.audience?.subscriptions);
    for (const channel of channels) if (isPublic(channel)) after.remove(channel);
    this.#fanOut.move(connection, after);
    this.#trading.unsubscribe(connection, channels.filter(isPrivate));
    this.#channels.unsubscribe(connection, channels.filter(isNamed));
    this.#presence.unsubscribe(connection, channels.filter(isPresence));
    const named = channels.map(({ since: _, ...channel }) => channel);
    this.#reply(connection, id, { type: "Unsubscribed", data: { channels: named } });
  }

  #reply(connection: Connection, id: RequestId | undefined, message: ServerMessage): void {
    this.#outbox.send(connection, reply(id, message));
  }

  #refuse(
    connection: Connection,
    id: RequestId | undefined,
    { code, message, details }: MessageFault,
  ): void {
    const data = { code, message, ...(details !== undefined && { details: { ...details } }) };
    this.#reply(connection, id, { type: "Error", data });
  }
}

/** The message that tells a client who it is, and which session it has where it was not told before. */
export function authenticated(
  { userId, wallet }: Identity,
  session?: GrantedSession,
): ServerMessage {
  return { type: "Authenticated", data: { user_id: userId, wallet, ...session } };
}

function isOrdersSince(
  channel: Channel,
): channel is Extract<Channel, { type: "Orders" }> & { readonly since: number } {
  return channel.type === "Orders" && channel.since !== undefined;
}

function idOf(decoded: Decoded): RequestId | undefined {
  return decoded.message === undefined ? decoded.id : decoded.message.id;
}

function reply(id: RequestId | undefined, message: ServerMessage): ServerMessage {
  return id === undefined ? message : { ...message, id };
}

function tooMany(message: string): MessageFault {
  return { code: "TOO_MANY_SUBSCRIPTIONS", message };
}
