import { Packr, Unpackr } from "msgpackr";
import type { ServerMessage } from "../contract/messages.js";
import type { MessageCodec } from "./message-codec.js";

const packr = new Packr({ useRecords: false, variableMapSize: true });
// 64-bit integers as numbers while they are exact; the library's types do not know the setting.
const unpackr = new Unpackr({ useRecords: false, int64AsType: "auto" as "number" });

export const messagePackCodec: MessageCodec = {
  // What pack() returns is a view of a buffer that the next one writes over, and browsers may send late.
  encode: (message) => packr.pack(message).slice(),
  decode(payload) {
    if (typeof payload === "string")
      throw new TypeError("a text frame on a MessagePack connection");
    return unpackr.unpack(payload) as ServerMessage | ServerMessage[];
  },
};
