import { CLIENT_MESSAGE } from "../../../contract/protobuf/protobuf-messages.js";
import { readProtobuf } from "../../../contract/protobuf/protobuf-reader.js";
import type { PayloadDecoder } from "../../encoding.js";
import { findProtobufFault } from "./protobuf-structure.js";

const FORMAT = "Protocol Buffers";

/** Decodes a `ClientMessage` of proto/marketcast.proto into what JSON has for it. */
export const protobufDecoder: PayloadDecoder = {
  format: FORMAT,
  findFault(payload, valuesMax) {
    const fault = findProtobufFault(payload, CLIENT_MESSAGE, valuesMax);
    return fault === undefined ? undefined : `not valid ${FORMAT}: ${fault}`;
  },
  decode: (payload) => readProtobuf(CLIENT_MESSAGE, payload),
};
