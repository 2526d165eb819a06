import { EDGE_LEASE_MS, isEdgeShard } from "../shared/edge-shards.js";
import type { SessionTerms } from "../shared/session.js";
import type { StoredSession } from "../store/records.js";
import type { SessionWrites } from "../store/stored-batch.js";
import type { SessionClaim } from "../workers/messages.js";

/** Why the orders of sessions are cancelled. */
const CONNECTION_ENDED = "cancel on disconnect: the connection ended";
const SERVER_RESTARTED = "cancel on disconnect: the server was restarted";
const awaited = (waitMs: number): string =>
  `cancel on disconnect: the session did not come back within ${waitMs} ms`;
const crowdedOut = (max: number): string =>
  `cancel on disconnect: more than ${max} sessions of the wallet wait to come back`;

/** A connection, by its shard and the number that main has given it. */
export interface SessionPlace {
  readonly shard: number;
  /** The higher, the later it was accepted. */
  readonly connection: number;
}

interface Session {
  readonly session: string;
  readonly userId: string;
  readonly wallet: string | null;
  waitMs: number;
  /** That of its connection, or of its last one. */
  shard: number;
  /**
   * A number: its connection's. "expected": an earlier producer knew it on that shard, which has yet to
   * say whether it is there. "away": it waits, until `endsAt`.
   */
  connection: number | "expected" | "away";
  endsAt: number;
  /** Orders are or were bound to it, so that it has to be found again after the process. */
  bound: boolean;
}

export const NO_SESSION_WRITES: SessionWrites = { put: [], removed: [] };

interface SessionsContext {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Sessions of a wallet, or of a user without one, that may wait at a time. */
  readonly maxWaiting: number;
  /** Tells this run of the server from all others. */
  readonly run: string;
}

interface SessionsHooks {
  /** A session is over, and what is bound to it is to be cancelled for a reason. */
  readonly ended: (session: string, reason: string) => void;
  /** The session of a connection has another one now. */
  readonly taken: (from: SessionPlace, session: string) => void;
  /** A shard of another node did not come back in time. */
  readonly over?: (shard: number) => void;
  /** So many wait to come back, and so many more were ended because too many did. */
  readonly waiting?: (waiting: number, crowdedOut: number) => void;
}

/**
 * The order sessions: which are there, who may resume them, and which connection each of them has. One that
 * loses its connection waits for as long as that connection asked for, and ends where none comes back.
 *
 * Invariants: a session has one connection at most, and a connection one session at most; the sessions of
 * `#waiting` are those that are away, and of no wallet there are more than `maxWaiting`; what has ended is
 * in no map and never comes back.
 */
export class Sessions {
  readonly #context: SessionsContext;
  readonly #hooks: SessionsHooks;
  readonly #all = new Map<string, Session>();
  /** By the place of their connections. */
  readonly #connected = new Map<string, Session>();
  /** Those that are away, by whose they are, in the order in which they went. */
  readonly #waiting = new Map<string, Set<Session>>();
  #waitingCount = 0;
  /** Shards of other nodes that cannot be heard, and when they have been so for too long. */
  readonly #awaitedShards = new Map<number, number>();
  /** Nothing ends before; Infinity where nothing is waited for. */
  #nextEnd = Number.POSITIVE_INFINITY;
  /** Those of which the store has something else, or may have. */
  readonly #changed = new Set<string>();
  /** Those that the store has. */
  readonly #stored = new Set<string>();

  constructor(context: SessionsContext, hooks: SessionsHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /**
   * Takes over what an earlier producer has stored. Sessions of this run are expected by their shards, and those of
   * other nodes by theirs; the connections of earlier runs are gone, and their sessions' waits begin.
   */
  restore(stored: readonly StoredSession[]): void {
    for (const { run, ...terms } of stored) {
      const session: Session = { ...terms, connection: "expected", endsAt: 0, bound: true };
      this.#all.set(session.session, session);
      this.#stored.add(session.session);
      // What becomes of this process is no matter to connections of other nodes.
      if (isEdgeShard(session.shard)) this.awaitShard(session.shard);
      if (run === this.#context.run || isEdgeShard(session.shard)) continue;
      // Of its shards there may be fewer now.
      session.shard = 0;
      this.#changed.add(session.session);
      this.#leave(session, SERVER_RESTARTED);
    }
  }

  /** Whether a session is there, with a connection or without. */
  has(session: string): boolean {
    return this.#all.has(session);
  }

  /** Whether a session outlives this process: it waits for its client, or its connection is another node's. */
  outlives(session: string): boolean {
    const known = this.#all.get(session);
    return known !== undefined && (known.waitMs > 0 || isEdgeShard(known.shard));
  }

  /** A connection has a new session. */
  open(place: SessionPlace, terms: SessionTerms): void {
    const { session, userId, wallet, waitMs } = terms;
    const opened: Session = {
      session,
      userId,
      wallet,
      waitMs,
      shard: place.shard,
      connection: "expected",
      endsAt: 0,
      bound: false,
    };
    this.#all.set(session, opened);
    this.#connect(opened, place, waitMs);
  }

  /**
   * Gives a connection the session that it asks for, taking it from another connection where it has one,
   * or, where there is none of that name for it, the new one of its terms. Returns the one it has.
   */
  resume(place: SessionPlace, terms: SessionTerms, asked: string): string {
    const known = this.#all.get(asked);
    if (known === undefined || known.userId !== terms.userId || known.wallet !== terms.wallet) {
      this.open(place, terms);
      return terms.session;
    }
    this.#connect(known, place, terms.waitMs);
    return asked;
  }

  /** Notes that orders are bound to a session. */
  bind(session: string): void {
    const known = this.#all.get(session);
    if (known === undefined || known.bound) return;
    known.bound = true;
    this.#changed.add(session);
  }

  /** A connection has ended. */
  end(place: SessionPlace): void {
    const session = this.#connected.get(keyOf(place));
    if (session !== undefined) this.#leave(session, CONNECTION_ENDED);
  }

  /**
   * A shard says which of its connections have sessions; whatever else was there is gone. Of two
   * connections with one session the later has it; of two nodes' that is the one that has it already, as each was
   * given it here.
   */
  attach(shard: number, claims: readonly SessionClaim[]): void {
    this.#awaitedShards.delete(shard);
    const claimed = new Set(claims.map(({ session }) => session));
    for (const session of [...this.#all.values()]) {
      if (session.shard !== shard || session.connection === "away") continue;
      if (!claimed.has(session.session)) this.#leave(session, CONNECTION_ENDED);
    }
    for (const { connection, ...terms } of claims) {
      const place = { shard, connection };
      const known = this.#all.get(terms.session);
      if (known === undefined) this.open(place, terms);
      else if (typeof known.connection === "number" && isLater(known, place))
        this.#hooks.taken(place, terms.session);
      else this.#connect(known, place, terms.waitMs);
    }
  }

  /** A shard of another node cannot be heard: unless it attaches again in time, its connections are gone. */
  awaitShard(shard: number): void {
    const until = this.#context.now() + EDGE_LEASE_MS;
    this.#awaitedShards.set(shard, until);
    this.#nextEnd = Math.min(this.#nextEnd, until);
  }

  /** Whether a session's wait has passed, or a shard was waited for long enough. */
  get isDue(): boolean {
    return this.#nextEnd <= this.#context.now();
  }

  /** Ends the sessions whose waits have passed, and the connections of shards that did not come back. */
  expire(): void {
    if (!this.isDue) return;
    const now = this.#context.now();
    for (const [shard, until] of [...this.#awaitedShards]) {
      if (until > now) continue;
      this.attach(shard, []);
      this.#hooks.over?.(shard);
    }
    this.#nextEnd = Math.min(Number.POSITIVE_INFINITY, ...this.#awaitedShards.values());
    for (const session of [...this.#waiting.values()].flatMap((some) => [...some])) {
      if (session.endsAt <= now) this.#finish(session, awaited(session.waitMs));
      else this.#nextEnd = Math.min(this.#nextEnd, session.endsAt);
    }
  }

  // --- What the store has -------------------------------------------------------------------------

  /** What has changed for the store, until it is known to be there. */
  changes(): SessionWrites {
    if (this.#changed.size === 0) return NO_SESSION_WRITES;
    const put: StoredSession[] = [];
    const removed: string[] = [];
    const { run } = this.#context;
    for (const name of this.#changed) {
      const known = this.#all.get(name);
      if (known !== undefined && (known.bound || known.waitMs > 0)) {
        const { session, userId, wallet, waitMs, shard } = known;
        put.push({ session, userId, wallet, waitMs, run, shard });
      } else if (this.#stored.has(name)) removed.push(name);
    }
    return { put, removed };
  }

  /** The changes are on disk; nothing has changed in between that they do not say. */
  committed({ put, removed }: SessionWrites): void {
    for (const { session } of put) this.#stored.add(session);
    for (const session of removed) this.#stored.delete(session);
    this.#changed.clear();
  }

  // --- From state to state ------------------------------------------------------------------------

  #connect(session: Session, place: SessionPlace, waitMs: number): void {
    const key = keyOf(place);
    const before = this.#connected.get(key);
    if (before !== undefined && before !== session) this.#leave(before, CONNECTION_ENDED);
    if (before !== session && typeof session.connection === "number") {
      const from = { shard: session.shard, connection: session.connection };
      this.#connected.delete(keyOf(from));
      this.#hooks.taken(from, session.session);
    }
    if (session.connection === "away") this.#return(session);
    if (session.waitMs !== waitMs || session.shard !== place.shard)
      this.#changed.add(session.session);
    if (waitMs > 0 && !this.#stored.has(session.session)) this.#changed.add(session.session);
    session.waitMs = waitMs;
    session.shard = place.shard;
    session.connection = place.connection;
    this.#connected.set(key, session);
  }

  /** A session has no connection any more: it waits, or ends for that reason. */
  #leave(session: Session, reason: string): void {
    if (session.connection === "away") throw new Error("sessions: one that is away cannot leave");
    if (typeof session.connection === "number")
      this.#connected.delete(keyOf({ shard: session.shard, connection: session.connection }));
    if (session.waitMs === 0) return this.#finish(session, reason);
    session.connection = "away";
    session.endsAt = this.#context.now() + session.waitMs;
    this.#nextEnd = Math.min(this.#nextEnd, session.endsAt);
    const { maxWaiting } = this.#context;
    const owner = ownerOf(session);
    const others = this.#waiting.get(owner) ?? new Set();
    this.#waiting.set(owner, others.add(session));
    this.#waitingCount++;
    const [oldest] = others;
    if (others.size > maxWaiting && oldest !== undefined) {
      this.#finish(oldest, crowdedOut(maxWaiting));
      this.#hooks.waiting?.(this.#waitingCount, 1);
    } else this.#hooks.waiting?.(this.#waitingCount, 0);
  }

  /** A session waits no longer. */
  #return(session: Session): void {
    const owner = ownerOf(session);
    const others = this.#waiting.get(owner);
    if (others?.delete(session) !== true)
      throw new Error("sessions: one is away and does not wait");
    if (others.size === 0) this.#waiting.delete(owner);
    this.#hooks.waiting?.(--this.#waitingCount, 0);
  }

  #finish(session: Session, reason: string): void {
    if (session.connection === "away") this.#return(session);
    this.#all.delete(session.session);
    if (this.#stored.has(session.session)) this.#changed.add(session.session);
    else this.#changed.delete(session.session);
    this.#hooks.ended(session.session, reason);
  }
}

/** Whether a session's connection is a later one than another that claims it. */
function isLater({ shard, connection }: Session, other: SessionPlace): boolean {
  // Connections are numbered by their node.
  if (shard !== other.shard && (isEdgeShard(shard) || isEdgeShard(other.shard))) return true;
  return typeof connection === "number" && connection > other.connection;
}

function keyOf({ shard, connection }: SessionPlace): string {
  return `${shard}/${connection}`;
}

function ownerOf({ wallet, userId }: Session): string {
  return wallet === null ? `user ${userId}` : `wallet ${wallet}`;
}
