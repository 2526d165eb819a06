import { ENCODINGS } from "../contract/encodings.js";
import { TIMEOUT_MS_MAX } from "./alarm.js";
import { type ClientOptions, DEFAULT_OPTIONS, type ResolvedOptions } from "./options.js";
import { given } from "./plain-value.js";

const PATH = "/ws/v3";

/**
 * The options with their defaults, checked: throws TypeError for a URL or an encoding that is none,
 * and RangeError for a number below zero or none.
 */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const merged = { ...DEFAULT_OPTIONS, ...given(options) } as ResolvedOptions;
  const numbers = Object.entries(merged).flatMap(([name, value]): [string, number][] => {
    if (typeof DEFAULT_OPTIONS[name as keyof typeof DEFAULT_OPTIONS] !== "number") return [];
    if (typeof value !== "number" || !(value >= 0))
      throw new RangeError(`${name}: must be a number from 0 on, not ${String(value)}`);
    return [[name, Math.min(value, TIMEOUT_MS_MAX)]];
  });
  if (!ENCODINGS.includes(merged.encoding))
    throw new TypeError(`encoding: must be one of ${ENCODINGS.join(", ")}`);
  if (!["queue", "reject"].includes(merged.offline))
    throw new TypeError(`offline: must be one of queue, reject, not ${merged.offline}`);
  return {
    ...merged,
    ...Object.fromEntries(numbers),
    url: socketUrl(options.url, merged),
  };
}

function socketUrl(from: string | URL, { cancelOnDisconnect, batch }: ResolvedOptions): string {
  const url = new URL(from);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:")
    throw new TypeError(`url: must be ws, wss, http or https, not ${url.protocol}`);
  if (url.pathname === "/") url.pathname = PATH;
  if (
    typeof cancelOnDisconnect === "number" &&
    !(cancelOnDisconnect >= 1000 && cancelOnDisconnect <= 300_000)
  )
    throw new RangeError(
      `cancelOnDisconnect: must be true, false or 1,000 to 300,000 ms, not ${cancelOnDisconnect}`,
    );
  if (cancelOnDisconnect !== false)
    url.searchParams.set("cancel_on_disconnect", `${cancelOnDisconnect}`);
  if (batch) url.searchParams.set("batch", "true");
  url.hash = "";
  return url.href;
}
