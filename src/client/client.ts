import type {
  Channel,
  Market,
  MarketId,
  OrderBook,
  OrderReference,
  OrderRequest,
  PresenceSubject,
  ServerData,
  ServerMessage,
  Side,
} from "../contract/messages.js";
import type { EventName, Listener } from "./events.js";
import type { History } from "./history.js";
import type { Mirror } from "./mirror.js";
import type { RequestOptions, TokenSource } from "./options.js";
import type { PresenceListener } from "./presence.js";
import type { ConnectionState, OpenState } from "./state.js";

/** Figures of a client since it was made. */
export interface ClientStats {
  /** Messages received. */
  readonly messages: number;
  /** Successful reconnects. */
  readonly reconnects: number;
  /** Messages that iterators dropped. */
  readonly dropped: number;
  /** Round trip of the last answered ping, in milliseconds. */
  readonly rttMs: number | undefined;
  /** Books that were asked for again, as an update or a checksum did not fit. */
  readonly bookResyncs: number;
}

/** A channel that users publish to. */
export interface NamedChannelClient {
  /**
   * Publishes any value that JSON has; the token's claim `publish` has to allow it. Resolves when every subscriber
   * that keeps up will get it. Waits for a connection where there is none; where that breaks before the answer it
   * rejects, and it may have been published.
   */
  publish(data: unknown, options?: RequestOptions): Promise<ServerData["Published"]>;
  /** Has a listener told who is there; the token's claim `channels` has to allow it. See {@link Client.presence}. */
  presence(listener: PresenceListener, options?: RequestOptions): Promise<() => void>;
}

/**
 * A connection to a Marketcast server that stays: it connects at once, reconnects, and subscribes
 * again. Requests may be made at any time; while there is no connection they wait for one, but for orders
 * and amends, which are refused then unless the option `offline` is `queue`.
 *
 * Every request rejects with a {@link MarketcastError}: `ServerError` with the server's `code`,
 * `RequestTimeoutError`, `ClientClosedError`, `TooManyRequestsError`, `NotConnectedError`; or with the reason of its
 * signal.
 */
export interface Client extends AsyncIterable<ServerMessage> {
  readonly state: ConnectionState;
  /** What is subscribed or will be after a reconnect, in the server's spelling. */
  readonly subscriptions: readonly Channel[];
  /** The markets of `Markets` and `Market` channels, with the prices of `PriceFeed` in them. */
  readonly markets: Mirror<Market>;
  /** The books of `Market` channels, and of `Book` channels, which go first. */
  readonly books: Mirror<OrderBook>;
  readonly stats: ClientStats;

  /** Resolves when the connection is open and has answered a ping. */
  ready(options?: RequestOptions): Promise<OpenState>;
  /**
   * Subscribes to all of the channels or, where it rejects, to none. Listeners come first: what the
   * server sends at once may have been told when an `await` of this goes on. A channel with `since` begins
   * with all that there was from that position on; the answer's `recovered` says whether it reaches so far.
   */
  subscribe(
    channels: readonly Channel[],
    options?: RequestOptions,
  ): Promise<ServerData["Subscribed"]>;
  /** Ends subscriptions; one that there is not is no error. Resolves at once while there is no connection. */
  unsubscribe(
    channels: readonly Channel[],
    options?: RequestOptions,
  ): Promise<ServerData["Unsubscribed"]>;
  /**
   * Places an order and resolves with its state after immediate matching. Where the connection
   * breaks before the answer, or the exchange is `UNAVAILABLE`, the order is sent again with the same
   * `client_order_id` (one is made if there is none), so that it is never doubled. Rejecting with
   * `sent`, a timeout does not say whether the order stands: ask again with the same id.
   */
  placeOrder(order: OrderRequest, options?: RequestOptions): Promise<ServerData["OrderUpdate"]>;
  /**
   * Says what would become of an order, and places nothing: resolves with the order as it was understood,
   * or rejects as {@link placeOrder} would.
   */
  validateOrder(
    order: OrderRequest,
    options?: RequestOptions,
  ): Promise<ServerData["OrderValidated"]>;
  /** Places up to 50 orders at once; sent again like one. What became of each is in their order. */
  placeOrders(
    orders: readonly OrderRequest[],
    options?: RequestOptions,
  ): Promise<ServerData["OrderResults"]>;
  /**
   * Has an open order go on with another price or quantity, the new total; sent again like an order: to be
   * amended to what it is changes nothing. Only a pure reduction keeps its place in the book.
   */
  amendOrder(
    order: OrderReference & { readonly price?: number; readonly quantity?: number },
    options?: RequestOptions,
  ): Promise<ServerData["OrderUpdate"]>;
  /**
   * Cancels an order; sent again like an order. `ORDER_NOT_FOUND` also means that it is not open any
   * more, be it by an earlier sending of this very request.
   */
  cancelOrder(order: OrderReference, options?: RequestOptions): Promise<ServerData["OrderUpdate"]>;
  /**
   * Cancels the wallet's open orders that fit, without conditions all of them; sent again like an order, and
   * then it also cancels what was placed since. Orders that wait here to be sent are placed after it.
   */
  cancelOrders(
    which?: { readonly market_id?: MarketId; readonly side?: Side },
    options?: RequestOptions,
  ): Promise<ServerData["OrdersCancelled"]>;
  /**
   * Has the server cancel all of the wallet's open orders in so many milliseconds, 1,000 to 300,000, unless
   * this is called again before; 0 ends it.
   */
  cancelAfter(timeoutMs: number, options?: RequestOptions): Promise<ServerData["CancelAfterSet"]>;
  /**
   * The state of an order, finished or not. By `client_order_id` as long as the server remembers that; by
   * `order_id` as long as it keeps the order. `ORDER_NOT_FOUND` where the wallet has none.
   */
  getOrder(order: OrderReference, options?: RequestOptions): Promise<ServerData["OrderUpdate"]>;
  /** Measures the round trip, in milliseconds. */
  ping(options?: RequestOptions): Promise<number>;
  /** Gives the connection another token, or its first; it is also used from the next connect on. */
  authenticate(token: TokenSource, options?: RequestOptions): Promise<ServerData["Authenticated"]>;
  /** A channel by its name; subscribed to as `Private`, and told in `Publication`s. */
  channel(name: string): NamedChannelClient;
  /**
   * What was told before, newest first: async iterables of trades or candles, and of the wallet's orders and
   * fills, or by `pages()` of whole pages.
   */
  readonly history: History;
  /**
   * Has a listener told who is there of a market or a private channel: connections with any subscription to it,
   * distinct users, and of a private channel its members; at once and whenever that changes. Resolves when that is
   * subscribed, with what ends it.
   */
  presence(
    of: PresenceSubject,
    listener: PresenceListener,
    options?: RequestOptions,
  ): Promise<() => void>;
  /** Closes for good; what waits for an answer rejects. Resolves when the connection is closed. */
  close(): Promise<void>;

  /** Calls `listener` at each event from now on; returns a function that ends it. */
  on<E extends EventName>(event: E, listener: Listener<E>): () => void;
  /** Calls `listener` at the next event only; returns a function that ends it. */
  once<E extends EventName>(event: E, listener: Listener<E>): () => void;
  off<E extends EventName>(event: E, listener: Listener<E>): void;

  /**
   * Every message from now on. Each iterator has a buffer of its own, of `iteratorBufferSize`
   * messages; beyond it the oldest are dropped and counted. Ends after `close()`; throws where the
   * client closed for another reason.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ServerMessage>;
}
