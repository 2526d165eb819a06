import type { Encoding } from "../contract/encodings.js";
import { jsonCodec } from "./json-codec.js";
import type { MessageCodec } from "./message-codec.js";

/** All but JSON come by a dynamic import, so that a bundle for JSON does without. */
const CODECS = {
  json: async () => jsonCodec,
  msgpack: async () => (await import("./messagepack-codec.js")).messagePackCodec,
} as const satisfies Record<Encoding, () => Promise<MessageCodec>>;

/** Loads the codec of an encoding. */
export function loadCodec(encoding: Encoding): Promise<MessageCodec> {
  return CODECS[encoding]();
}
