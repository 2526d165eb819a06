import type { Encoding } from "../contract/encodings.js";
import type { ClientMessage, ServerMessage } from "../contract/messages.js";
import { jsonCodec } from "./json-codec.js";

/** Turns messages into the payloads of WebSocket messages and back. */
export interface MessageCodec {
  encode(message: ClientMessage): string | Uint8Array;
  /** Throws where the payload is no message. Beyond its envelope the server is trusted. */
  decode(payload: string | Uint8Array): ServerMessage;
}

/** MessagePack comes by a dynamic import, so that a bundle for JSON does without. */
export async function loadCodec(encoding: Encoding): Promise<MessageCodec> {
  if (encoding === "json") return jsonCodec;
  const { messagePackCodec } = await import("./messagepack-codec.js");
  return messagePackCodec;
}
