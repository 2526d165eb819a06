import type {
  Channel,
  MarketId,
  ServerData,
  ServerMessage,
  ServerType,
} from "../contract/messages.js";
import type { MarketcastError } from "./errors.js";
import type { ConnectionState } from "./state.js";

/** The streams of a market that have sequence numbers of their own, and that of a private channel. */
export type Stream = "state" | "price" | "book" | "trade" | "publication";

/** Messages of one stream that did not come. */
export interface Gap {
  readonly stream: Stream;
  /** Of publications the name of their channel. */
  readonly marketId: MarketId;
  /** Sequence numbers before and after the gap, both received. */
  readonly from: number;
  readonly to: number;
  /** How many are missing between the two. */
  readonly missed: number;
  /**
   * `conflated`: the server left states, prices or books out, because the connection was slow or the
   * server busy; the latest is there. `lost`: trades are missing, or publications, unless the server had
   * forgotten the channel between. `disconnected`: they were sent while the client was not connected; states,
   * prices and books are up to date, trades and publications are lost.
   */
  readonly kind: "conflated" | "lost" | "disconnected";
}

/** The server's producer started anew: every sequence starts again at 1, and mirrors are filled afresh. */
export interface EpochChange {
  readonly epoch: string;
  readonly previous: string;
}

/** All that was subscribed is subscribed again after a reconnect, and its data flow. */
export interface Resubscription {
  readonly channels: readonly Channel[];
  /** From the end of the last connection, in milliseconds. */
  readonly downtimeMs: number;
}

/**
 * The server ended a subscription, does not take it again, or closes connection after connection over
 * it; it is dropped.
 */
export interface SubscriptionLoss {
  readonly channels: readonly Channel[];
  readonly cause: MarketcastError;
}

/** Market data that are older than `staleAfterMs`, or are not any more. */
export interface Staleness {
  /** What is subscribed of market data. */
  readonly channels: readonly Channel[];
  /**
   * `connection`: heartbeats, which take the way of the data, do not come, be it that there is no
   * connection; while there is one, all of it is subscribed again. `feed`: the server's producer has told
   * nothing of any market.
   */
  readonly cause: "connection" | "feed";
  /** Since the last heartbeat, or the producer's last word, in milliseconds. */
  readonly ageMs: number;
}

/** An async iterator was read too slowly, and its oldest messages were dropped. */
export interface Overflow {
  /** Dropped from this iterator so far. */
  readonly dropped: number;
}

/** Events of the client itself, in lower case. */
export interface LifecycleEvents {
  state: ConnectionState;
  /** Every message of the server, in order. */
  message: ServerMessage;
  gap: Gap;
  epoch: EpochChange;
  resubscribed: Resubscription;
  subscriptionLost: SubscriptionLoss;
  /** Listening for one of these two subscribes to `Heartbeat`, unless it is subscribed already. */
  stale: Staleness;
  fresh: Staleness;
  /** The first message that an iterator drops since it was last read empty. */
  overflow: Overflow;
  /**
   * What no promise can report: a server's `Error` without a request, a token that could not be
   * renewed, a message that does not decode, a listener that threw. Printed where nobody listens.
   */
  error: MarketcastError;
}

/** The server's messages by type, in the protocol's spelling. An `Error` is an `error` event or rejects its request. */
export type MessageEvents = { [T in Exclude<ServerType, "Error">]: ServerData[T] };

/** All events and what their listeners are given. */
export interface ClientEvents extends LifecycleEvents, MessageEvents {}

export type EventName = keyof ClientEvents;
export type Listener<E extends EventName> = (event: ClientEvents[E]) => void;
