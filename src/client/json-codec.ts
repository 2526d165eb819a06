import type { ServerMessage } from "../contract/messages.js";
import type { MessageCodec } from "./message-codec.js";

export const jsonCodec: MessageCodec = {
  encode: (message) => JSON.stringify(message),
  decode(payload) {
    if (typeof payload !== "string") throw new TypeError("a binary frame on a JSON connection");
    return JSON.parse(payload) as ServerMessage | ServerMessage[];
  },
};
