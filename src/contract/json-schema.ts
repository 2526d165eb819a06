import { z } from "zod";
import { MARKET_ID_FORM } from "./channels-schema.js";
import { clientData } from "./client-messages-schema.js";
import type { ClientType, ServerType } from "./messages.js";
import { SERVER_MESSAGE } from "./protobuf/protobuf-messages.js";
import type { Field, MessageTable, Value } from "./protobuf/protobuf-table.js";

/*
 * The contract as JSON Schema (draft 2020-12), for who has tools that read it: what clients send from the
 * schemas that parse it, what the server sends from the tables that it is written by.
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

export const CLIENT_TYPES = Object.keys(clientData) as readonly ClientType[];
export const SERVER_TYPES = SERVER_MESSAGE.fields.map(({ name }) => name as ServerType);

/** A client's request id, given back with each direct reply. */
const REQUEST_ID: JsonSchema = {
  anyOf: [{ type: "integer" }, { type: "string", maxLength: 64 }],
};

/** A client's message of a type, as the server takes it. */
export function clientMessageSchema(type: ClientType): JsonSchema {
  return messageSchema(type, ofZod(clientData[type]));
}

/** A message of the server of a type. */
export function serverMessageSchema(type: ServerType): JsonSchema {
  return messageSchema(type, serverDataSchema(type));
}

/** The `data` of a server's message of a type. */
export function serverDataSchema(type: ServerType): JsonSchema {
  const field = SERVER_MESSAGE.fields.find(({ name }) => name === type);
  if (field === undefined) throw new Error(`json schema: the server sends no ${type}`);
  return valueSchema(field.value);
}

/** The schema of a field of an object's schema. */
export function fieldSchema({ properties }: JsonSchema, name: string): JsonSchema {
  const found = (properties as Readonly<Record<string, JsonSchema>> | undefined)?.[name];
  if (found === undefined) throw new Error(`json schema: there is no field ${name}`);
  return found;
}

function messageSchema(type: string, data: JsonSchema): JsonSchema {
  return objectSchema({ type: { const: type }, id: REQUEST_ID, data }, ["type", "data"]);
}

/** An object with these fields, and with others that are ignored. */
export function objectSchema(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema {
  return { type: "object", properties, ...(required.length > 0 && { required }) };
}

// --- What clients send ----------------------------------------------------------------------------

function ofZod(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const items = checkedItems(zodSchema);
      if (items !== undefined) jsonSchema.items = ofZod(items);
    },
  });
  return rest;
}

/** Of a list whose length is checked before its items: what those are checked by behind it. */
function checkedItems(schema: z.core.$ZodType): z.ZodType | undefined {
  if (!(schema instanceof z.ZodPipe)) return undefined;
  const { in: before, out: behind } = schema;
  const unlooked = before instanceof z.ZodArray && before.element instanceof z.ZodUnknown;
  if (unlooked && behind instanceof z.ZodArray) return behind.element as z.ZodType;
  // What a list is made into behind its check says nothing of what it was.
  return behind instanceof z.ZodTransform ? checkedItems(before) : undefined;
}

// --- What the server sends ------------------------------------------------------------------------

function tableSchema({ fields, union }: MessageTable): JsonSchema {
  if (union === "params") return { oneOf: fields.map(channelSchema) };
  const properties = Object.fromEntries(fields.map((field) => [field.name, fieldOf(field)]));
  return objectSchema(
    properties,
    fields.filter(isRequired).map(({ name }) => name),
  );
}

function isRequired({ optional }: Field): boolean {
  return optional !== true;
}

function channelSchema({ name, value }: Field): JsonSchema {
  const params = valueSchema(value);
  const none = value.kind === "message" && !value.of.fields.some(isRequired);
  const orNull = none ? { anyOf: [params, { type: "null" }] } : params;
  return objectSchema({ type: { const: name }, params: orNull }, none ? ["type"] : undefined);
}

function fieldOf({ value, list, absent }: Field): JsonSchema {
  const one = valueSchema(value);
  if (list) return { type: "array", items: one };
  return absent === "null" ? { anyOf: [one, { type: "null" }] } : one;
}

function valueSchema(value: Value): JsonSchema {
  switch (value.kind) {
    case "double":
      return { type: "number" };
    case "uint64":
      return { type: "integer", minimum: 0 };
    case "sint64":
      return { type: "integer" };
    case "bool":
      return { type: "boolean" };
    case "string":
      return { type: "string" };
    case "json":
      return {};
    case "marketId":
      return MARKET_ID_FORM;
    case "level":
      return {
        description: "[price, quantity]",
        type: "array",
        items: { type: "number" },
        minItems: 2,
        maxItems: 2,
      };
    case "candle":
      return {
        description: "[start, open, high, low, close, volume, trades]; start in microseconds",
        type: "array",
        items: { type: "number" },
        minItems: 7,
        maxItems: 7,
      };
    case "enum":
      return { type: "string", enum: Object.keys(value.of.numbers) };
    case "message":
      return tableSchema(value.of);
    default:
      return value satisfies never;
  }
}
