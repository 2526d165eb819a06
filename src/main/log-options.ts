import type { Config } from "../config/schema.js";
import type { LogOptions } from "../shared/log.js";
import { openLogDescriptor } from "../shared/log-output.js";

/** Where all threads write what they log, and how. */
export function logOptionsOf(config: Config): LogOptions {
  return {
    level: config.logLevel,
    format: logFormatOf(config),
    descriptor: openLogDescriptor(),
  };
}

function logFormatOf(config: Config): LogOptions["format"] {
  if (config.logFormat !== "auto") return config.logFormat;
  return process.stdout.isTTY ? "pretty" : "json";
}
