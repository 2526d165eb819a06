import { Packr } from "msgpackr";
import { protobufCodec } from "../../src/client/protobuf-codec.js";
import type { Encoding } from "../../src/contract/encodings.js";
import type { ClientMessage } from "../../src/contract/messages.js";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A client's message in an encoding. Protocol Buffers take only what the contract has. */
export function encodeRequest(encoding: Encoding, message: object): Buffer {
  if (encoding === "json") return Buffer.from(JSON.stringify(message));
  if (encoding === "msgpack") return Buffer.from(packr.pack(message));
  return Buffer.from(protobufCodec.encode(message as ClientMessage));
}
