import type { ErrorCode, ServerData } from "../contract/messages.js";

/** What every error of the client has: a `code` to switch on, and often a `cause`. */
export abstract class MarketcastError extends Error {
  abstract readonly code: string;
}

/** The server answered with an `Error`; `code` is the server's. */
export class ServerError extends MarketcastError {
  override readonly name = "ServerError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor({ code, message, details }: ServerData["Error"]) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** A request had no answer within its time. `cause` is why there is no connection, if there is none. */
export class RequestTimeoutError extends MarketcastError {
  override readonly name = "RequestTimeoutError";
  readonly code = "REQUEST_TIMEOUT";
  /** Whether it may have reached the server, so that it may have taken effect. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean, options?: ErrorOptions) {
    super(message, options);
    this.sent = sent;
  }
}

/** The client is closed for good, and with it whatever waited for an answer. */
export class ClientClosedError extends MarketcastError {
  override readonly name = "ClientClosedError";
  readonly code = "CLIENT_CLOSED";
  /** The WebSocket close code; 1006 where there was none. */
  readonly closeCode: number;
  /** Whether the request may have reached the server, so that it may have taken effect. */
  readonly sent: boolean;

  constructor(message: string, closeCode: number, sent: boolean, options?: ErrorOptions) {
    super(message, options);
    this.closeCode = closeCode;
    this.sent = sent;
  }
}

/**
 * An order was not sent, as there is no connection, and is not kept for one either. `cause` is why there is
 * none, if there was one before.
 */
export class NotConnectedError extends MarketcastError {
  override readonly name = "NotConnectedError";
  readonly code = "NOT_CONNECTED";
  /** As with other errors of requests: this one has not reached the server. */
  readonly sent = false;
}

/** A connection ended, or could not be made. */
export class DisconnectedError extends MarketcastError {
  override readonly name = "DisconnectedError";
  readonly code = "DISCONNECTED";
  /** The WebSocket close code; 1006 where there was none. */
  readonly closeCode: number;

  constructor(message: string, closeCode: number, options?: ErrorOptions) {
    super(message, options);
    this.closeCode = closeCode;
  }
}

/** The server refused the upgrade with an HTTP status. Browsers do not tell: there it is a `DisconnectedError`. */
export class HandshakeError extends MarketcastError {
  override readonly name = "HandshakeError";
  readonly code = "HANDSHAKE_REFUSED";
  /** The HTTP status. */
  readonly status: number;
  /** From `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The token function threw; `cause` is what it threw. */
export class TokenError extends MarketcastError {
  override readonly name = "TokenError";
  readonly code = "TOKEN_UNAVAILABLE";
}

/** The server sent what is no message of the protocol. */
export class ProtocolError extends MarketcastError {
  override readonly name = "ProtocolError";
  readonly code = "PROTOCOL_VIOLATION";
}

/** More requests without an answer than `maxPendingRequests`. */
export class TooManyRequestsError extends MarketcastError {
  override readonly name = "TooManyRequestsError";
  readonly code = "TOO_MANY_REQUESTS";
}

/** A listener threw; `cause` is what it threw. */
export class ListenerError extends MarketcastError {
  override readonly name = "ListenerError";
  readonly code = "LISTENER_THREW";
}
