import { destination, type Logger, pino, stdTimeFunctions } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

/** How a thread logs; the same for all threads of a server. */
export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
}

/**
 * A logger that writes whole lines to standard output, at once: threads share the descriptor and
 * lines of a dying thread must not be lost. Fields that could hold a token are censored.
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
      redact: ["token", "authorization", "*.token", "*.authorization", "*.jwtSecret", "url"],
    },
    stream,
  );
}
