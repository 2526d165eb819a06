import type { Encoding } from "../contract/encodings.js";
import type { MarketcastError } from "./errors.js";

/** The first connection is under way. */
export interface ConnectingState {
  readonly status: "connecting";
}

/** Connected, greeted and, where there is a token, authenticated. */
export interface OpenState {
  readonly status: "open";
  readonly connectionId: string;
  readonly encoding: Encoding;
  readonly epoch: string;
  /** Whose token it is; undefined on an anonymous connection. */
  readonly userId: string | undefined;
  /** The trading account; null where the token names none, undefined on an anonymous connection. */
  readonly wallet: string | null | undefined;
  /**
   * Whether the order session of the connection before goes on; undefined where the server does not say,
   * as on an anonymous connection.
   */
  readonly resumed?: boolean | undefined;
}

/** The connection is gone, and the next attempt waits or is under way. */
export interface ReconnectingState {
  readonly status: "reconnecting";
  /** Counts from 1. */
  readonly attempt: number;
  /** When the attempt starts or started, in milliseconds since the Unix epoch. */
  readonly attemptAt: number;
  /** Why the last connection ended or could not be made. */
  readonly cause: MarketcastError;
}

/** Closed for good. */
export interface ClosedState {
  readonly status: "closed";
  /** The WebSocket close code; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
  /** Why, unless `close()` was called. */
  readonly cause: MarketcastError | undefined;
}

export type ConnectionState = ConnectingState | OpenState | ReconnectingState | ClosedState;
