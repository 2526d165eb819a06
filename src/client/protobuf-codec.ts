import type { ServerMessage } from "../contract/messages.js";
import {
  CLIENT_MESSAGE,
  SERVER_BATCH,
  SERVER_MESSAGE,
} from "../contract/protobuf/protobuf-messages.js";
import { readProtobuf } from "../contract/protobuf/protobuf-reader.js";
import { writeProtobuf } from "../contract/protobuf/protobuf-writer.js";
import type { MessageCodec } from "./message-codec.js";

export const protobufCodec: MessageCodec = {
  encode: (message) => writeProtobuf(CLIENT_MESSAGE, message),
  decode(payload) {
    if (typeof payload === "string")
      throw new TypeError("a text frame on a Protocol Buffers connection");
    return readProtobuf(SERVER_MESSAGE, payload) as unknown as ServerMessage;
  },
};

/** Of a connection whose frames are batches, each of them. */
export const protobufBatchCodec: MessageCodec = {
  encode: protobufCodec.encode,
  decode(payload) {
    if (typeof payload === "string")
      throw new TypeError("a text frame on a Protocol Buffers connection");
    return readProtobuf(SERVER_BATCH, payload)["messages"] as ServerMessage[];
  },
};
