import { type Entry, type EntryHead, openEntry } from "./entry-form.js";
import type { RedisLink } from "./redis-link.js";
import type { RelayKeys } from "./relay-keys.js";

/** The relay's snapshot: its markets are as of the head's entry or later. */
export interface RelaySnapshot {
  readonly head: EntryHead;
  /** By slot, without holes. */
  readonly markets: readonly Entry[];
}

/** Reads the snapshot; undefined where there is none. Rejects with RedisLinkError or EntryError. */
export async function loadSnapshot(
  link: RedisLink,
  keys: RelayKeys,
): Promise<RelaySnapshot | undefined> {
  const reply = await link.send(["HGETALL", keys.snapshot]);
  const flat = reply as readonly Buffer[];
  let head: EntryHead | undefined;
  const markets: Entry[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const field = String(flat[at]);
    const value = flat[at + 1] as Buffer;
    if (field === "head") head = openEntry(value);
    else if (field !== "epoch") markets[Number(field)] = openEntry(value);
  }
  if (head === undefined) return undefined;
  let whole = 0;
  while (markets[whole] !== undefined) whole++;
  return { head, markets: markets.slice(0, whole) };
}
