import { NetChanges, takeNames } from "./net-changes.js";
import type { PresenceKey, PresenceShare } from "./presence-messages.js";

/** What is counted of a key. */
interface Counted {
  connections: number;
  /** Connections of each user who has one. */
  readonly users: Map<string, number>;
  /** Connections as they were told, and what of the users was not. */
  toldConnections: number;
  readonly untold: NetChanges;
  /** It is to be told from the beginning. */
  anew: boolean;
}

/**
 * A contributor's connections and users by key, of the keys that it was asked to count, and what of them is
 * still to be told.
 *
 * Invariants: a user is kept exactly while it has a connection, and users have no more connections than there
 * are; whoever was told everything that was taken has the users that are kept, but for those untold; a key with
 * something untold is due.
 */
export class PresenceShares {
  readonly #counted = new Map<PresenceKey, Counted>();
  /** Those with something to tell, the longest due first. */
  readonly #due = new Set<PresenceKey>();

  /** The keys that are counted. */
  get keys(): Iterable<PresenceKey> {
    return this.#counted.keys();
  }

  get size(): number {
    return this.#counted.size;
  }

  /** Whether there is something to tell. */
  get due(): boolean {
    return this.#due.size > 0;
  }

  has(key: PresenceKey): boolean {
    return this.#counted.has(key);
  }

  /**
   * Has a key counted, and told from the beginning.
   * @returns whether it was not counted before, so that the caller has those {@link enter} who are there
   */
  begin(key: PresenceKey): boolean {
    this.#due.add(key);
    const known = this.#counted.get(key);
    if (known === undefined) {
      const untold = new NetChanges();
      this.#counted.set(key, {
        connections: 0,
        users: new Map(),
        toldConnections: 0,
        untold,
        anew: true,
      });
      return true;
    }
    known.anew = true;
    known.untold.clear();
    for (const user of known.users.keys()) known.untold.join(user);
    return false;
  }

  /** Has a key counted no more. */
  end(key: PresenceKey): void {
    this.#counted.delete(key);
    this.#due.delete(key);
  }

  endAll(): void {
    this.#counted.clear();
    this.#due.clear();
  }

  /** Counts one more connection, of a user or of nobody who is known; nothing where the key is not counted. */
  enter(key: PresenceKey, user: string | undefined): void {
    const counted = this.#counted.get(key);
    if (counted === undefined) return;
    counted.connections++;
    if (user !== undefined) {
      const before = counted.users.get(user) ?? 0;
      counted.users.set(user, before + 1);
      if (before === 0) counted.untold.join(user);
    }
    this.#due.add(key);
  }

  /** Counts one less, that has been counted. */
  leave(key: PresenceKey, user: string | undefined): void {
    const counted = this.#counted.get(key);
    if (counted === undefined) return;
    counted.connections--;
    if (user !== undefined) {
      const left = (counted.users.get(user) ?? 0) - 1;
      if (left < 0) throw new Error(`presence: a user leaves ${key} who is not there`);
      if (left > 0) counted.users.set(user, left);
      else {
        counted.users.delete(user);
        counted.untold.leave(user);
      }
    }
    if (counted.connections < counted.users.size)
      throw new Error(
        `presence: ${counted.connections} connections of ${counted.users.size} users at ${key}`,
      );
    this.#due.add(key);
  }

  /**
   * Takes what is to be told, of no key more than one message and in all no more than so many names, but of
   * one key at least; the rest is due again.
   */
  take(namesMax: number): PresenceShare[] {
    const shares: PresenceShare[] = [];
    let left = namesMax;
    for (const key of [...this.#due]) {
      if (left <= 0) break;
      this.#due.delete(key);
      const counted = this.#counted.get(key);
      if (counted === undefined) throw new Error(`presence: ${key} is due and not counted`);
      const { untold, connections, anew } = counted;
      if (!anew && untold.size === 0 && counted.toldConnections === connections) continue;
      const gone = takeNames(untold.left, left);
      const joined = takeNames(untold.joined, left - gone.length);
      left -= gone.length + joined.length;
      const more = untold.size > 0;
      if (more) this.#due.add(key);
      counted.toldConnections = connections;
      counted.anew = false;
      shares.push({
        key,
        ...(anew && { anew }),
        ...(more && { more }),
        connections,
        joined,
        left: gone,
      });
    }
    return shares;
  }
}
