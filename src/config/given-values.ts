import { parseUniqueJson } from "../shared/exact-json.js";
import { showPosition, TextFault } from "../shared/text-fault.js";
import { readTextFile } from "../shared/text-file.js";
import { withoutMark } from "../shared/utf8.js";
import { type ConfigurationDetail, ConfigurationError, problem } from "./configuration-error.js";
import { type Environment, readEnvironment } from "./environment.js";
import { findKey, KEY_INFOS, type KeyInfo } from "./keys.js";
import type { Remark } from "./remark.js";
import type { ConfigKey } from "./schema.js";

/** Where values come from; all of it is outside input. */
export interface ConfigInput {
  /** Values of flags by their names, without dashes, in any spelling. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** In place of flags, from a program: keys in any spelling, those of the configuration included. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly env?: Environment;
  /** Reads the text of the configuration file, by default from the disk; throws where it can't. */
  readonly readFile?: (path: string) => string;
}

/** A value as it was given, not yet checked. */
interface GivenValue {
  readonly value: unknown;
  /** Such as `flag --port`. */
  readonly source: string;
}

export type GivenValues = ReadonlyMap<ConfigKey, GivenValue>;

type Collected = Map<ConfigKey, GivenValue>;

/** What is wrong with what was given, and what is only worth a remark. */
export interface Findings {
  readonly problems: ConfigurationDetail[];
  readonly remarks: Remark[];
  /** Those of the remarks that may be why something else is missing. */
  readonly slips: ConfigurationDetail[];
  /** Remarks that are problems in production. */
  readonly guards: ConfigurationDetail[];
}

function fromFlags(flags: Readonly<Record<string, unknown>>, { problems }: Findings): Collected {
  const given: Collected = new Map();
  for (const [name, value] of Object.entries(flags)) {
    const info = findKey(name);
    if (info === undefined) problems.push(problem(name, "there is no such flag"));
    else if (value !== undefined) given.set(info.key, { value, source: `flag --${info.flag}` });
  }
  return given;
}

/** A program may also hand on a whole configuration, whose keys name their units. */
function findOption(name: string): KeyInfo | undefined {
  return findKey(name) ?? KEY_INFOS.find(({ key }) => key === name);
}

function fromOptions(
  options: Readonly<Record<string, unknown>>,
  { problems }: Findings,
): Collected {
  const given: Collected = new Map();
  for (const [name, value] of Object.entries(options)) {
    const info = findOption(name);
    const source = `option ${name}`;
    if (info === undefined) problems.push(problem(name, "there is no such option", { source }));
    else if (value === undefined) continue;
    else if (given.has(info.key))
      problems.push(problem(info.flag, "given twice, in two spellings", { source }));
    else given.set(info.key, { value, source });
  }
  return given;
}

function fromEnvironment(env: Environment, findings: Findings): Collected {
  const { values, remarks, slips, guards } = readEnvironment(env);
  findings.remarks.push(...remarks);
  findings.slips.push(...slips);
  findings.guards.push(...guards);
  return new Map(
    values.map(({ info, value }) => [
      info.key,
      { value, source: `environment variable ${info.variable}` },
    ]),
  );
}

function parseFile(path: string, readFile: (path: string) => string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parseUniqueJson(withoutMark(readFile(path)));
  } catch (error) {
    if (error instanceof TextFault) {
      const fault = `is not valid JSON at ${showPosition(error.position)}: ${error.message}`;
      throw new ConfigurationError([problem("config", `the file ${path} ${fault}`)]);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([problem("config", `the file ${path} cannot be read: ${reason}`)]);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new ConfigurationError([problem("config", `the file ${path} must hold one JSON object`)]);
  }
  return { ...content };
}

function fromFile(
  content: Record<string, unknown>,
  path: string,
  { problems }: Findings,
): Collected {
  const given: Collected = new Map();
  const source = `file ${path}`;
  const wrong = (key: string, rule: string): number =>
    problems.push(problem(key, rule, { source, line: `${key}: ${rule} (${source})` }));
  for (const [name, value] of Object.entries(content)) {
    const info = findKey(name);
    if (info === undefined) {
      wrong(name, "there is no such configuration key");
      continue;
    }
    // Null is as good as no key.
    if (value === null) continue;
    if (info.key === "config") {
      wrong("config", "not allowed in a configuration file");
    } else if (given.has(info.key)) {
      wrong(info.flag, "given twice, in two spellings");
    } else {
      given.set(info.key, { value, source });
    }
  }
  return given;
}

/**
 * Gathers the values of all sources, flags and options before the environment before the file, and
 * notes what is not a key. Throws ConfigurationError where the file cannot be read.
 */
export function gatherValues(input: ConfigInput, findings: Findings): GivenValues {
  const flags = fromFlags(input.flags ?? {}, findings);
  const options = fromOptions(input.options ?? {}, findings);
  const environment = fromEnvironment(input.env ?? {}, findings);
  const given = new Map([...environment, ...options, ...flags]);
  const path = given.get("config")?.value;
  if (typeof path !== "string" || path === "") return given;
  const file = fromFile(parseFile(path, input.readFile ?? readTextFile), path, findings);
  return new Map([...file, ...given]);
}
