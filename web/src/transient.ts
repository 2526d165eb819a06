import type { ServerError } from "marketcast/client";

const TRANSIENT: readonly string[] = ["UNAVAILABLE", "RATE_LIMITED"];

/** Whether the server says: not now. */
export function isTransient({ code }: ServerError): boolean {
  return TRANSIENT.includes(code);
}
