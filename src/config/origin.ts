import { z } from "zod";

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/;
const WEB = /^https?:/;

function isOrigin(value: string): boolean {
  const lower = value.toLowerCase();
  return value === "*" || (ORIGIN.test(lower) && (!WEB.test(lower) || URL.canParse(lower)));
}

/** Lower case and no default port: the form in which browsers send an origin. */
function canonicalOrigin(value: string): string {
  const lower = value.toLowerCase();
  return WEB.test(lower) ? new URL(lower).origin : lower;
}

/** An origin (`scheme://host[:port]`), brought into the form in which browsers send it, or `*`. */
export const origin = z
  .string()
  .max(1024)
  .refine(isOrigin, { abort: true })
  .transform(canonicalOrigin);
