import { LongNumber } from "../shared/exact-number.js";
import { type ConfigurationDetail, ConfigurationError, problem } from "./configuration-error.js";
import { CONFIG_RULES } from "./cross-key-rules.js";
import { isInexactNumber } from "./field.js";
import { type ConfigInput, type Findings, type GivenValues, gatherValues } from "./given-values.js";
import { infoOf, KEY_INFOS, type KeyInfo } from "./keys.js";
import type { Remark } from "./remark.js";
import { type Config, type ConfigKey, configSchema } from "./schema.js";
import { secretWeakness } from "./secret-strength.js";

const SHOWN_LENGTH_MAX = 100;

/** A configuration together with where each value comes from. */
export interface LoadedConfig {
  readonly config: Config;
  /** Such as `flag --port`, `environment variable MARKETCAST_PORT`, `file a.json`, `default`. */
  readonly sources: ReadonlyMap<ConfigKey, string>;
  /** NODE_ENV says so: what is only remarked elsewhere is refused. */
  readonly production: boolean;
  readonly remarks: readonly Remark[];
}

/** A value for a message or a table, on one line; a secret is masked. */
export function showValue(info: KeyInfo, value: unknown): string {
  if (info.secret) return "[hidden]";
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > SHOWN_LENGTH_MAX ? `${shown.slice(0, SHOWN_LENGTH_MAX)}…` : shown;
}

function valueProblem(key: ConfigKey, given: GivenValues): ConfigurationDetail {
  const info = infoOf(key);
  const { flag, allowed, secret } = info;
  const { value, source } = given.get(key) ?? { value: undefined, source: "default" };
  const wrong =
    info.range !== undefined && isInexactNumber(value)
      ? "has more digits than can be kept exactly; it must be"
      : "is not";
  const line = `${flag}: ${showValue(info, value)} (${source}) ${wrong} ${allowed}`;
  const kept = value instanceof LongNumber ? value.text : value;
  return problem(flag, allowed, { source, line, ...(secret ? {} : { value: kept }) });
}

/** What is a convenience on a developer's machine and a hole in production. */
function productionProblems(config: Config, given: GivenValues): ConfigurationDetail[] {
  const problems: ConfigurationDetail[] = [];
  if (!given.has("allowedOrigins")) {
    problems.push(
      problem("allowed-origins", "must be set when NODE_ENV is production, be it to *"),
    );
  }
  if (config.jwtSecret === undefined && config.jwtPublicKeyFile === undefined) {
    problems.push(
      problem("jwt-secret", "it or jwt-public-key-file must be set when NODE_ENV is production"),
    );
  }
  return problems;
}

/** Secrets that are given by value and can be guessed; those of files are looked at with them. */
function weakSecrets(config: Config, given: GivenValues): ConfigurationDetail[] {
  return (["jwtSecret", "opsToken"] as const).flatMap((key) => {
    const weakness = config[key] === undefined ? undefined : secretWeakness(config[key]);
    const { source = "default" } = given.get(key) ?? {};
    return weakness === undefined
      ? []
      : [problem(infoOf(key).flag, `the secret (${source}) ${weakness}`, { source })];
  });
}

/** The one safety switch of the environment that is not ours: a slip must not turn it off. */
function isProduction(input: ConfigInput): boolean {
  const mode = input.env?.["NODE_ENV"]?.trim().toLowerCase() ?? "";
  return mode === "production" || mode === "prod";
}

/**
 * Loads the configuration: flags or options before environment before the JSON file named by
 * `config` before defaults. Throws {@link ConfigurationError} with every problem found; each line names
 * the key, the value (unless it is a secret), where it came from and what is allowed. What is a
 * problem in production only is a remark elsewhere.
 */
export function loadConfigWithSources(input: ConfigInput): LoadedConfig {
  const findings: Findings = { problems: [], remarks: [], slips: [], guards: [] };
  const { problems, remarks, slips } = findings;
  const given = gatherValues(input, findings);
  const parsed = configSchema.safeParse(
    Object.fromEntries([...given].map(([key, { value }]) => [key, value])),
  );
  if (!parsed.success) {
    const wrongKeys = new Set(parsed.error.issues.flatMap((issue) => issue.path.slice(0, 1)));
    for (const key of wrongKeys) problems.push(valueProblem(key as ConfigKey, given));
    throw new ConfigurationError([...problems, ...slips]);
  }
  // Rules between keys are of interest where each value by itself is right.
  const broken = CONFIG_RULES.flatMap((rule) => rule(parsed.data) ?? []);
  if (broken.length > 0) throw new ConfigurationError([...problems, ...broken, ...slips]);

  // A key that is not set is absent, which reads the same as undefined.
  const config = parsed.data as Config;
  const production = isProduction(input);
  const weak = weakSecrets(config, given);
  if (production) problems.push(...productionProblems(config, given), ...weak, ...findings.guards);
  if (problems.length > 0) throw new ConfigurationError([...new Set([...problems, ...slips])]);
  for (const { line } of weak) remarks.push({ level: "warn", message: line });
  const sources = KEY_INFOS.map(({ key }) => [key, given.get(key)?.source ?? "default"] as const);
  return { config: Object.freeze(config), sources: new Map(sources), production, remarks };
}
