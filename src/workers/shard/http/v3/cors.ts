import type { IncomingMessage } from "node:http";
import { allowsOrigin } from "../upgrade-request.js";

/** How long a browser may remember what it was told before a request, in seconds. */
const PREFLIGHT_MAX_AGE_S = 600;

/**
 * What an answer says of pages of other origins (https://fetch.spec.whatwg.org/#http-cors-protocol): one
 * that is allowed may read it. To another nothing is said, so that its browser keeps the answer from it;
 * what is not a browser's page may read what is public anyway.
 * @param host that the client asked for
 */
export function corsHeaders(
  { headers: { origin } }: IncomingMessage,
  host: string | undefined,
  allowedOrigins: readonly string[],
): Record<string, string> {
  const vary = { Vary: "Origin" };
  if (origin === undefined || !allowsOrigin(allowedOrigins, origin, host)) return vary;
  return {
    ...vary,
    "Access-Control-Allow-Origin": origin,
    "Access-Control-Expose-Headers": "Retry-After",
  };
}

/** What a preflight request is told besides, of a path that takes these methods. */
export function preflightHeaders(methods: string): Record<string, string> {
  return {
    "Access-Control-Allow-Methods": methods,
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": `${PREFLIGHT_MAX_AGE_S}`,
  };
}
