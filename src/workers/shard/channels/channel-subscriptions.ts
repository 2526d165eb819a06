import { CHANNEL_TYPES } from "../../../contract/channel-kinds.js";
import { type CounterSection, countListed, SHARD } from "../../../counters/counters.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";

/** A publication as this shard has read it, encoded once in each encoding that somebody has. */
export interface ToldPublication {
  readonly seq: number;
  readonly batch: (encoding: number) => PrivateBatch;
}

/** A connection's subscription to a channel. */
export interface ChannelSubscription {
  readonly connection: Connection;
  readonly channel: SubscribedChannel;
  /** What has no higher number it has been sent, or is not to be. */
  after: number;
  /** It is sent what there was before, and until that is through nothing else. */
  replaying: boolean;
}

/** A channel that some connection of this shard has. */
export interface SubscribedChannel {
  readonly name: string;
  readonly subscriptions: Map<Connection, ChannelSubscription>;
  /** Of the latest publication that the shard has read while somebody had the channel; 0 where there was none. */
  lastSeq: number;
  /** Up to which number it has been told to all but those with a replay of their own; 0 where nothing has. */
  toldSeq: number;
  /** Laps of the ring that it has been repaired of, or that were before it. */
  laps: number;
  /** Questions to the hub about its history that are under way. */
  questions: number;
  /** What was read since the first of them, contiguous to the last; see ChannelReplays. */
  readonly recent: ToldPublication[];
  recentBytes: number;
}

/** Hears who has a channel, and who has it no more. */
export interface ChannelMembersListener {
  readonly entered: (connection: Connection, channel: string) => void;
  readonly left: (connection: Connection, channel: string) => void;
}

/**
 * Who has which of the channels that users publish to. Kept apart from the audiences of market data, as channels of
 * wallets are: names of their own would leave everybody in an audience of their own.
 *
 * Invariant: a channel is here exactly while a connection has it, and in `connection.channels` exactly while that
 * connection does.
 */
export class ChannelSubscriptions {
  readonly #counters: CounterSection;
  readonly #listener: ChannelMembersListener | undefined;
  readonly #byName = new Map<string, SubscribedChannel>();
  #laps = 0;

  constructor(counters: CounterSection, listener?: ChannelMembersListener) {
    this.#counters = counters;
    this.#listener = listener;
  }

  get all(): Iterable<SubscribedChannel> {
    return this.#byName.values();
  }

  /** Publications of any channel that there is may have been overwritten before they were read. */
  lapped(): void {
    this.#laps++;
  }

  /** Whether that may be so of a channel: nobody is told any of it until those are here. */
  isBehind({ laps }: SubscribedChannel): boolean {
    return laps < this.#laps;
  }

  /** All of them are here. */
  repaired(channel: SubscribedChannel): void {
    channel.laps = this.#laps;
  }

  find(name: string): SubscribedChannel | undefined {
    return this.#byName.get(name);
  }

  /** Subscribes, or returns the subscription that there is. */
  add(connection: Connection, name: string): ChannelSubscription {
    const channel = this.#byName.get(name) ?? emptyChannel(name, this.#laps);
    this.#byName.set(name, channel);
    const known = channel.subscriptions.get(connection);
    if (known !== undefined) return known;
    const subscription = { connection, channel, after: 0, replaying: false };
    channel.subscriptions.set(connection, subscription);
    connection.channels ??= new Set();
    connection.channels.add(name);
    this.#count(1);
    this.#listener?.entered(connection, name);
    return subscription;
  }

  /** Ends a subscription, and returns it where there was one. */
  remove(connection: Connection, name: string): ChannelSubscription | undefined {
    const channel = this.#byName.get(name);
    const subscription = channel?.subscriptions.get(connection);
    if (channel === undefined || subscription === undefined) return undefined;
    channel.subscriptions.delete(connection);
    connection.channels?.delete(name);
    if (channel.subscriptions.size === 0) this.#byName.delete(name);
    this.#count(-1);
    this.#listener?.left(connection, name);
    return subscription;
  }

  #count(by: number): void {
    countListed(this.#counters, SHARD.subscriptionsByChannel, CHANNEL_TYPES, "Private", by);
  }
}

function emptyChannel(name: string, laps: number): SubscribedChannel {
  return {
    name,
    subscriptions: new Map(),
    lastSeq: 0,
    toldSeq: 0,
    laps,
    questions: 0,
    recent: [],
    recentBytes: 0,
  };
}
