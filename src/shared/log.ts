import { type Logger, pino, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import { LogOutput, STANDARD_OUTPUT } from "./log-output.js";

export type { Logger } from "pino";

/** How a thread logs; the same for all threads of a server. */
export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
  /** What is written to, by all threads; standard output where it is not given. */
  readonly descriptor?: number;
}

/** Fields that can hold a token or secret; a URL has the token in its query. */
const CENSORED = ["token", "authorization", "jwtSecret", "relay", "url"] as const;

/**
 * A logger that writes whole lines to standard output, at once: threads share the descriptor and
 * lines of a dying thread must not be lost. What cannot be written is dropped, see {@link LogOutput}.
 * Fields that could hold a token are censored, up to two objects deep.
 *
 * @param dropped told how many lines were dropped just now
 */
export function createLogger(
  options: LogOptions,
  bindings: Record<string, unknown>,
  dropped: (lines: number) => void = () => {},
): Logger {
  const { level, format, descriptor = STANDARD_OUTPUT } = options;
  const output = new LogOutput(descriptor, dropped);
  const shown: (line: string) => string =
    format === "pretty" ? prettyFactory({ ignore: "pid,hostname" }) : (line) => line;
  return pino(
    {
      level,
      base: bindings,
      timestamp: stdTimeFunctions.isoTime,
      redact: CENSORED.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
    },
    { write: (line) => output.write(shown(line)) },
  );
}
