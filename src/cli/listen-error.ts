import type { Config } from "../config/schema.js";
import { CodedError } from "../shared/coded-error.js";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use",
  EACCES: "may not be opened by this user",
  EADDRNOTAVAIL: "is not on an address of this machine",
  ENOTFOUND: "is not on an address that is known",
};

/** Thrown when the server cannot listen; the message names the flags to change. */
class ListenError extends CodedError<"LISTEN_FAILED"> {
  constructor(message: string, options?: ErrorOptions) {
    super("LISTEN_FAILED", message, options);
  }
}

/**
 * A {@link ListenError} for the failure of one of the server's two ports, told apart by what Node
 * puts into the error; any other error as it is.
 */
export function explainListenError(error: unknown, config: Config): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const reason = REASONS[String(error.code)];
  if (reason === undefined || !("port" in error || "hostname" in error)) return error;
  const ops =
    "port" in error
      ? error.port !== config.port
      : "hostname" in error && error.hostname !== config.host;
  const [host, port] = ops ? [config.opsHost, config.opsPort] : [config.host, config.port];
  const prefix = ops ? "--ops-" : "--";
  return new ListenError(
    `port ${port} of ${host} ${reason}; choose others with ${prefix}host and ${prefix}port`,
    { cause: error },
  );
}
