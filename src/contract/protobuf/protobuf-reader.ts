import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Candle } from "../messages.js";
import type { Entry, Field, MessageTable, Value } from "./protobuf-table.js";

type Fields = Record<string, unknown>;
/** What one holds exactly is a number. */
type Integer = number | bigint;

// A byte order mark is a character as any other.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENGTH_DELIMITED = 2;
/** What the eighth group of seven bits counts in. */
const SCALE_MAX = 2 ** 49;

class FieldReader extends BinaryReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super(bytes, (text) => utf8.decode(text));
    this.#bytes = bytes;
  }

  /** An unsigned one of 64 bits. Nearly all are safe integers, for which a BigInt would be a detour. */
  integer(): Integer {
    let value = 0;
    let at = this.pos;
    for (let scale = 1; scale <= SCALE_MAX; scale *= 128) {
      const byte = this.#bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (at > this.len || value > Number.MAX_SAFE_INTEGER) break;
      this.pos = at;
      return value;
    }
    const wide = BigInt(this.uint64());
    return wide > Number.MAX_SAFE_INTEGER ? wide : Number(wide);
  }

  /** The end of the part that begins with its length here. */
  partEnd(): number {
    const end = this.uint32() + this.pos;
    if (end > this.len) throw new RangeError("a part is cut off");
    return end;
  }

  /** At `end`, where the part that is read must end. */
  leave(end: number): void {
    if (this.pos !== end) throw new RangeError("a part is cut off");
  }
}

/**
 * The message of the contract in `bytes`, as JSON has it, fields in their table's order. Throws where the
 * bytes do not end with it or a text is no UTF-8. What the table does not know is left out.
 */
export function readProtobuf(table: MessageTable, bytes: Uint8Array): Fields {
  return readMessage(new FieldReader(bytes), table, bytes.length);
}

function readMessage(reader: FieldReader, table: MessageTable, end: number): Fields {
  if (table.union !== undefined) return readUnion(reader, table, table.union, end);
  /** By the fields' places in the table; the upper bits of ids behind them. */
  const values: unknown[] = [];
  const highs: unknown[] = [];
  const message: Fields = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    const entry = table.entries[tag >>> 3];
    if (entry !== undefined) {
      readField(reader, tag & 7, entry, entry.high ? highs : values);
      continue;
    }
    reader.skip(tag & 7);
    if (table.strict) message[tag >>> 3] = true;
  }
  reader.leave(end);
  for (const [place, field] of table.fields.entries()) {
    const value = jsonOf(field, values[place], highs[place]);
    if (value !== undefined) message[field.name] = value;
  }
  return message;
}

/** One message of several; where its number is unknown, its type is a name that nobody has. */
function readUnion(
  reader: FieldReader,
  table: MessageTable,
  content: "data" | "params",
  end: number,
): Fields {
  let type: string | undefined;
  const beside: Fields = {};
  let inside: Fields | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const entry = table.entries[tag >>> 3];
    if (entry === undefined) {
      type ??= `field ${tag >>> 3}`;
      reader.skip(tag & 7);
    } else if (entry.field.value.kind === "message") {
      type = entry.field.name;
      inside = readMessage(reader, entry.field.value.of, reader.partEnd());
    } else {
      beside[entry.field.name] = readValue(reader, entry.field.value);
    }
  }
  reader.leave(end);
  return {
    ...(type !== undefined && { type }),
    ...beside,
    [content]: content === "params" && isEmpty(inside) ? null : inside,
  };
}

/** Channels without parameters have null in their place. */
function isEmpty(fields: Fields | undefined): boolean {
  for (const _ in fields) return false;
  return true;
}

function readField(
  reader: FieldReader,
  wire: number,
  { field, place }: Entry,
  into: unknown[],
): void {
  const { value, list } = field;
  if (!list) {
    into[place] = readValue(reader, value);
    return;
  }
  const items = (into[place] ?? []) as unknown[];
  into[place] = items;
  const packed = wire === LENGTH_DELIMITED && (value.kind === "enum" || value.kind === "marketId");
  if (!packed) {
    items.push(readValue(reader, value));
    return;
  }
  const end = reader.partEnd();
  while (reader.pos < end) items.push(readValue(reader, value));
  reader.leave(end);
}

/** What a field is, of what was on the wire for it. */
function jsonOf(field: Field, value: unknown, high: unknown): unknown {
  const { value: shape, list, absent } = field;
  if (shape.kind === "marketId" && (value !== undefined || high !== undefined)) {
    return list
      ? joinIds(field, (value ?? []) as Integer[], high as Integer[] | undefined)
      : joinId((value ?? 0) as Integer, (high ?? 0) as Integer);
  }
  if (value !== undefined || absent === "nothing") return value;
  if (absent === "list") return [];
  return absent === "null" ? null : zeroOf(shape);
}

function zeroOf({ kind }: Value): unknown {
  if (kind === "enum" || kind === "message") return undefined;
  if (kind === "string") return "";
  return kind === "bool" ? false : 0;
}

function joinId(low: Integer, high: Integer): number | string {
  if (high === 0 && typeof low === "number") return low;
  const bits = (BigInt(high) << 64n) | BigInt(low);
  return bits > Number.MAX_SAFE_INTEGER ? `${bits}` : Number(bits);
}

function joinIds({ name }: Field, lows: Integer[], highs: Integer[] | undefined): unknown[] {
  if (highs !== undefined && highs.length !== lows.length)
    throw new RangeError(`${highs.length} of ${name}_high for ${lows.length} of ${name}`);
  return lows.map((low, index) => joinId(low, highs?.[index] ?? 0));
}

function readValue(reader: FieldReader, value: Value): unknown {
  switch (value.kind) {
    case "double":
      return reader.double();
    case "uint64":
    case "marketId":
      return reader.integer();
    case "sint64": {
      const integer = BigInt(reader.sint64());
      const number = Number(integer);
      return Number.isSafeInteger(number) ? number : integer;
    }
    case "bool":
      return reader.bool();
    case "string":
      return reader.string();
    case "json":
      return JSON.parse(reader.string());
    case "enum": {
      const number = reader.integer();
      // What is no word of this contract is left for its reader to judge.
      return value.of.words[Number(number)] ?? number;
    }
    case "level":
      return readLevel(reader);
    case "candle":
      return readCandle(reader);
    case "message":
      return readMessage(reader, value.of, reader.partEnd());
  }
}

function readCandle(reader: FieldReader): Candle {
  const end = reader.partEnd();
  const candle: { -readonly [I in keyof Candle]: Candle[I] } = [0, 0, 0, 0, 0, 0, 0];
  while (reader.pos < end) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    if (number === 1 || number === 7) candle[number - 1] = Number(reader.integer());
    else if (number > 1 && number < 7) candle[number - 1] = reader.double();
    else reader.skip(tag & 7);
  }
  return candle;
}

function readLevel(reader: FieldReader): readonly [number, number] {
  const end = reader.partEnd();
  let price = 0;
  let quantity = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) price = reader.double();
    else if (tag >>> 3 === 2) quantity = reader.double();
    else reader.skip(tag & 7);
  }
  reader.leave(end);
  return [price, quantity];
}
