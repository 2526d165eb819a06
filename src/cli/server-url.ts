import { isIPv6 } from "node:net";
import type { Command } from "commander";
import { loadCommandConfig } from "./config-flags.js";
import { UsageError } from "./usage-error.js";

const PATH = "/ws/v3";
const PROTOCOLS = ["ws:", "wss:", "http:", "https:"];
/** Addresses that a server listens on for all of its machine, and where it is then found. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/**
 * The WebSocket URL of the server to talk to: `given`, which may be an `http` one and lack its path,
 * or that of a server with this configuration. Throws UsageError, also for a token in the URL, which
 * would be seen in lists of processes and in logs.
 */
export function serverUrl(given: string | undefined, program: Command): URL {
  const url = given === undefined ? configuredUrl(program) : parseUrl(given);
  if (!PROTOCOLS.includes(url.protocol))
    throw new UsageError(`url: must be ws, wss, http or https, not ${url.protocol}`);
  if (url.searchParams.has("token"))
    throw new UsageError("url: must not hold a token; set MARKETCAST_TOKEN instead");
  url.protocol = url.protocol.replace("http", "ws");
  if (url.pathname === "/") url.pathname = PATH;
  url.hash = "";
  return url;
}

function parseUrl(given: string): URL {
  // "localhost:8081" is a URL too, of the protocol "localhost:".
  if (!URL.canParse(given) || !given.includes("://"))
    throw new UsageError(`url: ${JSON.stringify(given)} is not a URL such as ws://localhost:8081`);
  return new URL(given);
}

function configuredUrl(program: Command): URL {
  const { host, port } = loadCommandConfig(program).config;
  if (port === 0) throw new UsageError("port: 0 does not say where the server is; give its URL");
  const address = LOOPBACK_OF[host] ?? host;
  return new URL(`ws://${isIPv6(address) ? `[${address}]` : address}:${port}${PATH}`);
}
