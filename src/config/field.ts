import { z } from "zod";
import { exactNumber, LongNumber } from "../shared/exact-number.js";
import { textSchema } from "../shared/text-schema.js";

/** What flags, environment names, error messages, `--help` and the README's table are made of. */
export interface FieldInfo {
  /** Name of the flag without its dashes; every other spelling follows from it. */
  readonly flag: string;
  readonly description: string;
  /** What a value must be, unit included: `an integer from 10 to 600000 ms`. */
  readonly allowed: string;
  /** The default as shown to the reader; undefined where the key is not set by default. */
  readonly defaultText: string | undefined;
  /** Stands for the value in `--help`; undefined for a switch, which needs none. */
  readonly placeholder: string | undefined;
  /** Inclusive bounds of a number. */
  readonly range?: { readonly min: number; readonly max: number };
  /** A secret value is never shown. */
  readonly secret: boolean;
}

/** The {@link FieldInfo} of each field's schema. */
export const fieldInfo = z.registry<FieldInfo>();

interface Naming {
  readonly flag: string;
  readonly description: string;
}

interface NumberOptions extends Naming {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

interface TextOptions extends Naming {
  readonly placeholder: string;
}

const DECIMAL = /^-?[0-9]+(\.[0-9]+)?$/;
const TEXT_LENGTH_MAX = 4096;
const LIST_LENGTH_MAX = 1000;

/**
 * Flags and the environment give text where a file gives numbers. What no number stands for exactly
 * stays as it is, and is refused.
 */
function numberFromText(value: unknown): unknown {
  const text = value instanceof LongNumber ? value.text : value;
  return typeof text === "string" && DECIMAL.test(text) ? (exactNumber(text) ?? value) : value;
}

/** Whether `value` is a number that {@link numberFromText} had to leave as it is. */
export function isInexactNumber(value: unknown): boolean {
  const text = value instanceof LongNumber ? value.text : value;
  return typeof text === "string" && DECIMAL.test(text) && exactNumber(text) === undefined;
}

function booleanFromText(value: unknown): unknown {
  if (value === "true" || value === "1") return true;
  return value === "false" || value === "0" ? false : value;
}

function listFromText(value: unknown): unknown {
  return typeof value === "string" ? value.split(",").map((item) => item.trim()) : value;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function numberInfo(
  options: NumberOptions,
  noun: string,
  placeholder: string,
  unit: string,
): FieldInfo {
  return {
    flag: options.flag,
    description: options.description,
    allowed: `${noun} from ${options.min} to ${options.max}${unit}`,
    defaultText: String(options.default),
    placeholder,
    range: { min: options.min, max: options.max },
    secret: false,
  };
}

function integerSchema({ min, max }: { readonly min: number; readonly max: number }) {
  return z.preprocess(numberFromText, z.int().min(min).max(max));
}

/** A count or another integer without a unit. */
export function integer(options: NumberOptions) {
  return integerSchema(options)
    .default(options.default)
    .register(fieldInfo, numberInfo(options, "an integer", "N", ""));
}

/** An integer whose default depends on the machine; `defaultText` says how. */
export function derivedInteger(
  options: Omit<NumberOptions, "default"> & { default: () => number; defaultText: string },
) {
  return integerSchema(options)
    .default(options.default)
    .register(fieldInfo, {
      ...numberInfo({ ...options, default: options.min }, "an integer", "N", ""),
      defaultText: options.defaultText,
    });
}

/** A number that may have a fraction. */
export function decimal(options: NumberOptions) {
  return z
    .preprocess(numberFromText, z.number().min(options.min).max(options.max))
    .default(options.default)
    .register(fieldInfo, numberInfo(options, "a number", "X", ""));
}

/** A duration in integer milliseconds. */
export function milliseconds(options: NumberOptions) {
  return integerSchema(options)
    .default(options.default)
    .register(fieldInfo, numberInfo(options, "an integer", "MS", " ms"));
}

/** A size in bytes. */
export function bytes(options: NumberOptions) {
  return integerSchema(options)
    .default(options.default)
    .register(fieldInfo, numberInfo(options, "an integer", "BYTES", " bytes"));
}

/** A size in bytes that is a power of two. */
export function powerOfTwoBytes(options: NumberOptions) {
  return integerSchema(options)
    .refine(isPowerOfTwo)
    .default(options.default)
    .register(fieldInfo, numberInfo(options, "a power of two", "BYTES", " bytes"));
}

/** A size in bytes that is a power of two, and not set by default. */
export function optionalPowerOfTwoBytes(options: Omit<NumberOptions, "default">) {
  const info = numberInfo(
    { ...options, default: options.min },
    "a power of two",
    "BYTES",
    " bytes",
  );
  return integerSchema(options)
    .refine(isPowerOfTwo)
    .optional()
    .register(fieldInfo, { ...info, defaultText: undefined });
}

function lineSchema() {
  return textSchema("line", { min: 1, max: TEXT_LENGTH_MAX });
}

function textInfo(
  options: TextOptions,
  defaultText: string | undefined,
  secret: boolean,
): FieldInfo {
  return {
    flag: options.flag,
    description: options.description,
    allowed: secret
      ? `well-formed text of 1 to ${TEXT_LENGTH_MAX} characters`
      : `printable text of 1 to ${TEXT_LENGTH_MAX} characters`,
    defaultText,
    placeholder: options.placeholder,
    secret,
  };
}

/** A text with a default. */
export function text(options: TextOptions & { default: string }) {
  return lineSchema()
    .default(options.default)
    .register(fieldInfo, textInfo(options, options.default, false));
}

/** A text that is not set by default. */
export function optionalText(options: TextOptions) {
  return lineSchema()
    .optional()
    .register(fieldInfo, textInfo(options, undefined, false));
}

/** A text that is not set by default and never shown. */
export function secretText(options: TextOptions) {
  return textSchema("well-formed", { min: 1, max: TEXT_LENGTH_MAX })
    .optional()
    .register(fieldInfo, textInfo(options, undefined, true));
}

/** One of a few words. */
export function choice<const Values extends readonly [string, ...string[]]>(
  options: Naming & { values: Values; default: Values[number] },
) {
  return z
    .enum(options.values)
    .default(options.default)
    .register(fieldInfo, {
      flag: options.flag,
      description: options.description,
      allowed: `one of ${options.values.join(", ")}`,
      defaultText: options.default,
      placeholder: "WORD",
      secret: false,
    });
}

/** A switch: `--flag`, `--flag=false` or `--no-flag`. */
export function boolean(options: Naming & { default: boolean }) {
  return z
    .preprocess(booleanFromText, z.boolean())
    .default(options.default)
    .register(fieldInfo, {
      flag: options.flag,
      description: options.description,
      allowed: "true or false",
      defaultText: String(options.default),
      placeholder: undefined,
      secret: false,
    });
}

interface ListOptions<Item extends z.ZodType<string>> extends TextOptions {
  readonly item: Item;
  /** What each item must be. */
  readonly allowedItems: string;
}

function listSchema<Item extends z.ZodType<string>>(item: Item) {
  return z.preprocess(listFromText, z.array(item).min(1).max(LIST_LENGTH_MAX).readonly());
}

function listInfo<Item extends z.ZodType<string>>(options: ListOptions<Item>): FieldInfo {
  return {
    flag: options.flag,
    description: options.description,
    allowed: `a comma-separated list of ${options.allowedItems}`,
    defaultText: undefined,
    placeholder: options.placeholder,
    secret: false,
  };
}

/** A list with a default: separated by commas in a text, or an array in a file. */
export function list<Item extends z.ZodType<string>>(
  options: ListOptions<Item> & { default: readonly z.output<Item>[] },
) {
  return listSchema(options.item)
    .default(options.default)
    .register(fieldInfo, { ...listInfo(options), defaultText: options.default.join(",") });
}

/** A list that is not set by default. */
export function optionalList<Item extends z.ZodType<string>>(options: ListOptions<Item>) {
  return listSchema(options.item).optional().register(fieldInfo, listInfo(options));
}
