/* Those that clients look for, by themselves: a bundle has no use for the others. */
export const NORMAL = 1000;
export const PROTOCOL_ERROR = 1002;
export const SERVICE_RESTART = 1012;
export const SLOW_CONSUMER = 4001;
export const SESSION_TAKEN = 4003;
export const TOKEN_EXPIRED = 4500;

/**
 * The codes that a connection is closed with, by either side; docs/protocol.md says when, and
 * closings.ts with which reason. Of the server's own, 4000–4499 invite a reconnect and 4500–4999 do not,
 * but for 4003, after which another connection has the session.
 */
export const CLOSE_CODES = {
  normal: NORMAL,
  goingAway: 1001,
  protocolError: PROTOCOL_ERROR,
  unsupportedData: 1003,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: SERVICE_RESTART,
  idle: 4000,
  slowConsumer: SLOW_CONSUMER,
  pongTimeout: 4002,
  sessionTaken: SESSION_TAKEN,
  tokenExpired: TOKEN_EXPIRED,
  flooding: 4501,
} as const;
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];

/** Stands for a close frame without a code; never sent. */
export const NO_STATUS_CODE = 1005;
/** Stands for the end of a connection without a close frame; never sent. */
export const NO_CLOSE_CODE = 1006;

/** Whether a code of RFC 6455 says that nothing would be different another time. */
export function isFinalStandardCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1009);
}

/** Whether a code of the server's own says that a reconnect is no use. */
export function isFinalOwnCode(code: number): boolean {
  return code === SESSION_TAKEN || (code >= 4500 && code <= 4999);
}
