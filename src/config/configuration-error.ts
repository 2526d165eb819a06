import { CodedError } from "../shared/coded-error.js";

/** Thrown for a configuration that cannot be used; each problem is one line and says what to do. */
export class ConfigurationError extends CodedError<"CONFIGURATION_INVALID"> {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super("CONFIGURATION_INVALID", problems.join("\n"), options);
    this.problems = problems;
  }
}
