import { ENCODING_FRAMES, ENCODINGS, type Encoding, subprotocolOf } from "../contract/encodings.js";
import type { EncodingDescriptor } from "./encoding.js";
import { jsonBatches } from "./encodings/json/json-batches.js";
import { jsonDecoder } from "./encodings/json/json-decoder.js";
import { jsonEncoder } from "./encodings/json/json-encoder.js";
import { messagePackBatches } from "./encodings/messagepack/messagepack-batches.js";
import { messagePackDecoder } from "./encodings/messagepack/messagepack-decoder.js";
import { messagePackEncoder } from "./encodings/messagepack/messagepack-encoder.js";
import { protobufBatches } from "./encodings/protobuf/protobuf-batches.js";
import { protobufDecoder } from "./encodings/protobuf/protobuf-decoder.js";
import { protobufEncoder } from "./encodings/protobuf/protobuf-encoder.js";

const CODECS = {
  json: { encoder: jsonEncoder, decoder: jsonDecoder, batches: jsonBatches },
  msgpack: {
    encoder: messagePackEncoder,
    decoder: messagePackDecoder,
    batches: messagePackBatches,
  },
  protobuf: { encoder: protobufEncoder, decoder: protobufDecoder, batches: protobufBatches },
} as const satisfies Record<Encoding, Pick<EncodingDescriptor, "encoder" | "decoder" | "batches">>;

/** The descriptor of an encoding by its name. */
export function encodingNamed(name: Encoding): EncodingDescriptor {
  return {
    name,
    subprotocol: subprotocolOf(name),
    frames: ENCODING_FRAMES[name],
    ...CODECS[name],
  };
}

/** The encodings that a server speaks; a connection knows its own by the index. */
export const ENCODING_TABLE: readonly EncodingDescriptor[] = ENCODINGS.map(encodingNamed);

/** The encoding at an index; an index that a table does not have is a fault of the program. */
export function encodingAt(
  table: readonly EncodingDescriptor[],
  index: number,
): EncodingDescriptor {
  const encoding = table[index];
  if (encoding === undefined) throw new Error(`encodings: there is none of index ${index}`);
  return encoding;
}
