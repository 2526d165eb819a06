import type { Channel, ChannelType } from "../../codec/channels.js";
import type { ClientMessage, RequestId } from "../../codec/client-messages.js";
import { decodeClientMessage, type MessageFault } from "../../codec/decode.js";
import type { ServerMessage } from "../../codec/server-messages.js";
import { CLOSE } from "../../codec/wire/close-codes.js";
import { ENCODINGS } from "../../codec/wire/encodings.js";
import { type CounterSection, count, SHARD } from "../../ring/counters.js";
import type { MarketId } from "../../shared/market-id.js";
import { AuthenticationError, type Authenticator, type Identity } from "./authenticator.js";
import type { Connection } from "./connection.js";
import type { FanOut } from "./fan-out.js";
import type { Outbox } from "./outbox.js";
import { isMarketData, Subscriptions } from "./subscriptions.js";

/** Channels that wait for an exchange to be there. */
const TRADING_CHANNELS: readonly ChannelType[] = ["Orders", "Positions"];

export interface RequestOptions {
  readonly maxSubscriptions: number;
  readonly maxFilters: number;
  readonly maxDistinctFilters: number;
  readonly maxMessagesPerSecond: number;
}

export interface RequestHooks {
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
  readonly #authenticator: Authenticator;
  readonly #counters: CounterSection;
  readonly #hooks: RequestHooks;

  constructor(
    options: RequestOptions,
    fanOut: FanOut,
    outbox: Outbox,
    authenticator: Authenticator,
    counters: CounterSection,
    hooks: RequestHooks,
  ) {
    this.#options = options;
    this.#fanOut = fanOut;
    this.#outbox = outbox;
    this.#authenticator = authenticator;
    this.#counters = counters;
    this.#hooks = hooks;
  }

  /**
   * Handles one WebSocket message.
   * @param now performance.now()
   */
  handle(connection: Connection, payload: Buffer, isBinary: boolean, now: number): void {
    const encoding = ENCODINGS[connection.encoding] ?? "json";
    if (isBinary !== (encoding === "msgpack")) {
      connection.close(
        CLOSE.unsupportedData,
        `this connection's messages are ${isBinary ? "text" : "binary"} frames`,
      );
      return;
    }
    connection.messageAt = now;
    count(this.#counters, SHARD.messagesReceived);
    const decoded = decodeClientMessage(encoding, payload);
    const id = decoded.message === undefined ? decoded.id : decoded.message.id;
    if (!this.#withinRate(connection, id, now)) return;
    if (decoded.message === undefined) this.#refuse(connection, id, decoded.fault);
    else this.#answer(connection, decoded.message);
  }

  /**
   * A token bucket of one second's messages. Beyond it each message is refused; a client that goes
   * on for another second's worth is closed.
   */
  #withinRate(connection: Connection, id: RequestId | undefined, now: number): boolean {
    const { maxMessagesPerSecond } = this.#options;
    const earned = ((now - connection.allowanceAt) / 1000) * maxMessagesPerSecond;
    connection.allowance = Math.min(maxMessagesPerSecond, connection.allowance + earned) - 1;
    connection.allowanceAt = now;
    if (connection.allowance >= 0) return true;
    count(this.#counters, SHARD.rateLimited);
    if (connection.allowance < -maxMessagesPerSecond) {
      connection.close(
        CLOSE.flooding,
        `more than ${maxMessagesPerSecond} messages a second after RATE_LIMITED`,
      );
    } else {
      const message = `at most ${maxMessagesPerSecond} messages a second are taken`;
      this.#refuse(connection, id, { code: "RATE_LIMITED", message });
    }
    return false;
  }

  #answer(connection: Connection, message: ClientMessage): void {
    switch (message.type) {
      case "Authenticate":
        return this.#authenticate(connection, message.id, message.data.token);
      case "Subscribe":
        return this.#subscribe(connection, message.id, message.data.channels);
      case "Unsubscribe":
        return this.#unsubscribe(connection, message.id, message.data.channels);
      case "Ping": {
        const data = { timestamp: message.data.timestamp, server_time: Date.now() };
        return this.#reply(connection, message.id, { type: "Pong", data });
      }
      case "PlaceOrder":
      case "CancelOrder":
        return this.#refuse(connection, message.id, tradingDisabled(message.type));
    }
  }

  #authenticate(connection: Connection, id: RequestId | undefined, token: string): void {
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
      return this.#refuse(connection, id, { code: "FORBIDDEN", message });
    }
    this.#hooks.identified(connection, identity);
    this.#reply(connection, id, authenticated(identity));
  }

  #subscribe(
    connection: Connection,
    id: RequestId | undefined,
    channels: readonly Channel[],
  ): void {
    const before = connection.audience?.subscriptions;
    const after = new Subscriptions(before);
    const fault = this.#addAll(after, channels);
    if (fault !== undefined) return this.#refuse(connection, id, fault);
    this.#fanOut.move(connection, after);
    this.#outbox.sendFirstData(
      connection,
      reply(id, { type: "Subscribed", data: { channels: [...channels] } }),
      channels,
    );
    if (channels.some(isMarketData)) this.#hooks.subscribed();
  }

  /** Adds channels to a set, or says why one of them cannot be. */
  #addAll(subscriptions: Subscriptions, channels: readonly Channel[]): MessageFault | undefined {
    for (const channel of channels) {
      if (TRADING_CHANNELS.includes(channel.type)) return tradingDisabled(channel.type);
      const unknown = marketsOf(channel).find((id) => this.#fanOut.mirror.find(id) === undefined);
      if (unknown !== undefined) {
        const details = { field: "market_id" };
        return { code: "MARKET_NOT_FOUND", message: `no market has the id ${unknown}`, details };
      }
      subscriptions.add(channel);
    }
    const { maxSubscriptions, maxFilters, maxDistinctFilters } = this.#options;
    if (subscriptions.size > maxSubscriptions) {
      return tooMany(
        `${subscriptions.size} subscriptions; a connection may have ${maxSubscriptions}`,
      );
    }
    if (subscriptions.filters.size > maxFilters) {
      return tooMany(
        `${subscriptions.filters.size} filters of Markets; a connection may have ${maxFilters}`,
      );
    }
    if (this.#fanOut.distinctFiltersWith(subscriptions) > maxDistinctFilters) {
      return tooMany(
        `the server evaluates at most ${maxDistinctFilters} distinct filters of Markets`,
      );
    }
    return undefined;
  }

  #unsubscribe(
    connection: Connection,
    id: RequestId | undefined,
    channels: readonly Channel[],
  ): void {
    const after = new Subscriptions(connection.audience?.subscriptions);
    for (const channel of channels) after.remove(channel);
    this.#fanOut.move(connection, after);
    this.#reply(connection, id, { type: "Unsubscribed", data: { channels: [...channels] } });
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

/** The message that tells a client who it is. */
export function authenticated({ userId, wallet }: Identity): ServerMessage {
  return { type: "Authenticated", data: { user_id: userId, wallet } };
}

function reply(id: RequestId | undefined, message: ServerMessage): ServerMessage {
  return id === undefined ? message : { ...message, id };
}

function marketsOf(channel: Channel): readonly MarketId[] {
  if (channel.type === "PriceFeed") return channel.params.market_ids;
  if (channel.type === "Market") return [channel.params.market_id];
  return channel.type === "Trades" && channel.params !== null ? [channel.params.market_id] : [];
}

function tradingDisabled(what: string): MessageFault {
  return { code: "TRADING_DISABLED", message: `${what}: this server takes no orders` };
}

function tooMany(message: string): MessageFault {
  return { code: "TOO_MANY_SUBSCRIPTIONS", message };
}
