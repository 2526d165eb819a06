import type { ClientMessage, ServerMessage } from "../contract/messages.js";

/** Turns messages into the payloads of WebSocket messages and back. */
export interface MessageCodec {
  encode(message: ClientMessage): string | Uint8Array;
  /** A message or, in a batch, several. Throws where the payload is none. Beyond its envelope the server is trusted. */
  decode(payload: string | Uint8Array): ServerMessage | readonly ServerMessage[];
}
