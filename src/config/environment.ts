import { lookAlike } from "../shared/look-alike.js";
import { type ConfigurationDetail, problem } from "./configuration-error.js";
import { KEY_INFOS, type KeyInfo, VARIABLE_PREFIX } from "./keys.js";
import type { Remark } from "./remark.js";
import type { ConfigKey } from "./schema.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says to the server. */
interface EnvironmentValues {
  readonly values: readonly { readonly info: KeyInfo; readonly value: string }[];
  /** What is not taken, and why it is in vain. */
  readonly remarks: readonly Remark[];
  /** Those of the remarks that are about what looks like a slip. */
  readonly slips: readonly ConfigurationDetail[];
  /** Those of the slips that are about a key which decides who is let in. */
  readonly guards: readonly ConfigurationDetail[];
}

/** What the commands that are clients read, without the prefix. */
const CLIENT_NAMES = ["TOKEN"];
/** Keys that decide who is let in: in production, one that is misspelled must not be silently off. */
const GUARDS: readonly ConfigKey[] = [
  "allowedOrigins",
  "jwtSecret",
  "jwtPublicKeyFile",
  "jwtAlgorithms",
  "jwtIssuer",
  "jwtAudience",
  "opsToken",
  "opsTokenFile",
];
const LIST_LENGTH_MAX = 20;

/**
 * What Kubernetes sets in every container for each Service of the namespace, and Docker for links:
 * for a Service `marketcast` or `marketcast-ops`, names that begin like ours.
 */
const SERVICE_LINK =
  /^MARKETCAST(?:_[A-Z0-9_]+)?_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const LINK_ADDRESS = /^(?:tcp|udp|sctp):\/\/(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+):[0-9]{1,5}$/i;

function isServiceLink(variable: string, value: string): boolean {
  if (SERVICE_LINK.test(variable)) return true;
  return variable.endsWith("_PORT") && LINK_ADDRESS.test(value) && URL.canParse(value);
}

const byName = new Map(
  KEY_INFOS.map((info) => [info.variable.slice(VARIABLE_PREFIX.length), info]),
);
const KNOWN_NAMES = [...byName.keys(), ...CLIENT_NAMES];

function listed(variables: readonly string[]): string {
  const shown = variables.slice(0, LIST_LENGTH_MAX).join(", ");
  const more = variables.length - LIST_LENGTH_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function remarksOf(links: readonly string[], others: readonly string[]): Remark[] {
  const remarks: Remark[] = [];
  if (links.length > 0) {
    const message = `left alone, as Kubernetes sets them for a Service of that name: ${listed(links)}`;
    remarks.push({ level: "info", message });
  }
  if (others.length > 0) {
    const message = `left alone, as no configuration key has such a variable: ${listed(others)}`;
    remarks.push({ level: "info", message });
  }
  return remarks;
}

/**
 * Takes the variables of configuration keys and no others: who runs a Service of our name, or keeps
 * variables of their own beside ours, is not to be kept from starting. What looks like a slip is
 * named, and never its value, which may be a secret.
 */
export function readEnvironment(env: Environment): EnvironmentValues {
  const values: { info: KeyInfo; value: string }[] = [];
  const slips: ConfigurationDetail[] = [];
  const guards: ConfigurationDetail[] = [];
  const links: string[] = [];
  const others: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.toUpperCase().startsWith(VARIABLE_PREFIX)) continue;
    const name = variable.startsWith(VARIABLE_PREFIX) ? variable.slice(VARIABLE_PREFIX.length) : "";
    if (CLIENT_NAMES.includes(name)) continue;
    const info = byName.get(name);
    if (isServiceLink(variable, value)) links.push(variable);
    else if (info !== undefined) values.push({ info, value });
    else {
      const meant = lookAlike(variable.slice(VARIABLE_PREFIX.length), KNOWN_NAMES);
      if (meant === undefined) {
        others.push(variable);
        continue;
      }
      const rule = `there is no such environment variable; did you mean ${VARIABLE_PREFIX}${meant}?`;
      const slip = problem(variable, rule, { source: `environment variable ${variable}` });
      slips.push(slip);
      if (GUARDS.some((key) => key === byName.get(meant)?.key)) guards.push(slip);
    }
  }
  const told = slips.map(({ line }): Remark => ({ level: "warn", message: line }));
  return { values, remarks: [...told, ...remarksOf(links, others)], slips, guards };
}
