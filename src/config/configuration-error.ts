import { CodedError } from "../shared/coded-error.js";

/** One thing that is wrong with a configuration, as a program reads it. */
export interface ConfigurationDetail {
  /** The key as its flag is spelled; where there is no such key, the name as it was given. */
  readonly key: string;
  /** As it was given; undefined for a secret, and where what is wrong is not the value by itself. */
  readonly value?: unknown;
  /** What the key must be, or what stands in its way. */
  readonly rule: string;
  /** Where the value comes from, such as `option port` or `file a.json`; undefined where it is not known. */
  readonly source?: string;
  /** All of it in one line, for a reader. */
  readonly line: string;
}

/** A {@link ConfigurationDetail}, whose line is the key and the rule where none is given. */
export function problem(
  key: string,
  rule: string,
  more: Partial<Pick<ConfigurationDetail, "value" | "source" | "line">> = {},
): ConfigurationDetail {
  return { key, rule, line: `${key}: ${rule}`, ...more };
}

/** Thrown for a configuration that cannot be used; its message is the lines of all its details. */
export class ConfigurationError extends CodedError<"CONFIGURATION_INVALID"> {
  readonly details: readonly ConfigurationDetail[];

  constructor(details: readonly ConfigurationDetail[], options?: ErrorOptions) {
    super("CONFIGURATION_INVALID", details.map(({ line }) => line).join("\n"), options);
    this.details = details;
  }
}
