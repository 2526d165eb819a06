import { CHANNEL_TYPES } from "../../../contract/channel-kinds.js";
import type { PresenceChannel } from "../../../contract/channels-schema.js";
import { type CounterSection, count, countListed, SHARD } from "../../../counters/counters.js";
import {
  type PresenceKey,
  type PresenceNews,
  presenceKey,
  subjectOf,
} from "../../../presence/presence-messages.js";
import { PresenceView } from "../../../presence/presence-view.js";
import type { Connection } from "../connections/connection.js";
import { FairBudget, type Holder } from "../connections/fair-budget.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Outbox } from "../connections/outbox.js";

/**
 * The least time between two messages of a channel to a connection. The hub's come a second apart; its clock
 * and the way here may differ a little.
 */
const TELL_INTERVAL_MS = 950;
/** How often those who could not be told are looked at again. */
const LATE_INTERVAL_MS = 100;

/** What a connection was told last of a key: the view's version, 0 for nothing, and when. */
interface Told {
  version: number;
  at: number;
}

interface Watched {
  readonly view: PresenceView;
  /** Whose place among all keys it takes. */
  readonly holder: Holder;
  readonly watchers: Map<Connection, Told>;
  /** Those who are still to be told what the others were. */
  readonly late: Set<Connection>;
}

interface PresenceWatchersHooks {
  readonly watch: (key: PresenceKey) => void;
  readonly unwatch: (key: PresenceKey) => void;
}

/**
 * The shard's connections with `Presence` channels, and what they are told. The hub is asked once for a key,
 * however many watch it; messages are encoded once for all who were told the same before, and nothing is kept
 * for one who does not take them: it is told later what it lacks, in one message.
 *
 * Invariants: a key is watched exactly while a connection watches it, which has it in `presences`; whoever
 * was not told the view's version is late.
 */
export class PresenceWatchers {
  readonly #outbox: Outbox;
  readonly #counters: CounterSection;
  readonly #hooks: PresenceWatchersHooks;
  readonly #budget: FairBudget;
  readonly #watched = new Map<PresenceKey, Watched>();
  readonly #withLate = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** @param keysMax most keys that are watched */
  constructor(
    outbox: Outbox,
    counters: CounterSection,
    keysMax: number,
    hooks: PresenceWatchersHooks,
  ) {
    this.#outbox = outbox;
    this.#counters = counters;
    this.#budget = new FairBudget(keysMax);
    this.#hooks = hooks;
  }

  /** The keys that are watched. */
  get keys(): Iterable<PresenceKey> {
    return this.#watched.keys();
  }

  /** Most keys that are watched, and how many are. */
  get max(): number {
    return this.#budget.max;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** How many of these channels nobody watches yet. */
  newOf(channels: readonly PresenceChannel[]): number {
    return channels.filter(({ params }) => !this.#watched.has(presenceKey(params))).length;
  }

  /** Whether somebody may have these channels; those that are watched already cost nothing. */
  mayWatch(holder: Holder, channels: readonly PresenceChannel[]): boolean {
    return this.#budget.mayTake(holder, this.newOf(channels));
  }

  /** Subscribes; one who watches already is told everything again. */
  add(connection: Connection, { params }: PresenceChannel): void {
    const key = presenceKey(params);
    const watched = this.#watched.get(key) ?? this.#begin(key, connection.holder);
    if (!watched.watchers.has(connection)) this.#count(1);
    watched.watchers.set(connection, { version: 0, at: Number.NEGATIVE_INFINITY });
    connection.presences ??= new Set();
    connection.presences.add(key);
    this.#tell(watched, [connection]);
  }

  remove(connection: Connection, { params }: PresenceChannel): void {
    const key = presenceKey(params);
    const watched = this.#watched.get(key);
    if (watched === undefined || !watched.watchers.delete(connection)) return;
    watched.late.delete(connection);
    connection.presences?.delete(key);
    this.#count(-1);
    if (watched.watchers.size > 0) return;
    this.#watched.delete(key);
    this.#withLate.delete(watched);
    this.#budget.giveBack(watched.holder);
    this.#counters[SHARD.presenceKeys] = this.#watched.size;
    this.#hooks.unwatch(key);
  }

  /** The channels of a connection. */
  of(connection: Connection): PresenceChannel[] {
    return [...(connection.presences ?? [])].map((key) => ({
      type: "Presence",
      params: subjectOf(key),
    }));
  }

  /** Takes what the hub tells. */
  take(news: PresenceNews): void {
    const watched = this.#watched.get(news.key);
    if (watched?.view.take(news)) this.#tell(watched, watched.watchers.keys(), true);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #begin(key: PresenceKey, holder: Holder): Watched {
    const watched: Watched = {
      view: new PresenceView(key),
      holder,
      watchers: new Map(),
      late: new Set(),
    };
    this.#watched.set(key, watched);
    this.#budget.take(holder);
    this.#counters[SHARD.presenceKeys] = this.#watched.size;
    this.#hooks.watch(key);
    return watched;
  }

  /** Tells some of those who watch a key what each lacks, if that may be. */
  #tell(watched: Watched, connections: Iterable<Connection>, isNews = false): void {
    const { view, watchers, late } = watched;
    if (view.version === 0) return;
    const now = performance.now();
    const made = new Map<number, (FrameBatch | undefined)[]>();
    for (const connection of [...connections]) {
      const told = watchers.get(connection) as Told;
      if (!connection.open || told.version === view.version) {
        late.delete(connection);
        continue;
      }
      if (!connection.current || now < told.at + TELL_INTERVAL_MS) {
        if (isNews && late.has(connection)) this.#conflate(connection);
        late.add(connection);
        continue;
      }
      const { encoding } = connection;
      const batches = made.get(told.version) ?? [];
      made.set(told.version, batches);
      batches[encoding] ??= this.#outbox.encode(encoding, {
        type: "PresenceUpdate",
        data: view.since(told.version),
      });
      // Only what it asked for is its own to pay.
      if (told.version === 0) connection.chargeAnswer(batches[encoding].bytes.length);
      told.version = view.version;
      told.at = now;
      late.delete(connection);
      connection.writeAll([batches[encoding]]);
    }
    if (late.size === 0) this.#withLate.delete(watched);
    else {
      this.#withLate.add(watched);
      this.#timer ??= setTimeout(this.#tellLate, LATE_INTERVAL_MS);
    }
  }

  readonly #tellLate = (): void => {
    this.#timer = undefined;
    for (const watched of [...this.#withLate]) this.#tell(watched, watched.late);
  };

  /** A message to a connection is left out for the one that comes after it. */
  #conflate(connection: Connection): void {
    connection.conflated++;
    count(this.#counters, SHARD.conflated);
  }

  #count(by: number): void {
    countListed(this.#counters, SHARD.subscriptionsByChannel, CHANNEL_TYPES, "Presence", by);
  }
}
