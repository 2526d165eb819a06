import { MARKET_ID_FORM } from "../../../../contract/channels-schema.js";
import type { JsonSchema } from "../../../../contract/json-schema.js";
import { lookAlike } from "../../../../shared/look-alike.js";
import { type MarketId, parseMarketId } from "../../../../shared/market-id.js";
import { textFault } from "../../../../shared/text.js";
import { ApiError } from "./api-error.js";

/** A parameter of a request's path or query. */
export interface Parameter<Value> {
  readonly description: string;
  /** What it is, for those who read the server's description. */
  readonly schema: JsonSchema;
  /** What a text stands for; undefined where it is none. */
  readonly parse: (text: string) => Value | undefined;
  /** What a value has to be, behind "it takes". */
  readonly rule: string;
  /** A request has to give it. */
  readonly required?: boolean;
}

interface RequiredParameter<Value> extends Parameter<Value> {
  readonly required: true;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** What a request gave for parameters, by name; those are missing that it need not give and did not. */
export type Given<P extends Parameters> = {
  readonly [Name in keyof P as P[Name] extends RequiredParameter<unknown> ? never : Name]?: ValueOf<
    P[Name]
  >;
} & {
  readonly [Name in keyof P as P[Name] extends RequiredParameter<unknown> ? Name : never]: ValueOf<
    P[Name]
  >;
};

type ValueOf<P> = P extends Parameter<infer Value> ? Value : never;

/** What is shown of a value, at most. */
const SHOWN_LENGTH_MAX = 40;
const INTEGER = /^(0|[1-9][0-9]{0,15})$/;
const AMOUNT = /^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/;

export function integer(
  description: string,
  { min, max, default: absent }: { min: number; max: number; default?: number },
): Parameter<number> {
  return {
    description,
    schema: {
      type: "integer",
      minimum: min,
      maximum: max,
      ...(absent !== undefined && { default: absent }),
    },
    parse: (text) => {
      const value = INTEGER.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
    rule: `an integer from ${min} to ${max}`,
  };
}

/** One of some values, which are written as their texts. */
export function oneOf<Value extends string | number>(
  description: string,
  values: readonly Value[],
  absent?: Value,
): Parameter<Value> {
  return {
    description,
    schema: { enum: values, ...(absent !== undefined && { default: absent }) },
    parse: (text) => values.find((value) => `${value}` === text),
    rule: `one of ${values.join(", ")}`,
  };
}

export function required<Value>(parameter: Parameter<Value>): RequiredParameter<Value> {
  return { ...parameter, required: true };
}

/** Some of a few values, as a list between commas. */
export function someOf<Value extends string>(
  description: string,
  values: readonly Value[],
): Parameter<readonly Value[]> {
  const one = oneOf(description, values);
  return {
    description,
    schema: { type: "array", items: one.schema, minItems: 1 },
    parse: (text) => {
      const named = text.split(",").map(one.parse);
      return named.every((value) => value !== undefined) ? named : undefined;
    },
    rule: `a list of ${values.join(", ")}`,
  };
}

/** A number that is not negative, in a form of JSON. */
export function amount(description: string): Parameter<number> {
  return {
    description,
    schema: { type: "number", minimum: 0 },
    parse: (text) => {
      const value = AMOUNT.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(value) ? value : undefined;
    },
    rule: "a number that is not negative",
  };
}

/** A line of text; see text.ts. */
export function line(description: string, charactersMax: number): Parameter<string> {
  return {
    description,
    schema: { type: "string", maxLength: charactersMax },
    parse: (text) => {
      // What is no UTF-8 was replaced by this when the query was read.
      if (text.includes("\ufffd") || text.length > charactersMax) return undefined;
      return textFault("line", text) === undefined ? text : undefined;
    },
    rule: `a line of at most ${charactersMax} printable characters, in UTF-8`,
  };
}

export function marketId(description: string): Parameter<MarketId> {
  return {
    description,
    schema: MARKET_ID_FORM,
    parse: parseMarketId,
    rule: "an integer from 0 to 2^128-1",
  };
}

/**
 * Reads a query. Throws an ApiError that names parameter, value and rule where a known one is not
 * understood, is there twice, is misspelled, or is missing and required. Others are ignored.
 */
export function parseQuery<P extends Parameters>(query: string, parameters: P): Given<P> {
  const given: Record<string, unknown> = {};
  const names = Object.keys(parameters);
  for (const [name, text] of new URLSearchParams(query)) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) refuseSlip(name, names);
    else if (Object.hasOwn(given, name))
      throw invalid(name, `the parameter ${name} is given twice`);
    else given[name] = parseParameter(name, text, parameter);
  }
  for (const [name, { required: needed, rule }] of Object.entries(parameters)) {
    if (needed === true && !Object.hasOwn(given, name))
      throw invalid(name, `the parameter ${name} is missing: it takes ${rule}`);
  }
  return given as Given<P>;
}

/** Reads one parameter; throws an ApiError that names it, its value and the rule. */
export function parseParameter<Value>(
  name: string,
  text: string,
  { parse, rule }: Parameter<Value>,
): Value {
  const value = parse(text);
  if (value !== undefined) return value;
  throw invalid(name, `the parameter ${name} is ${shown(text)}: it takes ${rule}`);
}

function refuseSlip(name: string, known: readonly string[]): void {
  const meant = lookAlike(name, known);
  if (meant !== undefined) throw invalid(meant, `the parameter ${shown(name)} is spelled ${meant}`);
}

function invalid(field: string, message: string): ApiError {
  return new ApiError("INVALID_MESSAGE", message, { field });
}

function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return JSON.stringify(cut);
}
