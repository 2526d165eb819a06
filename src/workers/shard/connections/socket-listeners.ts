import type { WebSocket } from "ws";
import { CLOSE_CODES, type CloseCode } from "../../../contract/close-codes.js";
import type { ClientSocket, Connection } from "./connection.js";

/** What `ws` closes a connection with, by the code of its error. */
export const PROTOCOL_CLOSE_CODES = new Map<string | undefined, CloseCode>([
  ["WS_ERR_EXPECTED_FIN", CLOSE_CODES.protocolError],
  ["WS_ERR_EXPECTED_MASK", CLOSE_CODES.protocolError],
  ["WS_ERR_INVALID_CLOSE_CODE", CLOSE_CODES.protocolError],
  ["WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", CLOSE_CODES.protocolError],
  ["WS_ERR_INVALID_OPCODE", CLOSE_CODES.protocolError],
  ["WS_ERR_UNEXPECTED_RSV_1", CLOSE_CODES.protocolError],
  ["WS_ERR_UNEXPECTED_RSV_2_3", CLOSE_CODES.protocolError],
  ["WS_ERR_INVALID_UTF8", CLOSE_CODES.invalidPayload],
  ["WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", CLOSE_CODES.messageTooBig],
  ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", CLOSE_CODES.messageTooBig],
  ["WS_ERR_TOO_MANY_BUFFERED_PARTS", CLOSE_CODES.policyViolation],
]);

/** The connection of a socket whose listeners are shared. */
export function connectionOf(ws: WebSocket): Connection {
  return (ws as ClientSocket).connection;
}

/** A frame that only shows that the client is there. */
export function onHeard(this: WebSocket): void {
  connectionOf(this).heardAt = performance.now();
}

/** Not by `ws`: who pings and does not read the pongs is bounded like who asks and does not read. */
export function onPing(this: WebSocket, payload: Buffer): void {
  const connection = connectionOf(this);
  connection.heardAt = performance.now();
  connection.pong(payload);
}
