import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Candle } from "../messages.js";
import { type Field, ID_NUMBER, ID_TEXT, type MessageTable, type Value } from "./protobuf-table.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The bytes of a message of the contract. Throws TypeError for what its table has no place for: the types
 * of a program in plain JavaScript are its own.
 */
export function writeProtobuf(table: MessageTable, message: object): Uint8Array {
  const writer = new BinaryWriter();
  writeMessage(writer, table, message as Fields, "");
  return writer.finish();
}

function writeMessage(writer: BinaryWriter, table: MessageTable, from: Fields, path: string): void {
  if (typeof from !== "object" || from === null || Array.isArray(from))
    throw new TypeError(`${path.slice(0, -1)}: must be an object`);
  if (table.union !== undefined) return writeUnion(writer, table, table.union, from, path);
  for (const field of table.fields) {
    const value = from[field.name];
    // Of what is JSON itself, null is a value.
    const there = field.value.kind === "json" ? value !== undefined : value != null;
    if (there) writeField(writer, field, value, path);
    else if (field.absent === "zero" || field.absent === "list")
      throw new TypeError(`${path}${field.name}: is missing`);
  }
  if (table.strict) refuseUnknown(table, from, path);
}

function writeUnion(
  writer: BinaryWriter,
  table: MessageTable,
  content: "data" | "params",
  from: Fields,
  path: string,
): void {
  const { type, id } = from;
  const field = table.fields.find(({ name }) => name === type);
  if (field === undefined) throw new TypeError(`${path}type: ${JSON.stringify(type)} is none`);
  if (content === "data" && id !== undefined) {
    if (typeof id === "number") writer.tag(ID_NUMBER, WireType.Varint).sint64(id);
    else writer.tag(ID_TEXT, WireType.LengthDelimited).string(textOf(id, `${path}id`));
  }
  writeValue(writer, field.number, field.value, from[content] ?? {}, `${path}${content}`);
  for (const one of table.beside) {
    const value = from[one.name];
    if (value !== undefined && value !== null) writeField(writer, one, value, path);
  }
}

function refuseUnknown({ fields }: MessageTable, from: Fields, path: string): void {
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && value !== null && !fields.some((field) => field.name === name))
      throw new TypeError(`${path}${name}: there is no such field`);
  }
}

function writeField(writer: BinaryWriter, field: Field, value: unknown, path: string): void {
  const at = `${path}${field.name}`;
  if (!field.list) {
    if (field.absent === "zero" && isZero(value)) return;
    if (field.value.kind === "marketId") {
      writeMarketId(writer, field, marketIdBits(value, at));
      return;
    }
    return writeValue(writer, field.number, field.value, value, at);
  }
  // One word may stand for a list of it.
  const items = field.value.kind === "enum" && typeof value === "string" ? [value] : value;
  if (!Array.isArray(items)) throw new TypeError(`${at}: must be a list`);
  if (items.length === 0) return;
  if (field.value.kind === "marketId") return writeMarketIds(writer, field.number, items, at);
  const { value: item } = field;
  if (item.kind !== "enum") {
    for (const [index, one] of items.entries())
      writeValue(writer, field.number, item, one, `${at}.${index}`);
    return;
  }
  writer.tag(field.number, WireType.LengthDelimited).fork();
  for (const one of items) writer.uint32(item.of.numbers[String(one)] ?? 0);
  writer.join();
}

function isZero(value: unknown): boolean {
  return Object.is(value, 0) || value === false || value === "";
}

function writeValue(
  writer: BinaryWriter,
  number: number,
  value: Value,
  from: unknown,
  path: string,
): void {
  switch (value.kind) {
    case "double":
      writer.tag(number, WireType.Bit64).double(numberOf(from, path));
      return;
    case "uint64":
      writer.tag(number, WireType.Varint).uint64(numberOf(from, path));
      return;
    case "sint64":
      writer.tag(number, WireType.Varint).sint64(numberOf(from, path));
      return;
    case "bool":
      if (typeof from !== "boolean") throw new TypeError(`${path}: must be true or false`);
      writer.tag(number, WireType.Varint).bool(from);
      return;
    case "string":
      writer.tag(number, WireType.LengthDelimited).string(textOf(from, path));
      return;
    case "json":
      writer.tag(number, WireType.LengthDelimited).string(JSON.stringify(from));
      return;
    case "enum":
      // A word that is none becomes the number that stands for none, for the server to refuse.
      writer.tag(number, WireType.Varint).uint32(value.of.numbers[String(from)] ?? 0);
      return;
    case "marketId":
      throw new Error("protobuf: a market id has two fields");
    case "level": {
      const [price, quantity] = from as readonly [number, number];
      writer.tag(number, WireType.LengthDelimited).fork();
      if (price !== 0) writer.tag(1, WireType.Bit64).double(price);
      if (quantity !== 0) writer.tag(2, WireType.Bit64).double(quantity);
      writer.join();
      return;
    }
    case "candle": {
      const [start, open, high, low, close, volume, trades] = from as Candle;
      writer.tag(number, WireType.LengthDelimited).fork();
      if (start !== 0) writer.tag(1, WireType.Varint).uint64(start);
      for (const [index, value] of [open, high, low, close, volume].entries())
        if (value !== 0) writer.tag(index + 2, WireType.Bit64).double(value);
      if (trades !== 0) writer.tag(7, WireType.Varint).uint64(trades);
      writer.join();
      return;
    }
    case "message":
      writer.tag(number, WireType.LengthDelimited).fork();
      writeMessage(writer, value.of, from as Fields, `${path}.`);
      writer.join();
  }
}

const LOW_BITS = (1n << 64n) - 1n;
const MARKET_ID_MAX = (1n << 128n) - 1n;

function writeMarketId(writer: BinaryWriter, { number, absent }: Field, bits: bigint): void {
  const low = bits & LOW_BITS;
  if (low !== 0n || absent !== "zero") writer.tag(number, WireType.Varint).uint64(low);
  if (bits > LOW_BITS) writer.tag(number + 1, WireType.Varint).uint64(bits >> 64n);
}

function writeMarketIds(
  writer: BinaryWriter,
  number: number,
  items: readonly unknown[],
  path: string,
): void {
  const ids = items.map((item, index) => marketIdBits(item, `${path}.${index}`));
  writer.tag(number, WireType.LengthDelimited).fork();
  for (const id of ids) writer.uint64(id & LOW_BITS);
  writer.join();
  if (ids.every((id) => id <= LOW_BITS)) return;
  writer.tag(number + 1, WireType.LengthDelimited).fork();
  for (const id of ids) writer.uint64(id >> 64n);
  writer.join();
}

/*
 * What the module of market ids does more is not asked for here: a page that loads the client with JSON
 * alone would load it as a file of its own.
 */
function marketIdBits(from: unknown, path: string): bigint {
  const isInteger = typeof from === "string" ? /^\d{1,39}$/.test(from) : Number.isSafeInteger(from);
  const bits = isInteger ? BigInt(from as string | number) : -1n;
  if (bits < 0n || bits > MARKET_ID_MAX)
    throw new TypeError(`${path}: must be an integer from 0 to 2^128-1, not ${String(from)}`);
  return bits;
}

function numberOf(from: unknown, path: string): number {
  if (typeof from !== "number") throw new TypeError(`${path}: must be a number`);
  return from;
}

function textOf(from: unknown, path: string): string {
  if (typeof from !== "string") throw new TypeError(`${path}: must be a string`);
  return from;
}
