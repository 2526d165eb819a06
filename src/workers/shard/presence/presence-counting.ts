import {
  hasNames,
  type PresenceKey,
  type PresenceShare,
  presenceKey,
  subjectOf,
} from "../../../presence/presence-messages.js";
import { PresenceShares } from "../../../presence/presence-shares.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { Audience, Member } from "../fan-out/audience.js";

/** The least time between two messages to the hub: what changes meanwhile is one change. */
const TELL_INTERVAL_MS = 250;
/** Users that one message names: the hub takes some 2 ms for so many, and has other things to do. */
const NAMES_MAX = 4096;
/** Connections that are looked at in a turn where counting begins, but of one key all. */
const VISITS_PER_TURN = 16_384;
/** How long the former counts are left as they are while everything is subscribed anew. */
const SETTLE_MS_MAX = 1000;

/** One who counts. */
export interface Present {
  readonly userId: string | undefined;
}

interface PresenceCountingHooks {
  /** Those with subscriptions to markets. */
  readonly audiences: () => Iterable<Audience>;
  /** Those in a private channel. */
  readonly inChannel: (channel: string) => Iterable<Present>;
  /** Whether connections are on their way back to what they are subscribed to, which another epoch has them leave. */
  readonly restarting: () => boolean;
  readonly tell: (shares: readonly PresenceShare[]) => void;
}

/**
 * Counts the shard's connections and users by market and private channel, of those only that the hub asks for,
 * and tells it what changes.
 *
 * A connection is counted where its audience's subscriptions name a market; what all markets are asked for with
 * names none.
 *
 * Invariant: a key's connections and users are those of the members of the audiences that name it, or of the
 * private channel, from the moment on that its counting has begun.
 */
export class PresenceCounting {
  readonly #hooks: PresenceCountingHooks;
  readonly #shares = new PresenceShares();
  /** Markets that are counted. */
  readonly #markets = new Map<MarketId, PresenceKey>();
  /** Moves with those. */
  #version = 0;
  readonly #named = new WeakMap<Audience, { version: number; keys: readonly PresenceKey[] }>();
  /** Those that counting is to begin with. */
  readonly #beginning = new Set<PresenceKey>();
  #beginsIn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #settledAt = Number.NEGATIVE_INFINITY;

  constructor(hooks: PresenceCountingHooks) {
    this.#hooks = hooks;
  }

  /** There is another hub, or none: what it wants to have counted it will say. */
  reset(): void {
    this.#shares.endAll();
    this.#markets.clear();
    this.#beginning.clear();
    this.#version++;
    this.#settledAt = performance.now() + SETTLE_MS_MAX;
  }

  /** Begins to count a key, and tells all of it. */
  count(key: PresenceKey): void {
    this.#beginning.add(key);
    this.#beginsIn ??= setImmediate(this.#begin);
  }

  ignore(key: PresenceKey): void {
    this.#beginning.delete(key);
    this.#shares.end(key);
    if (hasNames(key)) return;
    this.#markets.delete(subjectOf(key).market_id as MarketId);
    this.#version++;
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#beginsIn);
  }

  /** A member is in an audience now. */
  entered(member: Member, audience: Audience): void {
    for (const key of this.#keysOf(audience)) this.#shares.enter(key, member.userId);
    this.#schedule();
  }

  /** A member is in it no more. */
  left(member: Member, audience: Audience): void {
    for (const key of this.#keysOf(audience)) this.#shares.leave(key, member.userId);
    this.#schedule();
  }

  /** One is in a private channel now. */
  enteredChannel({ userId }: Present, channel: string): void {
    this.#shares.enter(presenceKey({ channel }), userId);
    this.#schedule();
  }

  leftChannel({ userId }: Present, channel: string): void {
    this.#shares.leave(presenceKey({ channel }), userId);
    this.#schedule();
  }

  readonly #begin = (): void => {
    this.#beginsIn = undefined;
    let visits = 0;
    for (const key of this.#beginning) {
      if (visits >= VISITS_PER_TURN) {
        this.#beginsIn = setImmediate(this.#begin);
        break;
      }
      this.#beginning.delete(key);
      if (this.#shares.begin(key)) visits += this.#countAll(key);
    }
    this.#schedule();
  };

  /** Counts all who are there; returns how many were looked at. */
  #countAll(key: PresenceKey): number {
    const { market_id, channel } = subjectOf(key);
    let visits = 0;
    if (channel !== undefined) {
      for (const { userId } of this.#hooks.inChannel(channel)) {
        this.#shares.enter(key, userId);
        visits++;
      }
      return visits;
    }
    this.#markets.set(market_id, key);
    this.#version++;
    for (const { subscriptions, members } of this.#hooks.audiences()) {
      visits++;
      if (!subscriptions.names(market_id)) continue;
      for (const { userId } of members) this.#shares.enter(key, userId);
      visits += members.size;
    }
    return visits;
  }

  /** The keys that are counted of the markets that an audience names. */
  #keysOf(audience: Audience): readonly PresenceKey[] {
    if (this.#markets.size === 0) return NONE;
    const known = this.#named.get(audience);
    if (known?.version === this.#version) return known.keys;
    const keys: PresenceKey[] = [];
    for (const id of audience.subscriptions.namedMarkets()) {
      const key = this.#markets.get(id);
      if (key !== undefined) keys.push(key);
    }
    this.#named.set(audience, { version: this.#version, keys });
    return keys;
  }

  #schedule(): void {
    if (!this.#shares.due || this.#timer !== undefined) return;
    const delay = Math.max(0, this.#toldAt + TELL_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(this.#tell, delay);
  }

  readonly #tell = (): void => {
    this.#timer = undefined;
    this.#toldAt = performance.now();
    if (this.#toldAt >= this.#settledAt || !this.#hooks.restarting()) {
      const shares = this.#shares.take(NAMES_MAX);
      if (shares.length > 0) this.#hooks.tell(shares);
    }
    this.#schedule();
  };
}

const NONE: readonly PresenceKey[] = [];
