import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

/*
 * Messages of proto/marketcast.proto to and from JSON by another library than the product's, and by the
 * rules that the file and the contract's document tell, not by the product's tables.
 */

/** As the package ships it. */
export const protoRoot = new protobuf.Root();
protoRoot.loadSync(fileURLToPath(new URL("../../proto/marketcast.proto", import.meta.url)), {
  keepCase: true,
});
protoRoot.resolveAll();

const clientType = protoRoot.lookupType("marketcast.v3.ClientMessage");
const serverType = protoRoot.lookupType("marketcast.v3.ServerMessage");

const batchType = protoRoot.lookupType("marketcast.v3.ServerBatch");

type Json = Record<string, unknown>;

/** Optional fields that JSON has null for; others that are missing are left out. */
const NULLS = new Set([
  ...["price", "best_bid", "best_ask"].flatMap((name) => [`PriceUpdate.${name}`, `Market.${name}`]),
  "Authenticated.wallet",
  "CancelAfterSet.trigger_ts",
]);
/** Messages of which lists without any are left out. */
const LISTS_ABSENT = ["MarketsFilter", "PresenceUpdate"];
/** Enums whose words are written as they are, and those in lower case; others are PascalCase. */
const UPPER = ["ErrorCode", "TimeInForce"];
const LOWER = ["SystemState", "NotificationLevel", "CandleInterval"];
/** Fields whose text is JSON. */
const JSON_FIELDS = ["Error.details", "Publish.data", "Publication.data"];
/** Fields of a candle, in the order of its list. */
const CANDLE = ["start", "open", "high", "low", "close", "volume", "trades"];

function isJson({ parent, name }: protobuf.Field): boolean {
  return JSON_FIELDS.includes(`${parent?.name}.${name}`);
}

export function isOptional(field: protobuf.Field): boolean {
  return field.partOf?.name === `_${field.name}`;
}

function pascal(snake: string): string {
  return snake
    .toLowerCase()
    .split("_")
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("");
}

function snake(pascalCase: string): string {
  return pascalCase.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
}

/** The prefix of an enum's values. */
function prefixOf({ name }: protobuf.Enum): string {
  return `${snake(name).toUpperCase()}_`;
}

export function wordOf(of: protobuf.Enum, number: number): unknown {
  const name = of.valuesById[number];
  if (name === undefined || number === 0) return number;
  const rest = name.slice(prefixOf(of).length);
  if (UPPER.includes(of.name)) return rest;
  return LOWER.includes(of.name) ? rest.toLowerCase() : pascal(rest);
}

function nameOf(of: protobuf.Enum, word: unknown): string | number {
  if (typeof word !== "string") throw new TypeError(`${of.name} of ${word}`);
  const name = prefixOf(of) + (UPPER.includes(of.name) ? word : snake(word).toUpperCase());
  return name in of.values ? name : 0;
}

function canonicalId(low: unknown, high: unknown): number | string {
  const id = (BigInt(String(high ?? 0)) << 64n) + BigInt(String(low ?? 0));
  return id < 2n ** 53n ? Number(id) : `${id}`;
}

function idParts(id: unknown): readonly [string, string] {
  const bits = BigInt(id as string);
  if (bits < 0n || bits >> 128n > 0n) throw new TypeError(`the id ${id}`);
  return [`${bits & (2n ** 64n - 1n)}`, `${bits >> 64n}`];
}

/** The message of a server's payload, as JSON has it. */
export function decodeServerMessage(payload: Uint8Array): Json {
  return envelopeJson(serverType, payload);
}

/** The messages of a server's batch, as JSON has them. */
export function decodeServerBatch(payload: Uint8Array): Json[] {
  const { messages } = batchType.decode(payload) as unknown as { messages: protobuf.Message[] };
  return messages.map((message) => envelopeJson(serverType, serverType.encode(message).finish()));
}

/** The message of a client's payload, as JSON has it. */
export function decodeClientPayload(payload: Uint8Array): Json {
  return envelopeJson(clientType, payload);
}

function envelopeJson(type: protobuf.Type, payload: Uint8Array): Json {
  const message = type.decode(payload) as unknown as Json;
  const member = ["id_text", "id_number"].find((name) => Object.hasOwn(message, name));
  const members = type.fieldsArray.filter(({ partOf }) => partOf?.name === "data");
  const field = members.find(({ name }) => Object.hasOwn(message, name));
  if (field === undefined) throw new Error("an envelope without a message");
  const { resolvedType } = field;
  return {
    type: (resolvedType as protobuf.Type).name,
    ...(member === "id_text" && { id: message[member] }),
    ...(member === "id_number" && { id: Number(String(message[member])) }),
    data: toJson(resolvedType as protobuf.Type, message[field.name] as Json),
  };
}

function toJson(type: protobuf.Type, message: Json): unknown {
  if (type.name === "Level") return [message["price"], message["quantity"]];
  if (type.name === "Candle")
    return type.fieldsArray.map(({ name }) => Number(String(message[name] ?? 0)));
  if (type.name === "Channel") {
    const field = type.fieldsArray.find(({ name }) => Object.hasOwn(message, name));
    if (field === undefined) throw new Error("a channel without a type");
    const params = toJson(field.resolvedType as protobuf.Type, message[field.name] as Json) as Json;
    return {
      type: (field.resolvedType as protobuf.Type).name,
      params: Object.keys(params).length === 0 ? null : params,
      ...(Object.hasOwn(message, "since") && { since: Number(String(message["since"])) }),
      ...(Object.hasOwn(message, "recovered") && { recovered: message["recovered"] }),
    };
  }
  const json: Json = {};
  for (const field of type.fieldsArray) {
    const { name } = field;
    if (name.endsWith("_high")) continue;
    const there = Object.hasOwn(message, name) || Object.hasOwn(message, `${name}_high`);
    const value = message[name];
    if (name === "market_ids") {
      const highs = (message["market_ids_high"] ?? []) as unknown[];
      json[name] = ((value ?? []) as unknown[]).map((low, index) => canonicalId(low, highs[index]));
    } else if (field.repeated) {
      const items = ((value ?? []) as unknown[]).map((item) => valueJson(field, item));
      if (items.length > 0 || !LISTS_ABSENT.includes(type.name)) json[name] = items;
    } else if (!there && (isOptional(field) || field.resolvedType instanceof protobuf.Type)) {
      if (NULLS.has(`${type.name}.${name}`)) json[name] = null;
    } else {
      json[name] =
        name === "market_id"
          ? canonicalId(value, message["market_id_high"])
          : valueJson(field, value);
    }
  }
  return json;
}

function valueJson(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobuf.Type) return toJson(resolvedType, value as Json);
  if (resolvedType instanceof protobuf.Enum) return wordOf(resolvedType, value as number);
  if (isJson(field)) return JSON.parse(value as string);
  return type === "uint64" ? Number(String(value)) : value;
}

/** A client's payload; throws for what there is no place for. */
export function encodeClientMessage(message: unknown): Buffer {
  return encodeEnvelope(clientType, message as Json);
}

/** A server's payload. */
export function encodeServerMessage(message: unknown): Buffer {
  return encodeEnvelope(serverType, message as Json);
}

function encodeEnvelope(type: protobuf.Type, { type: name, id, data }: Json): Buffer {
  const field = type.fields[snake(String(name))];
  if (field === undefined) throw new TypeError(`a message of type ${name}`);
  const envelope = type.fromObject({
    ...(typeof id === "number" && { id_number: `${id}` }),
    ...(typeof id === "string" && { id_text: id }),
    [field.name]: fromJson(field.resolvedType as protobuf.Type, (data ?? {}) as Json),
  });
  return Buffer.from(type.encode(envelope).finish());
}

function fromJson(type: protobuf.Type, json: Json): Json {
  if (type.name === "Channel") {
    const field = type.fields[snake(String(json["type"]))];
    if (field === undefined) throw new TypeError(`a channel of type ${json["type"]}`);
    const params = (json["params"] ?? {}) as Json;
    const { since, recovered } = json;
    return {
      [field.name]: fromJson(field.resolvedType as protobuf.Type, params),
      ...(since !== undefined && { since }),
      ...(recovered !== undefined && { recovered }),
    };
  }
  if (type.name === "Candle") {
    const values = json as unknown as readonly number[];
    return Object.fromEntries(
      CANDLE.map((name, at) => [
        name,
        type.fields[name]?.type === "uint64" ? `${values[at]}` : values[at],
      ]),
    );
  }
  if (type.name === "Level") {
    const [price, quantity] = json as unknown as [number, number];
    return { price, quantity };
  }
  if (type.name === "Candle") {
    const values = Object.values(json) as number[];
    const named = type.fieldsArray.map(({ name }, index) => [name, values[index]] as const);
    return Object.fromEntries(named.filter(([, value]) => value !== 0));
  }
  const message: Json = {};
  for (const [name, value] of Object.entries(json)) {
    const field = type.fields[name];
    // Of what is JSON itself, null is a value.
    if (value === undefined || (value === null && !(field && isJson(field)))) continue;
    if (field === undefined) throw new TypeError(`${type.name} has no ${name}`);
    // As the encoding has it: what is there as 0, false or empty is not written.
    if (!isOptional(field) && (value === 0 || value === false || value === "")) continue;
    if (name === "market_id") {
      const [low, high] = idParts(value);
      message[name] = low;
      if (high !== "0") message["market_id_high"] = high;
    } else if (name === "market_ids") {
      const parts = (value as unknown[]).map(idParts);
      message[name] = parts.map(([low]) => low);
      if (parts.some(([, high]) => high !== "0"))
        message["market_ids_high"] = parts.map(([, high]) => high);
    } else if (field.repeated) {
      const items = Array.isArray(value) ? value : [value];
      message[name] = items.map((item) => plainValue(field, item));
    } else {
      message[name] = plainValue(field, value);
    }
  }
  return message;
}

function plainValue(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobuf.Type) return fromJson(resolvedType, value as Json);
  if (resolvedType instanceof protobuf.Enum) return nameOf(resolvedType, value);
  if (isJson(field)) return JSON.stringify(value);
  return type === "uint64" ? `${value}` : value;
}
