import { isUtf8 } from "node:buffer";
import type { Entry, MessageTable, Value } from "../../../contract/protobuf/protobuf-table.js";
import { fieldsFault, nestedTooDeep, VALUE_DEPTH_MAX, valuesFault } from "../../value-bounds.js";
import { findJsonBoundsFault } from "../json/json-structure.js";

/**
 * Checks that `bytes` are one message of `table` and what nobody knows beside its fields: nothing cut off,
 * every field that is known of its own wire type, none twice that may come once, one at most of a oneof,
 * texts in UTF-8, no groups, and bounds on fields and values, which the items of packed lists are. Decoders
 * are more generous: they take the last of several, and skip what has another type. Returns what is wrong,
 * or undefined.
 *
 * Source: the Protocol Buffers encoding (protobuf.dev/programming-guides/encoding).
 */
export function findProtobufFault(
  bytes: Uint8Array,
  table: MessageTable,
  valuesMax: number,
): string | undefined {
  const walk = new Walk(bytes, valuesMax);
  try {
    walk.message(table, bytes.length, 0);
    return undefined;
  } catch (error) {
    if (error instanceof StructureFault) return error.message;
    throw error;
  }
}

class StructureFault extends Error {}

const VARINT = 0;
const BIT_64 = 1;
const LENGTH_DELIMITED = 2;
const BIT_32 = 5;
const VARINT_BYTES_MAX = 10;
const TAG_MAX = 0xffff_ffff;

/** A walk over the bytes of a message; every part of it ends within the part around it. */
class Walk {
  readonly #bytes: Uint8Array;
  readonly #valuesMax: number;
  #at = 0;
  #values = 0;
  #fields = 0;

  constructor(bytes: Uint8Array, valuesMax: number) {
    this.#bytes = bytes;
    this.#valuesMax = valuesMax;
  }

  message(table: MessageTable, end: number, depth: number): void {
    if (depth > VALUE_DEPTH_MAX) throw new StructureFault(nestedTooDeep());
    this.#count(1, 0);
    let seen = 0;
    while (this.#at < end) {
      const start = this.#at;
      const tag = this.#varint(end);
      const number = Math.floor(tag / 8);
      if (tag > TAG_MAX || number === 0)
        throw new StructureFault(`the tag at byte ${start} is none`);
      const entry = table.entries[number];
      if (entry === undefined || !entry.field.list) this.#count(0, 1);
      if (entry === undefined) {
        this.#count(1, 0);
        this.#skip(tag % 8, start, end);
        continue;
      }
      if ((seen & entry.once) !== 0)
        throw new StructureFault(
          `field ${number} at byte ${start} comes twice, or beside another of its oneof`,
        );
      seen |= entry.once;
      this.#field(entry, tag % 8, start, end, depth);
    }
  }

  #field({ field }: Entry, wire: number, start: number, end: number, depth: number): void {
    const { value, list } = field;
    const own = wireTypeOf(value);
    if (wire === LENGTH_DELIMITED && own === VARINT && list) {
      const partEnd = this.#partEnd(end);
      while (this.#at < partEnd) {
        this.#count(1, 0);
        this.#varint(partEnd);
      }
    } else if (wire !== own) {
      throw new StructureFault(`field ${field.number} at byte ${start} has wire type ${wire}`);
    } else if (value.kind === "message") {
      this.message(value.of, this.#partEnd(end), depth + 1);
    } else {
      this.#count(1, 0);
      const from = this.#at;
      this.#skip(wire, start, end);
      if (value.kind !== "string" && value.kind !== "json") return;
      const text = this.#text(from, end);
      if (value.kind === "json") this.#checkJson(text);
    }
  }

  #checkJson(json: Buffer): void {
    const fault = findJsonBoundsFault(json, this.#valuesMax);
    if (fault !== undefined) throw new StructureFault(fault);
  }

  #text(from: number, end: number): Buffer {
    const to = this.#at;
    this.#at = from;
    this.#varint(end);
    const { buffer, byteOffset } = this.#bytes;
    const text = Buffer.from(buffer, byteOffset + this.#at, to - this.#at);
    if (!isUtf8(text)) throw new StructureFault(`invalid UTF-8 in the string at byte ${this.#at}`);
    this.#at = to;
    return text;
  }

  #skip(wire: number, start: number, end: number): void {
    if (wire === VARINT) this.#varint(end);
    else if (wire === BIT_64) this.#advance(8, end);
    else if (wire === LENGTH_DELIMITED) this.#at = this.#partEnd(end);
    else if (wire === BIT_32) this.#advance(4, end);
    else throw new StructureFault(`wire type ${wire} at byte ${start}: groups are not taken`);
  }

  /** Reads a length, and returns where the part of that length ends. */
  #partEnd(end: number): number {
    const length = this.#varint(end);
    if (length > end - this.#at) throw new StructureFault("the value is cut off");
    return this.#at + length;
  }

  #advance(length: number, end: number): void {
    if (length > end - this.#at) throw new StructureFault("the value is cut off");
    this.#at += length;
  }

  /** Reads a varint; one beyond 2^53 comes rounded, which is still larger than any that is taken. */
  #varint(end: number): number {
    const start = this.#at;
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (this.#at >= end) throw new StructureFault("the value is cut off");
      const byte = this.#bytes[this.#at++] as number;
      if (this.#at - start === VARINT_BYTES_MAX && byte > 1)
        throw new StructureFault(`the integer at byte ${start} has more than 64 bits`);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #count(values: number, fields: number): void {
    this.#values += values;
    this.#fields += fields;
    const fault = valuesFault(this.#values, this.#valuesMax) ?? fieldsFault(this.#fields);
    if (fault !== undefined) throw new StructureFault(fault);
  }
}

function wireTypeOf({ kind }: Value): number {
  if (kind === "double") return BIT_64;
  const isInteger =
    kind === "uint64" ||
    kind === "sint64" ||
    kind === "bool" ||
    kind === "enum" ||
    kind === "marketId";
  return isInteger ? VARINT : LENGTH_DELIMITED;
}
