import type { ClientMessage, ServerMessage } from "../contract/messages.js";

/** Turns messages into the payloads of WebSocket messages and back. */
export interface MessageCodec {
  encode(message: ClientMessage): string | Uint8Array;
  /** Throws where the payload is no message. Beyond its envelope the server is trusted. */
  decode(payload: string | Uint8Array): ServerMessage;
}
