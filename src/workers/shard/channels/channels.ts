import type { HistoryFrom } from "../../../channels/channel-histories.js";
import type { MessageFault } from "../../../codec/decode.js";
import type { ShardOptions } from "../../../config/thread-options.js";
import type { NamedChannel } from "../../../contract/channel-kinds.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { MarketMemory } from "../../../ring/market-memory.js";
import type { PublicationRecord } from "../../../ring/publication-record.js";
import type { ChannelNews, ChannelRequest } from "../../hub/messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import type { Outbox } from "../connections/outbox.js";
import { CoalescedWrites } from "../trading/coalesced-writes.js";
import type { RequestHold } from "../trading/shard-sessions.js";
import { ChannelReplays, tellAll } from "./channel-replays.js";
import { ChannelSearches, type FoundHistory } from "./channel-searches.js";
import {
  type ChannelMembersListener,
  type ChannelSubscription,
  ChannelSubscriptions,
  type ToldPublication,
} from "./channel-subscriptions.js";
import { PublicationReader } from "./publication-reader.js";
import { Publishing } from "./publishing.js";

/** How long publications are told before markets have their turn again, in ms, and histories before all else has. */
const POLL_MS_MAX = 2;
const HISTORY_MS_MAX = 4;
/** What is told goes out with so many bytes, or the end of the turn: writing it is a part of the time it takes. */
const WRITE_BYTES = 256 * 1024;

type WithoutNumber<T> = T extends unknown ? Omit<T, "request"> : never;

interface ChannelsContext {
  readonly options: Pick<ShardOptions, "maxPublishesPerSecond" | "maxReplayMessages">;
  readonly outbox: Outbox;
  readonly counters: CounterSection;
  readonly hold: RequestHold;
  readonly hub: { readonly connected: boolean; send(request: ChannelRequest): void };
  readonly members?: ChannelMembersListener;
  /** A clock in ms; performance.now() by default. */
  readonly now?: () => number;
}

/**
 * A shard's part in the channels that users publish to: reads what was published from its ring and tells it to
 * those who have the channel, each of it, in the order of its numbers, encoded once; passes on what they publish.
 * Who does not take what was published for long is closed as one who does not take trades.
 */
export class Channels {
  readonly #context: ChannelsContext;
  readonly #subscriptions: ChannelSubscriptions;
  readonly #replays: ChannelReplays;
  readonly #searches: ChannelSearches;
  readonly #publishing: Publishing;
  #reader: PublicationReader | undefined;
  #lostBefore = 0;
  #lastRequest = 0;
  /** What is told in a turn goes out with its end, or where it is much. */
  readonly #writes: CoalescedWrites;
  /** Nothing that the ring has lapped this shard with is earlier. */
  #lappedTs = 0;
  /** More of what the hub has answered is told in the next turn. */
  #tellsOn = false;
  readonly #now: () => number;

  constructor(context: ChannelsContext) {
    const { counters, options, outbox, hold, members, now = () => performance.now() } = context;
    this.#now = now;
    this.#context = context;
    this.#writes = new CoalescedWrites(outbox);
    this.#subscriptions = new ChannelSubscriptions(counters, members);
    this.#replays = new ChannelReplays(counters, this.#subscriptions, {
      connected: () => context.hub.connected,
      ask: (channel, from) => this.#send({ type: "history", channel, from }),
      told: (channel, publication) => this.#told({ channel, ...publication }),
    });
    this.#searches = new ChannelSearches((channel, since) =>
      this.#send({ type: "recover", channel, since, max: options.maxReplayMessages }),
    );
    this.#publishing = new Publishing(counters, options.maxPublishesPerSecond, hold, (request) =>
      this.#send(request),
    );
  }

  // --- What was published -------------------------------------------------------------------------

  /**
   * Takes a producer's ring, from its tail on, or from its beginning where it has taken another one's place: what is
   * left in that, which is final, is told first.
   * @param ts nothing in the ring is earlier that will be read, where it is the first one
   */
  setMemory(memory: MarketMemory, ts: number): void {
    const before = this.#reader;
    while (before?.pending === true) this.poll();
    this.#lostBefore = 0;
    const from = before === undefined ? "tail" : "start";
    this.#reader = new PublicationReader(memory, from, before?.lastTs ?? ts, {
      wanted: (channel) => this.#subscriptions.find(channel) !== undefined,
      published: (publication) => this.#published(publication),
      lapped: () => this.#lapped(),
    });
  }

  /** Whether there is something to {@link poll}. */
  get pending(): boolean {
    return this.#reader?.pending === true;
  }

  /** Everything of channels with a lower `ts` has been told to those who are live, in microseconds. */
  get position(): number {
    if (this.#replays.repairing) return this.#lappedTs;
    return this.#reader?.position ?? 0;
  }

  /** Tells what was published, for some time. */
  poll(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const deadline = this.#now() + POLL_MS_MAX;
    reader.poll(() => this.#isOver(deadline));
    count(this.#context.counters, SHARD.publicationsOverwritten, reader.lost - this.#lostBefore);
    this.#lostBefore = reader.lost;
    this.#writes.send();
  }

  #published(publication: PublicationRecord): void {
    const channel = this.#subscriptions.find(publication.channel);
    if (channel === undefined) return;
    const told = this.#told(publication);
    channel.lastSeq = publication.seq;
    this.#replays.note(channel, told, publication.data.length);
    if (!this.#subscriptions.isBehind(channel)) tellAll(this.#writes, channel, told);
  }

  #lapped(): void {
    count(this.#context.counters, SHARD.publicationsLapped);
    const { lastTs, since } = this.#reader as PublicationReader;
    if (!this.#replays.repairing) this.#lappedTs = lastTs;
    this.#replays.lapped(since);
  }

  /** Of a publication, which is encoded when somebody has to be told it. */
  #told({ channel, seq, ts, data, userId }: PublicationRecord): ToldPublication {
    const batches: (PrivateBatch | undefined)[] = [];
    const batch = (encoding: number): PrivateBatch => {
      batches[encoding] ??= this.#context.outbox.encode(encoding, {
        type: "Publication",
        data: {
          channel,
          data: JSON.parse(data),
          seq,
          ts,
          ...(userId !== undefined && { user_id: userId }),
        },
      });
      return batches[encoding];
    };
    return { seq, batch };
  }

  /** Writes what was told where that is much; returns whether a moment has come. */
  #isOver(deadline: number): boolean {
    if (this.#writes.bytes >= WRITE_BYTES) this.#writes.send();
    return this.#now() >= deadline;
  }

  // --- What connections ask -----------------------------------------------------------------------

  /** Finds which of what channels have had since a moment is still there; see {@link ChannelSearches}. */
  find(
    channels: readonly (NamedChannel & { readonly since: number })[],
    found: (histories: ReadonlyMap<NamedChannel, FoundHistory>) => void,
  ): void {
    this.#searches.find(channels, found);
  }

  /** Subscribes; what was found of the channels comes first. */
  subscribe(
    connection: Connection,
    channels: readonly NamedChannel[],
    found: ReadonlyMap<NamedChannel, FoundHistory>,
  ): void {
    const from = new Map<ChannelSubscription, HistoryFrom>();
    for (const channel of channels) {
      const subscription = this.#subscriptions.add(connection, channel.params.channel);
      const begins = found.get(channel)?.from;
      // Where a request names a channel several times, all that any asks for comes.
      const known = from.get(subscription);
      if (begins !== undefined && (known === undefined || begins.after < known.after))
        from.set(subscription, begins);
    }
    // It may have had the channel, and wants it from there on again.
    for (const [subscription, begins] of from) this.#replays.begin(subscription, begins);
  }

  unsubscribe(connection: Connection, channels: readonly NamedChannel[]): void {
    for (const { params } of channels) {
      const ended = this.#subscriptions.remove(connection, params.channel);
      if (ended !== undefined) this.#replays.end(ended);
    }
  }

  /** Those who have a channel. */
  inChannel(name: string): Iterable<Connection> {
    return this.#subscriptions.find(name)?.subscriptions.keys() ?? [];
  }

  /** The channels of a connection. */
  of(connection: Connection): readonly NamedChannel[] {
    return [...(connection.channels ?? [])].map((channel) => ({
      type: "Private",
      params: { channel },
    }));
  }

  /** Forgets a connection that has ended. */
  forget(connection: Connection): void {
    this.unsubscribe(connection, this.of(connection));
  }

  /** Publishes; see {@link Publishing.publish}. */
  publish(...asked: Parameters<Publishing["publish"]>): MessageFault | undefined {
    return this.#publishing.publish(...asked);
  }

  // --- The hub ------------------------------------------------------------------------------------

  /** There is a hub, another one than before. */
  connected(): void {
    this.#searches.askAgain();
    this.#replays.askAgain();
  }

  /** The hub is gone: what it has not answered it never will. */
  lost(): void {
    this.#searches.lost();
    this.#replays.lost(this.#writes);
    this.#publishing.lost(this.#writes);
    this.#writes.send();
  }

  take(news: readonly ChannelNews[]): void {
    for (const one of news) {
      switch (one.type) {
        case "published":
        case "refusal":
          this.#publishing.take(this.#writes, one);
          break;
        case "recoverable":
          this.#searches.take(one);
          break;
        case "history":
          this.#replays.hear(one);
          break;
        default:
          one satisfies never;
      }
    }
    this.#writes.send();
    if (!this.#tellsOn) this.#tellHistories();
  }

  /** Tells what the hub has answered of histories, for some time in each turn. */
  #tellHistories(): void {
    const deadline = this.#now() + HISTORY_MS_MAX;
    this.#tellsOn = this.#replays.tell(this.#writes, () => this.#isOver(deadline));
    this.#writes.send();
    if (this.#tellsOn) setImmediate(() => this.#tellHistories());
  }

  #send(request: WithoutNumber<ChannelRequest>): number | undefined {
    const { hub } = this.#context;
    if (!hub.connected) return undefined;
    hub.send({ ...request, request: ++this.#lastRequest });
    return this.#lastRequest;
  }
}
