import { subprotocols } from "../../../../contract/encodings.js";
import {
  CLIENT_TYPES,
  clientMessageSchema,
  type JsonSchema,
  SERVER_TYPES,
  serverMessageSchema,
} from "../../../../contract/json-schema.js";
import type { Info } from "./info.js";

/** The description of the WebSocket and all of its messages: an AsyncAPI 3.0 document. */
export function asyncApi({ version, limits }: Info): JsonSchema {
  const messages = [
    ...CLIENT_TYPES.map((type) => [type, clientMessageSchema(type)] as const),
    ...SERVER_TYPES.map((type) => [type, serverMessageSchema(type)] as const),
  ];
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Marketcast",
      version,
      description: "Market data, orders and private data by the WebSocket, in the JSON encoding.",
      "x-limits": limits,
    },
    defaultContentType: "application/json",
    channels: {
      socket: {
        address: "/ws/v3",
        description: `One connection. Subprotocols: ${subprotocols().join(", ")}.`,
        messages: Object.fromEntries(
          messages.map(([type]) => [type, { $ref: `#/components/messages/${type}` }]),
        ),
        bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
      },
    },
    operations: {
      // From the server's side: it receives what clients send.
      fromClient: operation("receive", CLIENT_TYPES),
      fromServer: operation("send", SERVER_TYPES),
    },
    components: {
      messages: Object.fromEntries(
        messages.map(([type, payload]) => [type, messageOf(type, payload)]),
      ),
    },
  };
}

function operation(action: "send" | "receive", types: readonly string[]): JsonSchema {
  return {
    action,
    channel: { $ref: "#/channels/socket" },
    messages: types.map((type) => ({ $ref: `#/channels/socket/messages/${type}` })),
  };
}

function messageOf(name: string, payload: JsonSchema): JsonSchema {
  return { name, contentType: "application/json", payload };
}
