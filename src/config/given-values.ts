import { parseUniqueJson } from "../shared/exact-json.js";
import { showPosition, TextFault } from "../shared/text-fault.js";
import { readTextFile } from "../shared/text-file.js";
import { withoutMark } from "../shared/utf8.js";
import { ConfigurationError } from "./configuration-error.js";
import { findKey, VARIABLE_PREFIX } from "./keys.js";
import type { ConfigKey } from "./schema.js";

/** Where values come from; all of it is outside input. */
export interface ConfigInput {
  /** Values of flags by their names, without dashes, in any spelling. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Reads the text of the configuration file, by default from the disk; throws where it can't. */
  readonly readFile?: (path: string) => string;
}

/** A value as it was given, not yet checked. */
export interface GivenValue {
  readonly value: unknown;
  /** Such as `flag --port`. */
  readonly source: string;
}

export type GivenValues = ReadonlyMap<ConfigKey, GivenValue>;

type Collected = Map<ConfigKey, GivenValue>;

function fromFlags(flags: Readonly<Record<string, unknown>>, problems: string[]): Collected {
  const given: Collected = new Map();
  for (const [name, value] of Object.entries(flags)) {
    const info = findKey(name);
    if (info === undefined) problems.push(`${name}: there is no such flag`);
    else if (value !== undefined) given.set(info.key, { value, source: `flag --${info.flag}` });
  }
  return given;
}

function fromEnvironment(env: NonNullable<ConfigInput["env"]>, problems: string[]): Collected {
  const given: Collected = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || value === undefined) continue;
    const info = findKey(variable.slice(VARIABLE_PREFIX.length));
    if (info?.variable === variable) {
      given.set(info.key, { value, source: `environment variable ${variable}` });
    } else {
      problems.push(`${variable}: there is no such environment variable`);
    }
  }
  return given;
}

function parseFile(path: string, readFile: (path: string) => string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parseUniqueJson(withoutMark(readFile(path)));
  } catch (error) {
    if (error instanceof TextFault) {
      const problem = `is not valid JSON at ${showPosition(error.position)}: ${error.message}`;
      throw new ConfigurationError([`config: the file ${path} ${problem}`]);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`config: the file ${path} cannot be read: ${reason}`]);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new ConfigurationError([`config: the file ${path} must hold one JSON object`]);
  }
  return { ...content };
}

function fromFile(content: Record<string, unknown>, path: string, problems: string[]): Collected {
  const given: Collected = new Map();
  const source = `file ${path}`;
  for (const [name, value] of Object.entries(content)) {
    const info = findKey(name);
    if (info === undefined) {
      problems.push(`${name}: there is no such configuration key (${source})`);
      continue;
    }
    // Null is as good as no key.
    if (value === null) continue;
    if (info.key === "config") {
      problems.push(`config: not allowed in a configuration file (${source})`);
    } else if (given.has(info.key)) {
      problems.push(`${info.flag}: given twice, in two spellings (${source})`);
    } else {
      given.set(info.key, { value, source });
    }
  }
  return given;
}

/**
 * Gathers the values of all sources, flags before the environment before the file, and names in
 * `problems` what is not a key. Throws ConfigurationError where the file cannot be read.
 */
export function gatherValues(input: ConfigInput, problems: string[]): GivenValues {
  const flags = fromFlags(input.flags ?? {}, problems);
  const environment = fromEnvironment(input.env ?? {}, problems);
  const path = (flags.get("config") ?? environment.get("config"))?.value;
  if (typeof path !== "string" || path === "") return new Map([...environment, ...flags]);
  const file = fromFile(parseFile(path, input.readFile ?? readTextFile), path, problems);
  return new Map([...file, ...environment, ...flags]);
}
