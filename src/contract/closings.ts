import { CLOSE_CODES, type CloseCode } from "./close-codes.js";

/** What a close frame says. */
export interface Closing {
  readonly code: CloseCode;
  /** For a person; at most 123 bytes. */
  readonly reason: string;
}

/**
 * Every way in which the server closes a connection by itself; what `ws` finds wrong in a client's frames
 * is closed by it, with a code alone.
 */
export const CLOSE = {
  wrongFrames: (expected: "text" | "binary"): Closing => ({
    code: CLOSE_CODES.unsupportedData,
    reason: `this connection's messages are ${expected} frames`,
  }),
  unendedMessage: (timeoutMs: number): Closing => ({
    code: CLOSE_CODES.policyViolation,
    reason: `a message did not end within ${timeoutMs} ms`,
  }),
  notDeflated: {
    code: CLOSE_CODES.invalidPayload,
    reason: "a compressed message is not whole, or no raw deflate data",
  },
  inflatedNotUtf8: {
    code: CLOSE_CODES.invalidPayload,
    reason: "a compressed text is not UTF-8",
  },
  inflatesTooLarge: (bytesMax: number): Closing => ({
    code: CLOSE_CODES.messageTooBig,
    reason: `a compressed message has more than ${bytesMax} bytes when it is inflated`,
  }),
  serverFault: { code: CLOSE_CODES.internalError, reason: "server fault" },
  restart: { code: CLOSE_CODES.serviceRestart, reason: "the server restarts" },
  rebalance: {
    code: CLOSE_CODES.serviceRestart,
    reason: "connections are spread over the servers anew",
  },
  idle: (timeoutMs: number): Closing => ({
    code: CLOSE_CODES.idle,
    reason: `neither subscription nor message for ${timeoutMs} ms`,
  }),
  /** What may not be conflated waits, and is too much. */
  queueFull: (messagesMax: number, bytesMax: number): Closing => ({
    code: CLOSE_CODES.slowConsumer,
    reason: `slow consumer: more than ${messagesMax} messages or ${bytesMax} bytes wait`,
  }),
  repliesUnread: (bytesMax: number): Closing => ({
    code: CLOSE_CODES.slowConsumer,
    reason: `slow consumer: more than ${bytesMax} bytes of replies wait`,
  }),
  tradesLost: {
    code: CLOSE_CODES.slowConsumer,
    reason: "trades were lost before they reached this shard",
  },
  replayLost: {
    code: CLOSE_CODES.slowConsumer,
    reason: "what was to be replayed of orders is there no more",
  },
  publicationsLost: {
    code: CLOSE_CODES.slowConsumer,
    reason: "publications of a channel are there no more",
  },
  pongTimeout: (timeoutMs: number): Closing => ({
    code: CLOSE_CODES.pongTimeout,
    reason: `nothing came back within ${timeoutMs} ms of a ping`,
  }),
  sessionTaken: {
    code: CLOSE_CODES.sessionTaken,
    reason: "another connection has taken over the session",
  },
  tokenExpired: { code: CLOSE_CODES.tokenExpired, reason: "the token has expired" },
  flooding: (messagesMax: number): Closing => ({
    code: CLOSE_CODES.flooding,
    reason: `more than ${messagesMax} messages a second after RATE_LIMITED`,
  }),
} as const satisfies Readonly<Record<string, Closing | ((...details: never) => Closing)>>;
