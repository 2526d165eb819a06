import type { HistoryFrom } from "../../../channels/channel-histories.js";
import { CLOSE } from "../../../contract/closings.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { HubNews } from "../../hub/messages.js";
import type { Connection } from "../connections/connection.js";
import type { CoalescedWrites } from "../trading/coalesced-writes.js";
import type {
  ChannelSubscription,
  ChannelSubscriptions,
  SubscribedChannel,
  ToldPublication,
} from "./channel-subscriptions.js";

/** How often it is looked whether a slow connection has taken what it was sent, in ms. */
const LOOK_MS = 50;
/** Questions that may be under way, of all: the answer to one may be large. */
const QUESTIONS_MAX = 32;
/** What is kept of a channel while its history is asked for, in bytes of JSON, and what each publication counts besides. */
const RECENT_BYTES_MAX = 256 * 1024;
const RECENT_COST_BYTES = 256;

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
  /** Since it was asked for, the shard has missed what was published meanwhile. */
  lapped: boolean;
}

/** An answer of the hub, and how many of its publications have been told. */
interface Answer {
  readonly news: HistoryNews;
  told: number;
}

interface ChannelReplaysContext {
  /** Whether there is a hub. */
  readonly connected: () => boolean;
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
 * it asked, which is kept meanwhile in `recent`. What the ring still brings of what it has, it skips by `after`. Where
 * something between is dropped before it was told, whoever it is for is closed: nobody is told less without knowing.
 *
 * A connection's replays go one after the other, and all of a shard together have a bounded number of answers on their
 * way, by turns. Channels to be repaired are found as there is room for their questions, one and one with others', and
 * what was answered is told for some time in a turn: so neither a lap of many channels nor a long history has others wait.
 *
 * Invariants: a subscription has one replay at most, and is `replaying` exactly while it has; a channel has one
 * without a subscription at most, and only while it is behind by a lap; `questions` counts those about the channel
 * whose answers have not been told, and `recent` is empty where it is 0; of a connection's replays only the first is
 * asked for.
 */
export class ChannelReplays {
  readonly #counters: CounterSection;
  readonly #subscriptions: ChannelSubscriptions;
  readonly #context: ChannelReplaysContext;
  /** By what they are for. */
  readonly #all = new Map<ChannelSubscription | SubscribedChannel, Replay>();
  readonly #asked = new Map<number, Replay>();
  readonly #answers: Answer[] = [];
  /** Those that are to be asked for as soon as there is an answer less to come. */
  readonly #waiting = new Set<Replay>();
  /** Of each connection that has some, in the order in which they were begun. */
  readonly #byConnection = new Map<Connection, Set<Replay>>();
  /** Channels that may be behind by a lap; undefined where none is but those that are being repaired. */
  #behind: Iterator<SubscribedChannel> | undefined;
  /** Channels that are being repaired. */
  #repairs = 0;
  #repairsNext = false;
  /** Since when they may have missed something, the first of them. */
  #behindSince: number | undefined;

  constructor(
    counters: CounterSection,
    subscriptions: ChannelSubscriptions,
    context: ChannelReplaysContext,
  ) {
    this.#counters = counters;
    this.#subscriptions = subscriptions;
    this.#context = context;
  }

  /** Whether publications that the shard has missed are still to be told. */
  get repairing(): boolean {
    return this.#repairs > 0 || this.#behind !== undefined;
  }

  /** Tells a subscription what its channel has from somewhere on, and then what is new. */
  begin(subscription: ChannelSubscription, from: HistoryFrom): void {
    this.end(subscription);
    const { channel, connection } = subscription;
    subscription.replaying = true;
    connection.channelReplays++;
    count(this.#counters, SHARD.replays);
    const { after } = from;
    subscription.after = after;
    const replay = { channel, to: subscription, from, after, lapped: false };
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
   * The ring has lapped the shard: of each channel nobody is told other publications before those that are missing,
   * and of what is asked for, what is kept is not all that came since.
   * @param since nothing that was missed is earlier; undefined where it may be all that the hub has had
   */
  lapped(since: number | undefined): void {
    if (!this.repairing) this.#behindSince = since;
    for (const replay of this.#asked.values()) {
      replay.lapped = true;
      forgetRecent(replay.channel);
    }
    this.#subscriptions.lapped();
    this.#behind = this.#subscriptions.all[Symbol.iterator]();
    this.#askNext();
  }

  /** Keeps a publication that was read, where somebody may have to be told it later. */
  note(channel: SubscribedChannel, publication: ToldPublication, bytes: number): void {
    if (channel.questions === 0) return;
    channel.recent.push(publication);
    channel.recentBytes += bytes + RECENT_COST_BYTES;
    // Then it is asked for again.
    if (channel.recentBytes > RECENT_BYTES_MAX) forgetRecent(channel);
  }

  /** Hears what the hub has answered, which is to be {@link tell told}. */
  hear(news: HistoryNews): void {
    if (this.#asked.has(news.request)) this.#answers.push({ news, told: 0 });
  }

  /**
   * Tells what the hub has answered.
   * @param isOver asked after each publication
   * @returns whether there is more to tell, as it was over before the end
   */
  tell(writes: CoalescedWrites, isOver: () => boolean): boolean {
    for (let answer = this.#answers[0]; answer !== undefined; answer = this.#answers[0]) {
      const { request } = answer.news;
      const replay = this.#asked.get(request) as Replay;
      if (this.#isUnderWay(replay) && this.#tellAnswer(writes, replay, answer, isOver)) return true;
      this.#answers.shift();
      this.#asked.delete(request);
      if (this.#isUnderWay(replay)) this.#goOn(replay, answer.news);
      this.#answered(replay.channel);
      this.#askNext();
    }
    return false;
  }

  /** What the hub was asked and has not answered it never will. */
  lost(writes: CoalescedWrites): void {
    this.tell(writes, () => false);
    for (const { channel } of this.#asked.values()) this.#answered(channel);
    this.#asked.clear();
    this.#waiting.clear();
  }

  /** There is another hub: asks it for all that is still to be told. */
  askAgain(): void {
    for (const replay of this.#all.values()) if (replay.to === undefined) this.#ask(replay);
    for (const [first] of this.#byConnection.values()) if (first !== undefined) this.#ask(first);
    this.#askNext();
  }

  /** Tells a replay what was answered, and where that is all, what was read since; returns whether it was over before. */
  #tellAnswer(
    writes: CoalescedWrites,
    replay: Replay,
    answer: Answer,
    isOver: () => boolean,
  ): boolean {
    const { channel } = replay;
    const { publications, next, lastSeq, missing } = answer.news;
    if (missing) return false;
    while (answer.told < publications.length) {
      const publication = publications[answer.told++] as (typeof publications)[number];
      this.#tell(writes, replay, this.#context.told(channel.name, publication));
      count(this.#counters, SHARD.replayedMessages);
      if (isOver()) return true;
    }
    replay.after = Math.max(replay.after, next.after);
    replay.from = next;
    if (replay.after < lastSeq || replay.lapped || this.#lacks(replay)) return false;
    for (const one of channel.recent.filter(({ seq }) => seq > replay.after)) {
      this.#tell(writes, replay, one);
      if (isOver()) return true;
    }
    return false;
  }

  /** Whether something was read of a replay's channel that is not kept, as it was too much. */
  #lacks({ channel, after }: Replay): boolean {
    if (channel.lastSeq <= after) return false;
    const next = channel.recent.find(({ seq }) => seq > after);
    return next === undefined || next.seq > after + 1;
  }

  /** A replay has been told an answer: ends it where that was all. */
  #goOn(replay: Replay, { lastSeq, missing }: HistoryNews): void {
    const { channel, to, after } = replay;
    if (missing) return this.#fail(replay);
    if (after < lastSeq || replay.lapped || channel.lastSeq > after)
      return this.#askWhenTaken(replay);
    if (to !== undefined) return this.end(to);
    this.#repaired(channel);
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
    this.#repaired(channel);
    for (const { connection, replaying } of [...channel.subscriptions.values()])
      if (!replaying) connection.close(CLOSE.publicationsLost);
  }

  #repaired(channel: SubscribedChannel): void {
    this.#all.delete(channel);
    this.#repairs--;
    this.#subscriptions.repaired(channel);
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

  /** Asks for what waits, as much as may be under way: a channel to be repaired, another replay, and so on. */
  #askNext(): void {
    while (this.#asked.size < QUESTIONS_MAX) {
      this.#repairsNext = !this.#repairsNext;
      const next = this.#repairsNext
        ? (this.#nextRepair() ?? this.#nextWaiting())
        : (this.#nextWaiting() ?? this.#nextRepair());
      if (next === undefined) return;
      this.#ask(next);
    }
  }

  #nextWaiting(): Replay | undefined {
    const [next] = this.#waiting;
    if (next !== undefined) this.#waiting.delete(next);
    return next;
  }

  /** Begins to repair another channel that is behind; undefined where none is, or no hub to ask. */
  #nextRepair(): Replay | undefined {
    while (this.#behind !== undefined && this.#context.connected()) {
      const { value: channel, done } = this.#behind.next();
      if (done === true) this.#behind = undefined;
      else if (this.#subscriptions.isBehind(channel) && !this.#all.has(channel)) {
        const { toldSeq: after } = channel;
        const from = { after, since: this.#behindSince };
        const replay = { channel, to: undefined, from, after, lapped: false };
        this.#all.set(channel, replay);
        this.#repairs++;
        return replay;
      }
    }
    return undefined;
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
  channel.toldSeq = Math.max(channel.toldSeq, publication.seq);
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
