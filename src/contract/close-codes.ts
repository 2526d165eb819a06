/**
 * The codes that a connection is closed with, by either side; docs/protocol.md says when, and
 * closings.ts with which reason. Of the server's own, 4000–4499 invite a reconnect and 4500–4999 do not,
 * but for 4003, after which another connection has the session.
 */
export const CLOSE_CODES = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  idle: 4000,
  slowConsumer: 4001,
  pongTimeout: 4002,
  sessionTaken: 4003,
  tokenExpired: 4500,
  flooding: 4501,
} as const;
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];

/** Stands for a close frame without a code; never sent. */
export const NO_STATUS_CODE = 1005;
/** Stands for the end of a connection without a close frame; never sent. */
export const NO_CLOSE_CODE = 1006;

/** Whether a code of the server's own says that a reconnect is no use. */
export function isFinalOwnCode(code: number): boolean {
  return code === CLOSE_CODES.sessionTaken || (code >= 4500 && code <= 4999);
}
