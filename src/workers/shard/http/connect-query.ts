import { CodedError } from "../../../shared/coded-error.js";
import { lookAlike } from "../../../shared/look-alike.js";

/** What the query of an upgrade request may ask for. */
export interface ConnectQuery {
  readonly token: string | undefined;
  /** The order session to resume. */
  readonly session: string | undefined;
  /**
   * How long after the connection's end the orders placed on it are cancelled, in ms; undefined: they are
   * not.
   */
  readonly cancelAfterMs: number | undefined;
  /** Frames may hold several messages. */
  readonly batch: boolean;
}

/** A parameter that the server knows, with a value that it does not understand. */
export class QueryError extends CodedError<"QUERY_INVALID"> {
  constructor(message: string, options?: ErrorOptions) {
    super("QUERY_INVALID", message, options);
  }
}

const TOKEN = "token";
const CANCEL = "cancel_on_disconnect";
const BATCH = "batch";
const SESSION = "session";
const PARAMETERS = [TOKEN, SESSION, CANCEL, BATCH] as const;
type Parameter = (typeof PARAMETERS)[number];

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["", true],
  ["1", true],
  ["true", true],
  ["True", true],
  ["0", false],
  ["false", false],
  ["False", false],
]);

/** What `cancel_on_disconnect` may be as a number, in ms. */
const WAIT_MS_MIN = 1000;
const WAIT_MS_MAX = 300_000;

/** What is shown of a value, at most. */
const SHOWN_LENGTH_MAX = 40;

/**
 * Reads the query of an upgrade request. Unknown parameters are ignored. Throws QueryError where a
 * known one is not understood: a switch that is silently off is worse than no connection.
 */
export function parseConnectQuery(query: string): ConnectQuery {
  const values = new Map<Parameter, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = knownAs(name);
    if (parameter !== undefined) values.set(parameter, [...(values.get(parameter) ?? []), value]);
  }
  return {
    token: secretOf(TOKEN, values),
    session: secretOf(SESSION, values),
    cancelAfterMs: cancelAfterMsOf(values),
    batch: booleanOf(BATCH, values),
  };
}

/** Which parameter a name is; undefined for none. Slips in it are errors, as of values. */
function knownAs(name: string): Parameter | undefined {
  const known = PARAMETERS.find((parameter) => parameter === name);
  if (known !== undefined) return known;
  const spelled = name.toLowerCase().replace(/[^a-z]/g, "");
  const short = [TOKEN, SESSION, BATCH].find((one) => one === spelled);
  const meant = short ?? lookAlike(spelled, [CANCEL]);
  if (meant !== undefined)
    throw new QueryError(`the query parameter ${shown(name)} is spelled ${meant}`);
  return undefined;
}

/** A value that is never shown. */
function secretOf(
  parameter: Parameter,
  values: ReadonlyMap<Parameter, string[]>,
): string | undefined {
  const [value, ...others] = values.get(parameter) ?? [];
  if (others.some((other) => other !== value))
    throw new QueryError(`the query parameter ${parameter} is given twice, with different values`);
  return value;
}

const BOOLEAN_FORMS = "true or false, True or False, 1 or 0, no value for true";

function booleanOf(parameter: Parameter, values: ReadonlyMap<Parameter, string[]>): boolean {
  return understood(parameter, values, BOOLEAN_FORMS, (value) => BOOLEANS.get(value)) ?? false;
}

function cancelAfterMsOf(values: ReadonlyMap<Parameter, string[]>): number | undefined {
  const forms = `${BOOLEAN_FORMS}, and from ${WAIT_MS_MIN} to ${WAIT_MS_MAX} ms`;
  const meant = understood(CANCEL, values, forms, (value): number | false | undefined => {
    const switched = BOOLEANS.get(value);
    if (switched !== undefined) return switched && 0;
    const waitMs = /^[1-9][0-9]*$/.test(value) ? Number(value) : 0;
    return waitMs >= WAIT_MS_MIN && waitMs <= WAIT_MS_MAX ? waitMs : undefined;
  });
  return meant === false ? undefined : meant;
}

/**
 * What a parameter that is given means; undefined where it is not. Throws QueryError for a value that is
 * not understood, and for two that mean different things.
 * @param forms the values it takes, for people
 * @param read undefined for a value that it does not take
 */
function understood<T>(
  parameter: Parameter,
  values: ReadonlyMap<Parameter, string[]>,
  forms: string,
  read: (value: string) => T | undefined,
): T | undefined {
  const given = values.get(parameter) ?? [];
  const meant = given.map((value) => {
    const one = read(value);
    if (one !== undefined) return one;
    throw new QueryError(`the query parameter ${parameter} is ${shown(value)}: it takes ${forms}`);
  });
  if (new Set(meant).size > 1) {
    throw new QueryError(
      `the query parameter ${parameter} is given twice, as ${given.map(shown).join(" and as ")}`,
    );
  }
  return meant[0];
}

function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return JSON.stringify(cut);
}
