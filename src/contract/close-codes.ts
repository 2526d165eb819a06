/**
 * The codes a connection is closed with. Of the server's own, 4000–4499 invite a reconnect and
 * 4500–4999 do not.
 */
export const CLOSE = {
  normal: 1000,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidPayload: 1007,
  /** A message in too many fragments, or one that does not end. */
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  idle: 4000,
  slowConsumer: 4001,
  pongTimeout: 4002,
  tokenExpired: 4500,
  flooding: 4501,
} as const;
export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];
