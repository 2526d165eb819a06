import { readFileSync } from "node:fs";
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

/** The position that the parser complains about; never its message, which may quote a secret. */
function positionOf(error: unknown, json: string): string {
  const offset = /position ([0-9]+)/.exec(String(error))?.[1];
  if (offset === undefined) return "";
  const before = json.slice(0, Number(offset)).split("\n");
  return ` at line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}

function parseFile(path: string, readFile: (path: string) => string): Record<string, unknown> {
  let json: string;
  try {
    json = readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`config: the file ${path} cannot be read: ${reason}`]);
  }
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch (error) {
    const position = positionOf(error, json);
    throw new ConfigurationError([`config: the file ${path} is not valid JSON${position}`]);
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
    } else if (info.key === "config") {
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
  const file = fromFile(parseFile(path, input.readFile ?? readText), path, problems);
  return new Map([...file, ...environment, ...flags]);
}
