import type { PresenceChannel } from "../../../contract/channels-schema.js";
import type { CounterSection } from "../../../counters/counters.js";
import type { PresenceRequest, PresenceWord } from "../../hub/messages.js";
import type { Connection } from "../connections/connection.js";
import type { Outbox } from "../connections/outbox.js";
import type { FanOut } from "../fan-out/fan-out.js";
import type { Identity } from "../requests/authenticator.js";
import { PresenceCounting, type Present } from "./presence-counting.js";
import { PresenceWatchers } from "./presence-watchers.js";

/**
 * What a key costs that nobody watches yet, as so many bytes for each of the shard's connections: every shard
 * looks at all of its own once.
 */
const BEGIN_COST_BYTES = 8;

interface ShardPresenceParts {
  readonly fanOut: FanOut;
  readonly outbox: Outbox;
  readonly counters: CounterSection;
  /** The shard's connections. */
  readonly connections: () => ReadonlySet<Connection>;
  /** Those in a private channel. */
  readonly inChannel: (channel: string) => Iterable<Present>;
  /** Whether connections are on their way back to what they are subscribed to. */
  readonly restarting: () => boolean;
  readonly send: (request: PresenceRequest) => void;
}

/** A shard's part in presence: what it counts for all, and what its own connections are told. */
export class ShardPresence {
  readonly counting: PresenceCounting;
  readonly watchers: PresenceWatchers;
  readonly #parts: ShardPresenceParts;

  /** @param keysMax most markets and private channels whose presence is watched */
  constructor(parts: ShardPresenceParts, keysMax: number) {
    const { fanOut, inChannel, restarting, send } = parts;
    this.#parts = parts;
    this.counting = new PresenceCounting({
      audiences: () => fanOut.audiences,
      inChannel,
      restarting,
      tell: (shares) => send({ type: "presence", shares }),
    });
    this.watchers = new PresenceWatchers(parts.outbox, parts.counters, keysMax, {
      watch: (key) => send({ type: "presence-watch", key }),
      unwatch: (key) => send({ type: "presence-unwatch", key }),
    });
  }

  /** There is a hub, which knows nothing of this shard. */
  connected(): void {
    this.counting.reset();
    for (const key of this.watchers.keys) this.#parts.send({ type: "presence-watch", key });
  }

  /** The hub is gone. What was told last stands. */
  lost(): void {
    this.counting.reset();
  }

  take(item: PresenceWord): void {
    switch (item.type) {
      case "presence":
        return this.watchers.take(item.news);
      case "presence-count":
        return this.counting.count(item.key);
      case "presence-ignore":
        return this.counting.ignore(item.key);
      default:
        return item satisfies never;
    }
  }

  /** What it costs to begin with channels that nobody watches yet, in bytes. */
  beginningBytes(channels: readonly PresenceChannel[]): number {
    return BEGIN_COST_BYTES * this.#parts.connections().size * this.watchers.newOf(channels);
  }

  subscribe(connection: Connection, channels: readonly PresenceChannel[]): void {
    for (const channel of channels) this.watchers.add(connection, channel);
  }

  unsubscribe(connection: Connection, channels: readonly PresenceChannel[]): void {
    for (const channel of channels) this.watchers.remove(connection, channel);
  }

  /** A connection says who it is: it is counted as that user from now on. It stays the same one's for good. */
  identify(connection: Connection, identity: Identity): void {
    const { audience } = connection;
    if (audience !== undefined) this.counting.left(connection, audience);
    connection.identity = identity;
    if (audience !== undefined) this.counting.entered(connection, audience);
  }

  /** Forgets a connection that has ended. */
  forget(connection: Connection): void {
    this.unsubscribe(connection, this.watchers.of(connection));
  }

  stop(): void {
    this.counting.stop();
    this.watchers.stop();
  }
}
