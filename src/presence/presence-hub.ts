import { PRESENCE_MEMBERS_MAX } from "../contract/limits.js";
import { NetChanges } from "./net-changes.js";
import {
  hasNames,
  type PresenceKey,
  type PresenceNames,
  type PresenceNews,
  type PresenceShare,
} from "./presence-messages.js";

/** Those who watch a key are told of changes no more often than that. */
const TELL_INTERVAL_MS = 1000;
/** A new hub tells nothing at first: those who contribute come one after the other. */
const SETTLE_MS = 250;
/** How long one who was asked to count is waited for, before what the others have counted is told. */
const ANSWER_WAIT_MS = 1500;
/** Keys that are told in a turn; the others have the next one. */
const TOLD_PER_TURN = 128;
/** Once so few of the users that may be kept are left, those who found no place are asked for again. */
const ROOM_AGAIN = 0.9;

interface PresenceHubHooks<C> {
  /** Somebody watches a key: it is to be counted, and told from the beginning. */
  readonly count: (contributor: C, key: PresenceKey) => void;
  /** Nobody watches it any more. */
  readonly ignore: (contributor: C, key: PresenceKey) => void;
  readonly tell: (watcher: C, news: PresenceNews) => void;
}

interface PresenceHubOptions {
  /** Most users of a key that are kept. */
  readonly usersMax: number;
  /** Most names that are listed at once; PRESENCE_MEMBERS_MAX by default. */
  readonly membersMax?: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** What one contributor has told of a key. */
interface Share {
  connections: number;
  readonly users: Set<string>;
}

/** A key that somebody watches. */
interface Watched<C> {
  readonly key: PresenceKey;
  readonly watchers: Set<C>;
  readonly shares: Map<C, Share>;
  connections: number;
  /** By how many contributors each is told of; in the order in which they came. */
  readonly users: Map<string, number>;
  /** Whose whole count is still to come, and until when it is waited for. */
  readonly awaited: Set<C>;
  awaitedUntil: number;
  /** What watchers were told last; undefined where they were told nothing. */
  told: { readonly connections: number; readonly users: number; readonly at: number } | undefined;
  /** Of a private channel: since then, and who was among its members then. */
  readonly untold: NetChanges;
  readonly listed: Set<string>;
}

/**
 * Adds up what contributors count, and tells those who watch. Both are whoever is attached: a shard today.
 *
 * Only keys that somebody watches are counted, so what nobody watches costs nothing anywhere. A watcher is told
 * at once how it was told to the others last, and then what changed, at the same times as they are.
 *
 * Invariants: a key is kept exactly while it has a watcher, and all who are attached count it; `connections` is
 * the sum over its shares, and a user's number that of the shares with it; `users` are no more than `usersMax`,
 * and unless it is over, all there are; `listed` are the first `membersMax` of those that were told.
 *
 * @typeParam C who contributes and watches
 */
export class PresenceHub<C> {
  readonly #hooks: PresenceHubHooks<C>;
  readonly #usersMax: number;
  readonly #membersMax: number;
  readonly #now: () => number;
  readonly #settledAt: number;
  readonly #attached = new Set<C>();
  readonly #watched = new Map<PresenceKey, Watched<C>>();
  /** Those with something that may have to be told. */
  readonly #due = new Set<Watched<C>>();
  readonly #over = new Set<Watched<C>>();
  #users = 0;

  constructor(
    hooks: PresenceHubHooks<C>,
    { usersMax, membersMax = PRESENCE_MEMBERS_MAX, now }: PresenceHubOptions,
  ) {
    this.#hooks = hooks;
    this.#usersMax = usersMax;
    this.#membersMax = membersMax;
    this.#now = now;
    this.#settledAt = now() + SETTLE_MS;
  }

  /** How many keys are watched. */
  get keys(): number {
    return this.#watched.size;
  }

  /** How many users are kept, those of each key. */
  get users(): number {
    return this.#users;
  }

  /** Of how many keys not all users are kept. */
  get keysOver(): number {
    return this.#over.size;
  }

  /** Somebody contributes from now on, and may watch. */
  attach(one: C): void {
    this.#attached.add(one);
    for (const watched of this.#watched.values()) this.#ask(watched, one);
  }

  /** What somebody has counted is gone, and so is what it watched. */
  detach(one: C): void {
    if (!this.#attached.delete(one)) return;
    for (const watched of [...this.#watched.values()]) {
      this.#forgetShare(watched, one);
      watched.awaited.delete(one);
      this.#due.add(watched);
      watched.watchers.delete(one);
      if (watched.watchers.size === 0) this.#drop(watched);
    }
  }

  watch(one: C, key: PresenceKey): void {
    if (!this.#attached.has(one)) return;
    const known = this.#watched.get(key);
    if (known !== undefined) {
      known.watchers.add(one);
      if (known.told !== undefined) this.#hooks.tell(one, toldOf(known));
      return;
    }
    const watched: Watched<C> = {
      key,
      watchers: new Set([one]),
      shares: new Map(),
      connections: 0,
      users: new Map(),
      awaited: new Set(),
      awaitedUntil: 0,
      told: undefined,
      untold: new NetChanges(),
      listed: new Set(),
    };
    this.#watched.set(key, watched);
    for (const contributor of this.#attached) this.#ask(watched, contributor);
  }

  unwatch(one: C, key: PresenceKey): void {
    const watched = this.#watched.get(key);
    if (watched?.watchers.delete(one) && watched.watchers.size === 0) this.#drop(watched);
  }

  /** Takes what a contributor tells. */
  take(one: C, { key, anew, more, connections, joined, left }: PresenceShare): void {
    const watched = this.#watched.get(key);
    // It was asked to ignore the key meanwhile, or to begin anew.
    if (watched === undefined || !this.#attached.has(one)) return;
    if (anew) this.#forgetShare(watched, one);
    else if (!watched.shares.has(one)) return;
    const share = watched.shares.get(one) ?? { connections: 0, users: new Set() };
    watched.shares.set(one, share);
    watched.connections += connections - share.connections;
    share.connections = connections;
    for (const user of left) this.#leave(watched, share, user);
    for (const user of joined) this.#join(watched, share, user);
    if (more !== true) watched.awaited.delete(one);
    this.#due.add(watched);
    if (this.#over.has(watched) && watched.users.size < this.#usersMax * ROOM_AGAIN)
      this.#countAgain(watched);
  }

  /** Tells watchers what is due, or the first of it. */
  tell(): void {
    const now = this.#now();
    let left = TOLD_PER_TURN;
    for (const watched of this.#due) {
      if (this.#dueAt(watched) > now) continue;
      this.#due.delete(watched);
      this.#tell(watched, now);
      if (--left === 0) return;
    }
  }

  /** When {@link tell} has something to do next, by the clock; undefined where it has nothing. */
  get nextAt(): number | undefined {
    let next: number | undefined;
    for (const watched of this.#due) next = Math.min(next ?? Infinity, this.#dueAt(watched));
    return next;
  }

  #dueAt({ told, awaited, awaitedUntil }: Watched<C>): number {
    const at = told === undefined ? this.#settledAt : told.at + TELL_INTERVAL_MS;
    return awaited.size > 0 ? Math.max(at, awaitedUntil) : at;
  }

  #ask(watched: Watched<C>, contributor: C): void {
    watched.awaited.add(contributor);
    watched.awaitedUntil = this.#now() + ANSWER_WAIT_MS;
    this.#due.add(watched);
    this.#hooks.count(contributor, watched.key);
  }

  /** Has everybody tell all over again, as there is room now for those who found none. */
  #countAgain(watched: Watched<C>): void {
    for (const contributor of this.#attached) this.#forgetShare(watched, contributor);
    this.#over.delete(watched);
    for (const contributor of this.#attached) this.#ask(watched, contributor);
  }

  #drop(watched: Watched<C>): void {
    for (const contributor of [...watched.shares.keys()]) this.#forgetShare(watched, contributor);
    if (watched.users.size > 0 || watched.connections !== 0)
      throw new Error(`presence: ${watched.key} has users or connections of nobody`);
    this.#watched.delete(watched.key);
    this.#due.delete(watched);
    this.#over.delete(watched);
    for (const contributor of this.#attached) this.#hooks.ignore(contributor, watched.key);
  }

  #forgetShare(watched: Watched<C>, one: C): void {
    const share = watched.shares.get(one);
    if (share === undefined) return;
    watched.shares.delete(one);
    watched.connections -= share.connections;
    for (const user of [...share.users]) this.#leave(watched, share, user);
  }

  #join(watched: Watched<C>, share: Share, user: string): void {
    if (share.users.has(user))
      throw new Error(`presence: a user joins ${watched.key} who is there`);
    const { users } = watched;
    const by = users.get(user) ?? 0;
    if (by === 0 && users.size >= this.#usersMax) {
      this.#over.add(watched);
      return;
    }
    share.users.add(user);
    users.set(user, by + 1);
    if (by > 0) return;
    this.#users++;
    if (hasNames(watched.key)) watched.untold.join(user);
  }

  #leave(watched: Watched<C>, share: Share, user: string): void {
    const { users } = watched;
    if (!share.users.delete(user)) {
      if (this.#over.has(watched)) return;
      throw new Error(`presence: a user leaves ${watched.key} who is not there`);
    }
    const by = (users.get(user) ?? 0) - 1;
    if (by < 0) throw new Error(`presence: a user of a share is none of ${watched.key}`);
    if (by > 0) {
      users.set(user, by);
      return;
    }
    users.delete(user);
    this.#users--;
    if (hasNames(watched.key)) watched.untold.leave(user);
  }

  #tell(watched: Watched<C>, now: number): void {
    const { key, connections, users, untold, told, watchers } = watched;
    if (
      told !== undefined &&
      told.connections === connections &&
      told.users === users.size &&
      untold.size === 0
    )
      return;
    watched.told = { connections, users: users.size, at: now };
    const names = hasNames(key)
      ? takeUntold(watched, this.#membersMax, told === undefined)
      : undefined;
    const news: PresenceNews = {
      key,
      connections,
      users: users.size,
      ...(names !== undefined && { names }),
    };
    for (const watcher of watchers) this.#hooks.tell(watcher, news);
  }
}

/** What watchers were told last, from the beginning. */
function toldOf<C>({ key, told, listed }: Watched<C>): PresenceNews {
  if (told === undefined) throw new Error(`presence: nothing has been told of ${key}`);
  const { connections, users } = told;
  const names = hasNames(key) ? { names: { members: [...listed] } } : undefined;
  return { key, connections, users, ...names };
}

/** Takes who has come and gone; more than a message may list are told from the beginning. */
function takeUntold<C>(
  { users, untold, listed }: Watched<C>,
  membersMax: number,
  whole: boolean,
): PresenceNames {
  for (const user of untold.left) listed.delete(user);
  const filled: string[] = [];
  if (listed.size < Math.min(users.size, membersMax)) {
    for (const user of users.keys()) {
      if (listed.has(user)) continue;
      listed.add(user);
      if (!untold.joined.has(user)) filled.push(user);
      if (listed.size === membersMax) break;
    }
  }
  const isWhole = whole || untold.size > membersMax;
  const names: PresenceNames = isWhole
    ? { members: [...listed] }
    : { joined: [...untold.joined], left: [...untold.left], listed: filled };
  untold.clear();
  return names;
}
