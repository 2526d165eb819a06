import { isChannelName } from "../contract/publication.js";

/** Ends a pattern, which then stands for every name that begins as it does. */
const ANY_REST = "*";

/**
 * Whether a claim of a token, a list of names of channels and of patterns with a final `*`, allows a channel.
 * Whatever of it is malformed allows nothing: a claim that is no list, and an entry that is neither.
 */
export function isGranted(claim: unknown, channel: string): boolean {
  return (
    Array.isArray(claim) && isChannelName(channel) && claim.some((entry) => fits(entry, channel))
  );
}

function fits(entry: unknown, channel: string): boolean {
  if (entry === ANY_REST || entry === channel) return true;
  if (typeof entry !== "string" || !entry.endsWith(ANY_REST)) return false;
  const beginning = entry.slice(0, -ANY_REST.length);
  return isChannelName(beginning) && channel.startsWith(beginning);
}
