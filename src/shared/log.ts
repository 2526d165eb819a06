import { destination, type Logger, pino, stdTimeFunctions } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

/** How a thread logs; the same for all threads of a server. */
export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
}

/** Fields that can hold a token or secret; a URL has the token in its query. */
const CENSORED = ["token", "authorization", "jwtSecret", "url"] as const;

/**
 * A logger that writes whole lines to standard output, at once: threads share the descriptor and
 * lines of a dying thread must not be lost. Fields that could hold a token are censored, up to two
 * objects deep.
 */
export function createLogger(options: LogOptions, bindings: Record<string, unknown>): Logger {
  const stream =
    options.format === "pretty"
      ? pretty({ sync: true, destination: 1, ignore: "pid,hostname" })
      : destination({ fd: 1, sync: true });
  return pino(
    {
      level: options.level,
      base: bindings,
      timestamp: stdTimeFunctions.isoTime,
      redact: CENSORED.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
    },
    stream,
  );
}
