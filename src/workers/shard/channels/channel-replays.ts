import type { HistoryFrom } from "../../../channels/channel-histories.js";
import { CLOSE } from "../../../contract/closings.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { HubNews } from "../../hub/messages.js";
import type { Connection } from "../connections/connection.js";
import type { CoalescedWrites } from "../trading/coalesced-writes.js";
import type {
  ChannelSubscription,
  SubscribedChannel,
  ToldPublication,
} from "./channel-subscriptions.js";

/** How often it is looked whether a slow connection has taken what it was sent, in ms. */
const LOOK_MS = 50;
/** Questions that may be under way, of all: the answer to one may be large. */
const QUESTIONS_MAX = 32;
/** What is kept of a channel while its history is asked for, in bytes of JSON. */
const RECENT_BYTES_MAX = 256 * 1024;

type HistoryNews = Extract<HubNews, { type: "history" }>;

/** What somebody is still to be sent of a channel's history. */
interface Replay {
  readonly channel: SubscribedChannel;
  /** Who it is for; all whom the channel's publications are told, where the shard itself has missed some. */
  readonly to: ChannelSubscription | undefined;
  /** Where it goes on. */
  from: HistoryFrom;
  /** Up to which number it has been told. */
  after: number;
  /** All of it has to be there. */
  readonly promised: boolean;
  /** Since it was asked for, the shard has missed what was published meanwhile. */
  lapped: boolean;
}

interface ChannelReplaysContext {
  /** Asks the hub what a channel's history has; returns the question's number, or undefined without a hub. */
  readonly ask: (channel: string, from: HistoryFrom) => number | undefined;
  readonly told: (
    channel: string,
    publication: HistoryNews["publications"][number],
  ) => ToldPublication;
}

/**
 * What was published before, told to those who asked for it, and to all where the ring has lapped this shard: some at
 * a time, and the next when the socket has taken those before, so that it costs no memory however much it is.
 *
 * A replay has come to its end when it has all that the hub knew, and all that the shard has read of the ring since
 * it asked, which is kept meanwhile in `recent`. What the ring still brings of what it has, it skips by `after`.
 *
 * A connection's replays go one after the other, and all of a shard together have a bounded number of answers on their
 * way, by turns.
 *
 * Invariants: a subscription has one replay at most, and is `replaying` exactly while it has; a channel has one
 * without a subscription at most, and is `repairing` exactly while it has; `questions` counts those about the channel
 * that are not answered, and `recent` is empty where it is 0; of a connection's replays only the first is asked for.
 */
export class ChannelReplays {
  readonly #counters: CounterSection;
  readonly #context: ChannelReplaysContext;
  /** By what they are for. */
  readonly #all = new Map<ChannelSubscription | SubscribedChannel, Replay>();
  readonly #asked = new Map<number, Replay>();
  /** Those that are to be asked for as soon as there is an answer less to come. */
  readonly #waiting = new Set<Replay>();
  /** Of each connection that has some, in the order in which they were begun. */
  readonly #byConnection = new Map<Connection, Set<Replay>>();

  constructor(counters: CounterSection, context: ChannelReplaysContext) {
    this.#counters = counters;
    this.#context = context;
  }

  /** Whether publications that the shard has missed are still to be told. */
  get repairing(): boolean {
    for (const { to } of this.#all.values()) if (to === undefined) return true;
    return false;
  }

  /** Tells a subscription what its channel has from somewhere on, and then what is new. */
  begin(subscription: ChannelSubscription, from: HistoryFrom, promised: boolean): void {
    this.end(subscription);
    const { channel, connection } = subscription;
    subscription.replaying = true;
    connection.channelReplays++;
    count(this.#counters, SHARD.replays);
    const { after } = from;
    subscription.after = after;
    const replay = { channel, to: subscription, from, after, promised, lapped: false };
    this.#all.set(subscription, replay);
    const own = this.#byConnection.get(connection) ?? new Set();
    this.#byConnection.set(connection, own.add(replay));
    if (own.size === 1) this.#ask(replay);
  }

  end(subscription: ChannelSubscription): void {
    const replay = this.#all.get(subscription);
    if (replay === undefined) return;
    const { connection } = subscription;
    this.#all.delete(subscription);
    this.#waiting.delete(replay);
    subscription.replaying = false;
    connection.channelReplays--;
    const own = this.#byConnection.get(connection);
    const [first] = own ?? [];
    own?.delete(replay);
    const [next] = own ?? [];
    if (next === undefined) this.#byConnection.delete(connection);
    else if (first === replay) this.#ask(next);
  }

  /**
   * The shard has missed publications of a channel: nobody is told others before those.
   * @param since nothing that was missed is earlier; undefined where it may be all that the hub has had
   */
  repair(channel: SubscribedChannel, since: number | undefined): void {
    if (channel.repairing) return;
    channel.repairing = true;
    const { lastSeq: after } = channel;
    const from = { after, since };
    const replay = { channel, to: undefined, from, after, promised: true, lapped: false };
    this.#all.set(channel, replay);
    this.#ask(replay);
  }

  /** The ring has lapped the shard: of what is asked for, what is kept is not all that came since. */
  lapped(): void {
    for (const replay of this.#asked.values()) {
      replay.lapped = true;
      forgetRecent(replay.channel);
    }
  }

  /** Keeps a publication that was read, where somebody may have to be told it later. */
  note(channel: SubscribedChannel, publication: ToldPublication, bytes: number): void {
    if (channel.questions === 0) return;
    channel.recent.push(publication);
    channel.recentBytes += bytes;
    // Then it is asked for again.
    if (channel.recentBytes > RECENT_BYTES_MAX) forgetRecent(channel);
  }

  /** Tells what the hub has answered. */
  take(
    writes: CoalescedWrites,
    { request, publications, next, lastSeq, missing }: HistoryNews,
  ): void {
    const replay = this.#asked.get(request);
    if (replay === undefined) return;
    this.#asked.delete(request);
    const { channel } = replay;
    if (this.#isUnderWay(replay)) {
      if (missing && replay.promised) this.#fail(replay);
      else {
        for (const one of publications)
          this.#tell(writes, replay, this.#context.told(channel.name, one));
        count(this.#counters, SHARD.replayedMessages, publications.length);
        replay.after = Math.max(replay.after, next.after);
        replay.from = next;
        this.#goOn(writes, replay, lastSeq);
      }
    }
    this.#answered(channel);
    for (const one of this.#waiting) {
      if (this.#asked.size >= QUESTIONS_MAX) return;
      this.#waiting.delete(one);
      this.#ask(one);
    }
  }

  /** What the hub was asked is not answered any more. */
  lost(): void {
    for (const { channel } of this.#asked.values()) this.#answered(channel);
    this.#asked.clear();
    this.#waiting.clear();
  }

  /** There is another hub: asks it for all that is still to be told. */
  askAgain(): void {
    for (const replay of this.#all.values()) if (replay.to === undefined) this.#ask(replay);
    for (const [first] of this.#byConnection.values()) if (first !== undefined) this.#ask(first);
  }

  #goOn(writes: CoalescedWrites, replay: Replay, lastSeq: number): void {
    const { channel, to } = replay;
    if (replay.after < lastSeq || replay.lapped) return this.#askWhenTaken(replay);
    const unread = channel.recent.filter(({ seq }) => seq > replay.after);
    const next = unread[0]?.seq ?? channel.lastSeq + 1;
    // It may have been too much to keep.
    if (channel.lastSeq > replay.after && next > replay.after + 1)
      return this.#askWhenTaken(replay);
    for (const one of unread) this.#tell(writes, replay, one);
    if (to !== undefined) return this.end(to);
    this.#all.delete(channel);
    channel.repairing = false;
  }

  #tell(writes: CoalescedWrites, replay: Replay, publication: ToldPublication): void {
    const { channel, to } = replay;
    const { seq } = publication;
    if (seq <= replay.after) return;
    replay.after = seq;
    if (to === undefined) return tellAll(writes, channel, publication);
    const { connection } = to;
    const batch = publication.batch(connection.encoding);
    connection.chargeAnswer(batch.bytes.length);
    to.after = seq;
    writes.put(connection, { ...batch, asked: true });
  }

  #fail({ channel, to }: Replay): void {
    if (to !== undefined) return to.connection.close(CLOSE.publicationsLost);
    this.#all.delete(channel);
    channel.repairing = false;
    for (const { connection, replaying } of [...channel.subscriptions.values()])
      if (!replaying) connection.close(CLOSE.publicationsLost);
  }

  /** Asks on when the connection has taken what it was sent; who has missed something is not waited for. */
  #askWhenTaken(replay: Replay, ms = 0): void {
    const { to } = replay;
    if (to === undefined) return this.#ask(replay);
    setTimeout(() => {
      if (!this.#isUnderWay(replay)) return;
      if (hasRoom(to.connection)) this.#ask(replay);
      else this.#askWhenTaken(replay, LOOK_MS);
    }, ms);
  }

  #ask(replay: Replay): void {
    const { channel, from } = replay;
    replay.lapped = false;
    if (this.#asked.size >= QUESTIONS_MAX) {
      this.#waiting.add(replay);
      return;
    }
    const request = this.#context.ask(channel.name, from);
    if (request === undefined) return;
    this.#asked.set(request, replay);
    channel.questions++;
  }

  #answered(channel: SubscribedChannel): void {
    channel.questions--;
    if (channel.questions < 0) throw new Error(`channel ${channel.name}: an answer too many`);
    if (channel.questions === 0) forgetRecent(channel);
  }

  #isUnderWay(replay: Replay): boolean {
    return this.#all.get(replay.to ?? replay.channel) === replay;
  }
}

/** Tells a publication to all who have the channel and are to be told it. */
export function tellAll(
  writes: CoalescedWrites,
  channel: SubscribedChannel,
  publication: ToldPublication,
): void {
  for (const subscription of channel.subscriptions.values()) {
    const { connection, replaying, after } = subscription;
    if (replaying || publication.seq <= after) continue;
    subscription.after = publication.seq;
    writes.put(connection, publication.batch(connection.encoding));
  }
}

function forgetRecent(channel: SubscribedChannel): void {
  channel.recent.length = 0;
  channel.recentBytes = 0;
}

function hasRoom({ blocked, hasQueue, held }: Connection): boolean {
  return !blocked && !hasQueue && !held;
}
