import type { Encoding } from "../contract/encodings.js";
import { jsonCodec } from "./json-codec.js";
import type { MessageCodec } from "./message-codec.js";

/**
 * Loads the codec of each encoding: all but JSON by a dynamic import, so that JSON alone does without. Of
 * most a payload says itself whether it is a batch; of the others there are two.
 */
export const CODEC_LOADERS: Readonly<Record<Encoding, (batch: boolean) => Promise<MessageCodec>>> =
  {
    json: async () => jsonCodec,
    msgpack: async () => (await import("./messagepack-codec.js")).messagePackCodec,
    protobuf: async (batch) => {
      const { protobufBatchCodec, protobufCodec } = await import("./protobuf-codec.js");
      return batch ? protobufBatchCodec : protobufCodec;
    },
  };
