import { CodedError } from "../../../shared/coded-error.js";
import { lookAlike } from "../../../shared/look-alike.js";

/** What the query of an upgrade request may ask for. */
export interface ConnectQuery {
  readonly token: string | undefined;
  readonly cancelOnDisconnect: boolean;
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
const SWITCHES = [CANCEL, BATCH] as const;
const PARAMETERS = [TOKEN, ...SWITCHES] as const;
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
  const [token, ...others] = values.get(TOKEN) ?? [];
  if (others.some((other) => other !== token))
    throw new QueryError("the query parameter token is given twice, with different values");
  return {
    token,
    cancelOnDisconnect: booleanOf(CANCEL, values),
    batch: booleanOf(BATCH, values),
  };
}

/** Which parameter a name is; undefined for none. Slips in it are errors, as of values. */
function knownAs(name: string): Parameter | undefined {
  const known = PARAMETERS.find((parameter) => parameter === name);
  if (known !== undefined) return known;
  const spelled = name.toLowerCase().replace(/[^a-z]/g, "");
  const short = [TOKEN, BATCH].find((one) => one === spelled);
  const meant = short ?? lookAlike(spelled, [CANCEL]);
  if (meant !== undefined)
    throw new QueryError(`the query parameter ${shown(name)} is spelled ${meant}`);
  return undefined;
}

function booleanOf(parameter: Parameter, values: ReadonlyMap<Parameter, string[]>): boolean {
  const given = values.get(parameter) ?? [];
  const meant = given.map((value) => {
    const boolean = BOOLEANS.get(value);
    if (boolean !== undefined) return boolean;
    throw new QueryError(
      `the query parameter ${parameter} is ${shown(value)}: it takes true or false, True or False, ` +
        "1 or 0, and no value for true",
    );
  });
  if (new Set(meant).size > 1) {
    throw new QueryError(
      `the query parameter ${parameter} is given twice, as ${given.map(shown).join(" and as ")}`,
    );
  }
  return meant[0] ?? false;
}

function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return JSON.stringify(cut);
}
