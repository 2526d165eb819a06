import type { Encoding } from "../contract/encodings.js";
import { jsonCodec } from "./json-codec.js";
import type { MessageCodec } from "./message-codec.js";

/** Loads the codec of each encoding: all but JSON by a dynamic import, so that JSON alone does without. */
export const CODEC_LOADERS: Readonly<Record<Encoding, () => Promise<MessageCodec>>> = {
  json: async () => jsonCodec,
  msgpack: async () => (await import("./messagepack-codec.js")).messagePackCodec,
  protobuf: async () => (await import("./protobuf-codec.js")).protobufCodec,
};
