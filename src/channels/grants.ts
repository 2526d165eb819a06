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

/** What a name begins with has the characters of names, so an entry with others fits none. */
function fits(entry: unknown, channel: string): boolean {
  if (typeof entry !== "string") return false;
  return entry.endsWith(ANY_REST)
    ? channel.startsWith(entry.slice(0, -ANY_REST.length))
    : entry === channel;
}
