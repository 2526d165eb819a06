import { isIPv6 } from "node:net";
import type { Command } from "commander";
import { readOpsToken } from "../config/ops-token.js";
import { CodedError } from "../shared/coded-error.js";
import { loadCommandConfig } from "./config-flags.js";
import { errorText } from "./error-text.js";
import { UsageError } from "./usage-error.js";

/** Addresses that a server listens on for all of its machine, and where it is then found. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** How a command reaches the operations port. */
export interface OpsFlags {
  /** By default the port that is configured. */
  readonly opsUrl?: string;
  /** For the answer, in milliseconds. */
  readonly timeout: number;
}

/** Thrown where the operations port cannot be reached, or refuses; the message is for the user, exit code 1. */
class OpsRequestError extends CodedError<"OPS_REQUEST_FAILED"> {
  constructor(message: string, options?: ErrorOptions) {
    super("OPS_REQUEST_FAILED", message, options);
  }
}

/**
 * Asks the operations port for a change; returns its answer. Rejects with UsageError and with OpsRequestError,
 * whose message has the port's code and message where it refuses.
 * @param path such as `/halt`
 */
export async function opsRequest(
  path: string,
  body: object,
  { opsUrl, timeout }: OpsFlags,
  program: Command,
): Promise<unknown> {
  const { config } = loadCommandConfig(program);
  const url = opsUrl === undefined ? configuredUrl(config) : givenUrl(opsUrl);
  const token = await readOpsToken(config);
  const signal = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(new URL(path, url), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      redirect: "error",
      signal,
    });
    const answer = (await response.json()) as { error?: { code?: unknown; message?: unknown } };
    if (response.ok) return answer;
    throw new OpsRequestError(`${answer.error?.code}: ${answer.error?.message}`);
  } catch (error) {
    if (error instanceof OpsRequestError) throw error;
    const again = "it may have been done; asking again changes nothing twice";
    if (signal.aborted)
      throw new OpsRequestError(`no answer of ${url.host} within ${timeout} ms: ${again}`);
    throw new OpsRequestError(`no answer of ${url.host}: ${errorText(error)}`, { cause: error });
  }
}

function givenUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol))
    throw new UsageError(
      `ops-url: ${JSON.stringify(given)} is not a URL such as http://localhost:9081`,
    );
  if (url.username !== "" || url.password !== "")
    throw new UsageError("ops-url: must hold no user and no password");
  return url;
}

function configuredUrl({ opsHost, opsPort }: { opsHost: string; opsPort: number }): URL {
  if (opsPort === 0)
    throw new UsageError("ops-port: 0 does not say where the port is; give --ops-url");
  const address = LOOPBACK_OF[opsHost] ?? opsHost;
  return new URL(`http://${isIPv6(address) ? `[${address}]` : address}:${opsPort}`);
}
