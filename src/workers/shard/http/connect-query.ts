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
}

/** A parameter that the server knows, with a value that it does not understand. */
export class QueryError extends CodedError<"QUERY_INVALID"> {
  constructor(message: string, options?: ErrorOptions) {
    super("QUERY_INVALID", message, options);
  }
}

const TOKEN = "token";
const SWITCH = "cancel_on_disconnect";
const SESSION = "session";
const PARAMETERS = [TOKEN, SESSION, SWITCH] as const;
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
  };
}

/** Which parameter a name is; undefined for none. Slips in it are errors, as of values. */
function knownAs(name: string): Parameter | undefined {
  const known = PARAMETERS.find((parameter) => parameter === name);
  if (known !== undefined) return known;
  const spelled = name.toLowerCase().replace(/[^a-z]/g, "");
  const meant = spelled === TOKEN || spelled === SESSION ? spelled : lookAlike(spelled, [SWITCH]);
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

function cancelAfterMsOf(values: ReadonlyMap<Parameter, string[]>): number | undefined {
  const given = values.get(SWITCH) ?? [];
  const meant = given.map((value) => {
    const switched = BOOLEANS.get(value);
    if (switched !== undefined) return switched ? 0 : undefined;
    const waitMs = /^[1-9][0-9]*$/.test(value) ? Number(value) : 0;
    if (waitMs >= WAIT_MS_MIN && waitMs <= WAIT_MS_MAX) return waitMs;
    throw new QueryError(
      `the query parameter ${SWITCH} is ${shown(value)}: it takes true or false, True or False, ` +
        `1 or 0, no value for true, and from ${WAIT_MS_MIN} to ${WAIT_MS_MAX} ms`,
    );
  });
  if (new Set(meant).size > 1) {
    throw new QueryError(
      `the query parameter ${SWITCH} is given twice, as ${given.map(shown).join(" and as ")}`,
    );
  }
  return meant[0];
}

function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return JSON.stringify(cut);
}
