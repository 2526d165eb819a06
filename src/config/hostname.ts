import { z } from "zod";

const NAME = String.raw`(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)`;
const WITHOUT_PORT = new RegExp(`^${NAME}$`, "i");
const WITH_OR_WITHOUT_PORT = new RegExp(`^${NAME}(?::[0-9]{1,5})?$`, "i");

function canonical(host: string): string | undefined {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

/**
 * The name or address in a `Host` header (RFC 9112, 3.2) as browsers write it, without its port:
 * lower case, IPv4 in decimal, IPv6 in brackets. Undefined where there is none.
 */
export function hostnameOf(host: string): string | undefined {
  return WITH_OR_WITHOUT_PORT.test(host) ? canonical(host) : undefined;
}

/** A host name or address without a port, as {@link hostnameOf} gives it. */
export const hostname = z
  .string()
  .max(255)
  .refine((value) => WITHOUT_PORT.test(value) && canonical(value) !== undefined, { abort: true })
  .transform((value) => canonical(value) ?? value);
