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
  ChannelSubscriptions,
  type ToldPublication,
} from "./channel-subscriptions.js";
import { PublicationReader } from "./publication-reader.js";
import { Publishing } from "./publishing.js";

/** How long publications are told before markets have their turn again, in ms. */
const POLL_MS_MAX = 2;

type WithoutNumber<T> = T extends unknown ? Omit<T, "request"> : never;

interface ChannelsContext {
  readonly options: Pick<ShardOptions, "maxPublishesPerSecond" | "maxReplayMessages">;
  readonly outbox: Outbox;
  readonly counters: CounterSection;
  readonly hold: RequestHold;
  readonly hub: { readonly connected: boolean; send(request: ChannelRequest): void };
  readonly members?: ChannelMembersListener;
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
  /** What was read in a poll goes out with its end. */
  #writes: CoalescedWrites;
  /** Nothing that the ring has lapped this shard with is earlier. */
  #lappedTs = 0;

  constructor(context: ChannelsContext) {
    const { counters, options, outbox, hold, members } = context;
    this.#context = context;
    this.#writes = new CoalescedWrites(outbox);
    this.#subscriptions = new ChannelSubscriptions(counters, members);
    this.#replays = new ChannelReplays(counters, {
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
   * @param ts nothing in the ring is earlier that will be read, where it is the first
   */
  setMemory(memory: MarketMemory, ts: number): void {
    const before = this.#reader;
    while (before?.pending === true) this.poll();
    this.#lostBefore = 0;
    const [from, lastTs] =
      before === undefined ? (["tail", ts] as const) : (["start", before.lastTs] as const);
    this.#reader = new PublicationReader(memory, from, lastTs, {
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
    reader.poll(performance.now() + POLL_MS_MAX);
    count(this.#context.counters, SHARD.publicationsOverwritten, reader.lost - this.#lostBefore);
    this.#lostBefore = reader.lost;
    this.#flush();
  }

  #published(publication: PublicationRecord): void {
    const channel = this.#subscriptions.find(publication.channel);
    if (channel === undefined) return;
    const told = this.#told(publication);
    channel.lastSeq = publication.seq;
    this.#replays.note(channel, told, publication.data.length);
    if (!channel.repairing) tellAll(this.#writes, channel, told);
  }

  #lapped(): void {
    count(this.#context.counters, SHARD.publicationsLapped);
    const since = this.#reader?.lastTs ?? 0;
    if (!this.#replays.repairing) this.#lappedTs = since;
    this.#replays.lapped();
    for (const channel of this.#subscriptions.all) this.#replays.repair(channel, since);
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

  #flush(): void {
    const writes = this.#writes;
    this.#writes = new CoalescedWrites(this.#context.outbox);
    writes.send();
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
    for (const channel of channels) {
      const subscription = this.#subscriptions.add(connection, channel.params.channel);
      const history = found.get(channel);
      if (history?.after !== undefined) {
        // It may have had the channel, and wants it from there on again.
        subscription.after = history.after;
        this.#replays.begin(subscription, history.after, history.recovered);
      }
    }
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
    this.#replays.lost();
    this.#publishing.lost(this.#writes);
    this.#flush();
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
          this.#replays.take(this.#writes, one);
          break;
        default:
          one satisfies never;
      }
    }
    this.#flush();
  }

  #send(request: WithoutNumber<ChannelRequest>): number | undefined {
    const { hub } = this.#context;
    if (!hub.connected) return undefined;
    hub.send({ ...request, request: ++this.#lastRequest });
    return this.#lastRequest;
  }
}
