import { PRESENCE_MEMBERS_MAX } from "../contract/limits.js";
import type { PresenceUpdate } from "../contract/messages.js";
import { NetChanges } from "./net-changes.js";
import {
  hasNames,
  type PresenceKey,
  type PresenceNames,
  type PresenceNews,
  subjectOf,
} from "./presence-messages.js";

/** How many changes are kept for those who have not been told them. */
const CHANGES_MAX = 8;
/** How many names these may have, as a multiple of the most that a message lists. */
const CHANGED_NAMES = 4;

type Change = Exclude<PresenceNames, { readonly members: unknown }>;

/**
 * A key as a watcher was told of it, for all its clients. What a client lacks is known by the version that it
 * was told last, and the same for all with the same one.
 *
 * Invariant: `members` are those of the hub, and as many as there are users, or `membersMax`; the
 * changes kept lead from the versions before this one to it.
 */
export class PresenceView {
  readonly key: PresenceKey;
  readonly #membersMax: number;
  #connections = 0;
  #users = 0;
  readonly #members = new Set<string>();
  /** The last changes, the latest at the end: each made the version of its place. */
  #changes: Change[] = [];
  #version = 0;

  /** @param membersMax the hub's */
  constructor(key: PresenceKey, membersMax = PRESENCE_MEMBERS_MAX) {
    this.#membersMax = membersMax;
    this.key = key;
  }

  /** Moves with each change; 0 where nothing has been told yet. */
  get version(): number {
    return this.#version;
  }

  /** Takes what the hub tells; returns whether that is news. */
  take({ connections, users, names }: PresenceNews): boolean {
    // For one who has watched the key before: this one is still to be told all there is.
    if (this.#version === 0 && names !== undefined && !("members" in names)) return false;
    const counted = this.#connections !== connections || this.#users !== users;
    this.#connections = connections;
    this.#users = users;
    if (names === undefined) {
      if (hasNames(this.key)) throw new Error(`presence: ${this.key} is told without names`);
      if (this.#version > 0 && !counted) return false;
      this.#version++;
      return true;
    }
    const change = "members" in names ? this.#replace(names.members) : this.#apply(names);
    const expected = Math.min(users, this.#membersMax);
    if (this.#members.size !== expected)
      throw new Error(`presence: ${this.#members.size} members of ${this.key}, not ${expected}`);
    const isNews = counted || change === undefined || change.joined.length + change.left.length > 0;
    if (this.#version > 0 && !isNews) return false;
    this.#version++;
    this.#keep(this.#version > 1 ? change : undefined);
    return true;
  }

  /** What somebody is to be told who was told a version last; 0 where that was nothing. */
  since(version: number): PresenceUpdate {
    const counts = {
      ...subjectOf(this.key),
      connections: this.#connections,
      users: this.#users,
    };
    if (!hasNames(this.key)) return counts;
    const missed = this.#missed(version);
    return missed === undefined
      ? { ...counts, joined: [], left: [], members: [...this.#members] }
      : { ...counts, joined: [...missed.joined], left: [...missed.left] };
  }

  /** Undefined where that is not known any more, or too much for a message. */
  #missed(version: number): NetChanges | undefined {
    const behind = this.#version - version;
    if (version === 0 || behind > this.#changes.length) return undefined;
    const net = new NetChanges();
    for (const { joined, left } of this.#changes.slice(this.#changes.length - behind)) {
      for (const user of left) net.leave(user);
      for (const user of joined) net.join(user);
    }
    return net.size > this.#membersMax ? undefined : net;
  }

  #apply(change: Change): Change {
    const { joined, left, listed } = change;
    for (const user of left) this.#members.delete(user);
    for (const user of listed) this.#members.add(user);
    for (const user of joined) {
      if (this.#members.size === this.#membersMax) break;
      this.#members.add(user);
    }
    return change;
  }

  /** Undefined where it cannot be said what changed, as not all users were or are listed. */
  #replace(members: readonly string[]): Change | undefined {
    const before = new Set(this.#members);
    this.#members.clear();
    for (const user of members) this.#members.add(user);
    if (before.size === this.#membersMax || members.length === this.#membersMax) return undefined;
    const joined = members.filter((user) => !before.has(user));
    const left = [...before].filter((user) => !this.#members.has(user));
    return { joined, left, listed: [] };
  }

  #keep(change: Change | undefined): void {
    if (change === undefined) {
      this.#changes = [];
      return;
    }
    this.#changes.push(change);
    let names = 0;
    for (const { joined, left } of this.#changes) names += joined.length + left.length;
    while (this.#changes.length > CHANGES_MAX || names > CHANGED_NAMES * this.#membersMax) {
      const oldest = this.#changes.shift();
      names -= (oldest?.joined.length ?? 0) + (oldest?.left.length ?? 0);
    }
  }
}
