import { UsageError } from "./usage-error.js";

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const TTL_SECONDS_MAX = 3650 * 86_400;

/** Seconds of a time to live such as `90s`, `15m`, `1h` or `7d`. Throws UsageError. */
export function parseTtl(ttl: string): number {
  const [, count, unit = ""] = /^([0-9]{1,10})([smhd])$/.exec(ttl) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? Number.NaN);
  if (seconds >= 1 && seconds <= TTL_SECONDS_MAX) return seconds;
  throw new UsageError(`ttl: ${JSON.stringify(ttl)} (flag --ttl) is not a time from 1s to 3650d`);
}
