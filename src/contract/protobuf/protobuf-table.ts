/*
 * How a message of the contract stands in Protocol Buffers: its fields by their numbers, with their names
 * in JSON. The bytes are read and written by these tables; they say the same as proto/marketcast.proto.
 */

/** Words of the contract by their numbers; 0 is none. */
interface EnumWords {
  readonly numbers: Readonly<Record<string, number>>;
  readonly words: readonly (string | undefined)[];
}

export type Value =
  | { readonly kind: "double" | "uint64" | "sint64" | "bool" | "string" }
  /** Any JSON, as a text. */
  | { readonly kind: "json" }
  /** Two fields: that of the upper 64 bits has the next number. */
  | { readonly kind: "marketId" }
  /** A message that is a pair in JSON. */
  | { readonly kind: "level" }
  /** A message that is a list of seven in JSON. */
  | { readonly kind: "candle" }
  | { readonly kind: "enum"; readonly of: EnumWords }
  | { readonly kind: "message"; readonly of: MessageTable };

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly value: Value;
  /**
   * What a message has where the field is not on the wire. `zero` is 0, false or an empty text, which is
   * not written either; of an enum or a message it is nothing.
   */
  readonly absent: "zero" | "null" | "nothing" | "list";
  readonly list: boolean;
  /** A message of the contract may be without it. */
  readonly optional?: true;
}

/** What is known of a field's number. */
export interface Entry {
  readonly field: Field;
  /** The field's index in its table. */
  readonly place: number;
  /** The number is that of a market id's upper bits. */
  readonly high: boolean;
  /** A bit that all fields share of which a message has one at most; 0 of a list. */
  readonly once: number;
}

export interface MessageTable {
  readonly fields: readonly Field[];
  /** By number. */
  readonly entries: readonly (Entry | undefined)[];
  /**
   * Where the message is one of several: what JSON calls the content, beside the `type` that names it. The
   * fields with a type's name are those of it.
   */
  readonly union: "data" | "params" | undefined;
  /** Of a channel: what may stand beside its type and params. */
  readonly beside: readonly Field[];
  /** Fields that nobody knows are kept, by their numbers, so that they can be refused. */
  readonly strict: boolean;
}

/** A field before its table gives it a name. */
export type FieldShape = Omit<Field, "name">;

const scalar =
  (kind: "double" | "uint64" | "bool" | "string" | "marketId") =>
  (number: number): FieldShape => ({ number, value: { kind }, absent: "zero", list: false });

export const double = scalar("double");
export const uint64 = scalar("uint64");
export const bool = scalar("bool");
export const text = scalar("string");
export const marketId = scalar("marketId");

export function json(number: number): FieldShape {
  return { number, value: { kind: "json" }, absent: "nothing", list: false };
}

export function candle(number: number): FieldShape {
  return { number, value: { kind: "candle" }, absent: "zero", list: false };
}

export function levels(number: number): FieldShape {
  return { number, value: { kind: "level" }, absent: "list", list: true };
}

export function word(number: number, of: EnumWords): FieldShape {
  return { number, value: { kind: "enum", of }, absent: "zero", list: false };
}

export function message(number: number, of: MessageTable): FieldShape {
  return { number, value: { kind: "message", of }, absent: "nothing", list: false };
}

/** A list of what `shape` is one of. */
export function list(shape: FieldShape): FieldShape {
  return { ...shape, absent: "list", list: true };
}

/** A field that may be missing; of a list, one that is missing where it is empty. */
export function optional(shape: FieldShape): FieldShape {
  return { ...shape, absent: "nothing", optional: true };
}

/** A field that may be null. */
export function nullable(shape: FieldShape): FieldShape {
  return { ...shape, absent: "null" };
}

export function enumOf(numbers: Readonly<Record<string, number>>): EnumWords {
  const words: (string | undefined)[] = [];
  for (const [name, number] of Object.entries(numbers)) words[number] = name;
  return { numbers, words };
}

/** A message with the named fields. */
export function table(
  shapes: Readonly<Record<string, FieldShape>>,
  { strict = false } = {},
): MessageTable {
  const fields = Object.entries(shapes).map(([name, shape]): Field => ({ ...shape, name }));
  const entries: (Entry | undefined)[] = [];
  for (const [place, field] of fields.entries()) {
    const { number } = field;
    const numbers = field.value.kind === "marketId" ? [number, number + 1] : [number];
    for (const one of numbers)
      entries[one] = { field, place, high: one > number, once: field.list ? 0 : bit(one) };
  }
  return { fields, entries, union: undefined, beside: [], strict };
}

/** A channel: one message of several, by type. */
export function channelUnion(
  types: Readonly<Record<string, FieldShape>>,
  shapes: Readonly<Record<string, FieldShape>>,
): MessageTable {
  const { fields, entries } = oneOf(types, bit(1));
  const beside = table(shapes);
  const all = [...entries];
  for (const [number, entry] of beside.entries.entries())
    if (entry !== undefined) all[number] = entry;
  return { fields, entries: all, union: "params", beside: beside.fields, strict: false };
}

/** An envelope: an id and one message of several, by type. */
export function envelope(types: Readonly<Record<string, FieldShape>>): MessageTable {
  const { fields, entries } = oneOf(types, bit(ID_TEXT + 1));
  const known = [...entries];
  for (const [number, kind] of [
    [ID_NUMBER, "sint64"],
    [ID_TEXT, "string"],
  ] as const) {
    const field: Field = { number, name: "id", value: { kind }, absent: "nothing", list: false };
    known[number] = { field, place: -1, high: false, once: bit(ID_NUMBER) };
  }
  return { fields, entries: known, union: "data", beside: [], strict: false };
}

export const ID_NUMBER = 1;
export const ID_TEXT = 2;

function oneOf(types: Readonly<Record<string, FieldShape>>, once: number): MessageTable {
  const fields = Object.entries(types).map(([name, shape]): Field => ({ ...shape, name }));
  const entries: (Entry | undefined)[] = [];
  for (const [place, field] of fields.entries())
    entries[field.number] = { field, place, high: false, once };
  return { fields, entries, union: undefined, beside: [], strict: false };
}

/** A message's numbers stay below 32. */
function bit(number: number): number {
  return 1 << number;
}
