import type { RedisLink } from "../redis-link.js";
import type { JournalKeys } from "./journal-keys.js";
import { type JournalHead, parseHead } from "./journal-words.js";

/** What a node has that wants to be the exchange. */
export interface Claim {
  /** Of its data directory. */
  readonly id: string;
  /** Number of the last record of its store. */
  readonly last: number;
  readonly timelines: JournalHead["timelines"];
  /** Whether its store is the beginning of a history. */
  isBeginningOf(timelines: JournalHead["timelines"]): boolean;
}

/**
 * Why a node may not go on with a history, undefined where it may: it is the exchange that wrote last, or one of the
 * standbys that have all that anybody was told by that. Where nobody ever stood by, there is nobody to wait for.
 */
export function objectionTo(claim: Claim, head: JournalHead | undefined): string | undefined {
  if (head === undefined || !head.followed) return undefined;
  const latest = head.timelines.at(-1)?.id;
  if (head.origin === claim.id && claim.timelines.some(({ id }) => id === latest)) return undefined;
  if (head.heirs.includes(claim.id) && claim.last > 0 && claim.isBeginningOf(head.timelines))
    return undefined;
  return `the data directory ${head.origin} has orders that this one, ${claim.id}, may lack`;
}

/** Reads what the last exchange has said of its journal. */
export async function readHead(
  link: RedisLink,
  { head }: JournalKeys,
): Promise<JournalHead | undefined> {
  const text = await link.send(["GET", head]);
  return text === null ? undefined : parseHead(String(text));
}
