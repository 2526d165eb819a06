import type { PresenceSubject } from "../contract/messages.js";
import { parseMarketId } from "../shared/market-id.js";

/*
 * What those who count connections and those who watch them tell each other, by way of the hub. All of it is
 * plain data.
 */

/** What presence is of, as a text: the market's id, or the private channel's name. */
export type PresenceKey = `market ${string}` | `channel ${string}`;

/** The key of a subject whose market id is in canonical form. */
export function presenceKey({ market_id, channel }: PresenceSubject): PresenceKey {
  return channel === undefined ? `market ${market_id}` : `channel ${channel}`;
}

export function subjectOf(key: PresenceKey): PresenceSubject {
  const name = key.slice(key.indexOf(" ") + 1);
  if (hasNames(key)) return { channel: name };
  const marketId = parseMarketId(name);
  if (marketId === undefined) throw new Error(`presence: ${key} names no market`);
  return { market_id: marketId };
}

/** Whether those who watch are told who is there: of a private channel. */
export function hasNames(key: PresenceKey): boolean {
  return key.startsWith("channel ");
}

/** What changed of what a contributor counts. */
export interface PresenceShare {
  readonly key: PresenceKey;
  /** Nothing of it that was told before counts any more. */
  readonly anew?: true;
  /** The rest of the same change follows. */
  readonly more?: true;
  readonly connections: number;
  /** Users who have a connection there, and have not any more; each once, however many connections. */
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** What a watcher is told: how many connections and distinct users there are over all contributors. */
export interface PresenceNews {
  readonly key: PresenceKey;
  readonly connections: number;
  readonly users: number;
  /** Of a private channel. */
  readonly names?: PresenceNames;
}

export type PresenceNames =
  /** Of all users, or the {@link PRESENCE_MEMBERS_MAX} that joined first; what was told before does not count. */
  | { readonly members: readonly string[] }
  /** Since what was told last. */
  | {
      readonly joined: readonly string[];
      readonly left: readonly string[];
      /** Those who joined earlier and are among the members only now, as others have left. */
      readonly listed: readonly string[];
    };
