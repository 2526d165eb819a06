import type { Encoding } from "../contract/encodings.js";

/** A JWT, or a function that gives a fresh one: asked at every connect, and again before the token expires. */
export type TokenSource = string | (() => string | Promise<string>);

/** What a client is told at its making. Times are in milliseconds. */
export interface ClientOptions {
  /** `ws:`, `wss:`, `http:` or `https:`; a URL without a path gets `/ws/v3`. */
  readonly url: string | URL;
  /** None: an anonymous connection, for public channels. A string cannot be renewed when it expires. */
  readonly token?: TokenSource;
  /** How messages are encoded. Default `json`. */
  readonly encoding?: Encoding;
  /** Take several messages in a frame, which costs both sides less. Default false. */
  readonly batch?: boolean;
  /** In Node: offer the server compression. Browsers always do. Default false. */
  readonly compression?: boolean;
  /**
   * The server cancels the open orders of the client's session when its connection ends: true at once, a
   * number that many milliseconds later, 1,000 to 300,000, unless the client is connected again by then.
   * Default false.
   */
  readonly cancelOnDisconnect?: boolean | number;
  /**
   * What becomes of an order, or an amend, that is not sent as there is no connection: `reject` it at once,
   * or `queue` it for the next one, within its timeout. One that may have reached the server is asked about
   * again in both cases. Default `reject`.
   */
  readonly offline?: "queue" | "reject";
  /**
   * Orders that name no `valid_until_ts` get one, this long after they were made, by the server's clock: the
   * exchange refuses what comes later. 0 for none. Default 0.
   */
  readonly maxOrderAgeMs?: number;
  /** Connect again when a connection ends for a reason that allows it. Default true. */
  readonly autoReconnect?: boolean;
  /** The first reconnect waits up to this long, each further one up to twice as long. Default 500. */
  readonly reconnectIntervalMs?: number;
  /** No reconnect waits longer: how long a trader may be kept from its orders. Default 5,000. */
  readonly maxReconnectIntervalMs?: number;
  /** From the start of a connection to its last word of greeting. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** For every request that names no timeout of its own, from the call to its answer. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /** Between two pings, which measure the round trip and find dead connections; 0 for none. Default 15,000. */
  readonly pingIntervalMs?: number;
  /** A ping without an answer for this long means that the connection is dead. Default 10,000. */
  readonly pongTimeoutMs?: number;
  /**
   * Market data are `stale` when no `Heartbeat` came, or the server's producer told nothing, for this
   * long; 0 for never. Default 5,000.
   */
  readonly staleAfterMs?: number;
  /** How long before its expiry a token is renewed; half its remaining life if that is shorter. Default 30,000. */
  readonly tokenRefreshMarginMs?: number;
  /** Messages that wait in an async iterator; beyond it the oldest are dropped. Default 10,000. */
  readonly iteratorBufferSize?: number;
  /** Requests without an answer; one more is refused with `TooManyRequestsError`. Default 1,000. */
  readonly maxPendingRequests?: number;
}

/** What may be said with each request. */
export interface RequestOptions {
  /** From the call to the answer, reconnects included. Default `requestTimeoutMs` of the client. */
  readonly timeoutMs?: number;
  /**
   * Ends the waiting, with the signal's reason. What was sent stays sent, but a `subscribe` is undone and
   * an `unsubscribe` carried out.
   */
  readonly signal?: AbortSignal;
}

/** The options that have a default. */
export const DEFAULT_OPTIONS = {
  encoding: "json",
  batch: false,
  compression: false,
  cancelOnDisconnect: false,
  offline: "reject",
  maxOrderAgeMs: 0,
  autoReconnect: true,
  reconnectIntervalMs: 500,
  maxReconnectIntervalMs: 5_000,
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  pingIntervalMs: 15_000,
  pongTimeoutMs: 10_000,
  staleAfterMs: 5_000,
  tokenRefreshMarginMs: 30_000,
  iteratorBufferSize: 10_000,
  maxPendingRequests: 1_000,
} as const satisfies Omit<ClientOptions, "url" | "token">;

/** The options as the client uses them: every default filled in, the URL ready to connect to. */
export type ResolvedOptions = Required<Omit<ClientOptions, "token" | "url">> & {
  readonly url: string;
};
