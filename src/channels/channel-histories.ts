import type { PublicationDrop } from "../counters/counters.js";
import { LargestFirst } from "./largest-first.js";

/** What somebody has published. */
export interface KeptPublication {
  readonly seq: number;
  /** Microseconds since the Unix epoch. */
  readonly ts: number;
  /** JSON. */
  readonly data: string;
  /** Undefined for an operator's. */
  readonly userId: string | undefined;
}

/** Where what somebody is to be told of a channel begins: behind a number, and not before a `ts`. */
export interface HistoryFrom {
  readonly after: number;
  /** Microseconds; undefined where nothing is known of what these histories have had. */
  readonly since: number | undefined;
}

/** What is published, before it has its place. */
interface Published {
  readonly channel: string;
  readonly data: string;
  readonly userId: string | undefined;
  /** Not less than that of any before. */
  readonly ts: number;
  /** Bytes of `data` in UTF-8. */
  readonly bytes: number;
}

/** Publications of a channel, in their order, and what is known of the others. */
interface HistoryPart {
  readonly publications: readonly KeptPublication[];
  readonly next: HistoryFrom;
  readonly lastSeq: number;
  readonly missing: boolean;
}

interface HistoryBounds {
  /** Publications that are kept of a channel, and for how long, in ms. */
  readonly channelHistorySize: number;
  readonly channelHistoryTimeMs: number;
  /** What all that is kept may take, in bytes; see {@link PUBLICATION_COST_BYTES}. */
  readonly channelHistoryBytes: number;
  readonly maxChannels: number;
}

interface Origin {
  /** The latest `ts` that may have been told before; what is published here has a later `seq` than `seq`. */
  readonly ts: number;
  readonly seq: number;
  /** Milliseconds of a clock that goes on evenly. */
  readonly now: () => number;
  readonly dropped: (why: PublicationDrop, publications: number) => void;
}

interface Kept extends KeptPublication {
  readonly bytes: number;
  readonly until: number;
}

/** Who has made channels. */
interface Owner {
  readonly name: string | undefined;
  /** Least recently published first. */
  readonly channels: Set<Channel>;
  readonly byBytes: LargestFirst<Channel>;
  /** Of what is kept of them. */
  bytes: number;
}

interface Channel {
  readonly name: string;
  readonly owner: Owner;
  /** Oldest first. */
  readonly kept: Kept[];
  bytes: number;
  lastSeq: number;
  /** No publication that was dropped has a higher number or a later time, nor one before the channel was known. */
  droppedSeq: number;
  droppedTs: number;
}

/** What a publication is counted as besides its JSON. */
const PUBLICATION_COST_BYTES = 256;
/** Channels whose old publications are looked for at once. */
const SWEPT_AT_ONCE = 1000;

/**
 * The channels that users publish to: what has which place in which, and what is kept of it, within bounds.
 *
 * - *Numbers.* A channel counts up by one with each publication. It begins at the microsecond of its first one, and
 *   beyond every number that a channel has had which was forgotten, so that a number never comes twice in a
 *   channel, nor does a lower one after a higher: not when the channel was forgotten and comes again, and not over
 *   producers.
 * - *Gaps.* Whoever asks says behind which number and since when something may be missing to it. What has both a lower
 *   number and an earlier time than whatever was dropped is no loss, so neither where a channel's numbers begin nor
 *   what became of other channels is taken for one.
 * - *Bytes.* Where what is kept is too much, the user whose channels have most of it loses the oldest publication of the
 *   one that has most: so a flood, of one channel or of many, costs the histories of who has made them and nobody else's.
 * - *Channels.* One whose publications have all had their time is forgotten when its place is wanted, the one that
 *   has been idle for longest first. Where none is idle, who has had more channels than the newcomer made loses the
 *   least recent one; where nobody has, the newcomer is refused. So nobody keeps others out, whatever they hold.
 *
 * Invariants: a channel's publications have contiguous numbers up to its last one, and times that do not decrease;
 * there are never more channels, nor more bytes, than the bounds allow, nor more publications of a channel.
 */
export class ChannelHistories {
  readonly #bounds: HistoryBounds;
  readonly #origin: Origin;
  /** Least recently published first. */
  readonly #channels = new Map<string, Channel>();
  readonly #owners = new Map<string | undefined, Owner>();
  readonly #byBytes = new LargestFirst<Owner>();
  readonly #byChannels = new LargestFirst<Owner>();
  #bytes = 0;
  /** The highest number and the latest time of what was forgotten with its channel, or told by others before. */
  #forgottenSeq: number;
  #forgottenTs: number;
  #sweep: Iterator<Channel> | undefined;

  constructor(bounds: HistoryBounds, origin: Origin) {
    this.#bounds = bounds;
    this.#origin = origin;
    this.#forgottenSeq = origin.seq;
    this.#forgottenTs = origin.ts;
  }

  /** Channels that are known. */
  get channels(): number {
    return this.#channels.size;
  }

  /** What is kept of all, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives a publication its place, and keeps it; undefined where there is no room for another channel. */
  publish({ channel: name, data, userId, ts, bytes }: Published): KeptPublication | undefined {
    const channel = this.#channels.get(name) ?? this.#open(name, userId, ts);
    if (channel === undefined) return undefined;
    const seq = ++channel.lastSeq;
    // The most recent one is the last.
    this.#channels.delete(name);
    this.#channels.set(name, channel);
    channel.owner.channels.delete(channel);
    channel.owner.channels.add(channel);
    const { channelHistorySize, channelHistoryTimeMs, channelHistoryBytes } = this.#bounds;
    const until = this.#origin.now() + channelHistoryTimeMs;
    const kept = { seq, ts, data, userId, bytes: bytes + PUBLICATION_COST_BYTES, until };
    channel.kept.push(kept);
    this.#resize(channel, kept.bytes);
    this.#dropOld(channel);
    if (channel.kept.length > channelHistorySize) this.#drop(channel, "size");
    while (this.#bytes > channelHistoryBytes)
      this.#drop(this.#byBytes.largest?.byBytes.largest as Channel, "bytes");
    return { seq, ts, data, userId };
  }

  /**
   * Where in a channel the publications since a `ts` begin.
   * @param max more than so many are not replayed, but the latest of them
   * @param now nothing will be published that is earlier
   * @returns whether it is all that there was
   */
  find(
    name: string,
    since: number,
    max: number,
    now: number,
  ): { from: HistoryFrom; recovered: boolean } {
    const channel = this.#channels.get(name);
    const isPast = since <= now;
    if (channel === undefined) {
      const from = { after: this.#forgottenSeq, since: now };
      return { from, recovered: isPast && since > this.#forgottenTs };
    }
    this.#dropOld(channel);
    const { kept, lastSeq, droppedTs } = channel;
    let first = kept.length;
    while (first > 0 && (kept[first - 1] as Kept).ts >= since) first--;
    const count = Math.min(kept.length - first, max);
    const all = count === kept.length - first && since > droppedTs;
    const from = { after: lastSeq - count, since: Math.min(since, now) };
    return { from, recovered: isPast && all };
  }

  /**
   * What a channel has from somewhere on, at least one publication and no more than some bytes.
   * @param now nothing will be published that is earlier
   * @returns `missing` where some of it is kept no more; `next` is where it goes on, and `lastSeq` the channel's latest
   *   number: where `next` has come to that, there is no more
   */
  read(name: string, from: HistoryFrom, bytesMax: number, now: number): HistoryPart {
    const { after, since = this.#origin.ts + 1 } = from;
    const channel = this.#channels.get(name);
    if (channel === undefined) {
      const missing = after < this.#forgottenSeq && since <= this.#forgottenTs;
      const lastSeq = Math.max(after, this.#forgottenSeq);
      return { publications: [], lastSeq, next: { after: lastSeq, since: now }, missing };
    }
    this.#dropOld(channel);
    const { kept, droppedSeq, droppedTs } = channel;
    const lastSeq = Math.max(after, channel.lastSeq);
    const missing = after < droppedSeq && since <= droppedTs;
    const publications: KeptPublication[] = [];
    let next: HistoryFrom | undefined;
    let bytes = 0;
    for (let at = Math.max(0, kept.length - (lastSeq - after)); at < kept.length; at++) {
      const { seq, ts, data, userId, bytes: own } = kept[at] as Kept;
      if (ts < since) continue;
      bytes += own;
      if (publications.length > 0 && bytes > bytesMax) break;
      publications.push({ seq, ts, data, userId });
      next = { after: seq, since: ts };
    }
    if (next === undefined || next.after === lastSeq) next = { after: lastSeq, since: now };
    return { publications, lastSeq, next, missing };
  }

  /** Drops of some channels what has had its time; called again and again it goes round all of them. */
  sweep(): void {
    this.#sweep ??= this.#channels.values();
    for (let swept = 0; swept < SWEPT_AT_ONCE; swept++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      this.#dropOld(next.value);
    }
  }

  #open(name: string, userId: string | undefined, ts: number): Channel | undefined {
    const owner = this.#owners.get(userId) ?? newOwner(userId);
    if (this.#channels.size >= this.#bounds.maxChannels && !this.#makeRoom(owner)) return undefined;
    const lastSeq = Math.max(ts - 1, this.#forgottenSeq);
    const channel: Channel = {
      name,
      owner,
      kept: [],
      bytes: 0,
      lastSeq,
      droppedSeq: this.#forgottenSeq,
      droppedTs: this.#forgottenTs,
    };
    this.#channels.set(name, channel);
    this.#owners.set(userId, owner);
    owner.channels.add(channel);
    const { size } = owner.channels;
    this.#byChannels.resize(owner, size - 1, size);
    return channel;
  }

  /** Forgets a channel for an owner's next one, where one may be. */
  #makeRoom({ channels: own }: Owner): boolean {
    for (const channel of this.#channels.values()) {
      this.#dropOld(channel);
      if (channel.kept.length > 0) break;
      this.#forget(channel);
      return true;
    }
    const most = this.#byChannels.largest?.channels ?? own;
    if (most.size <= own.size + 1) return false;
    for (const channel of most) {
      this.#forget(channel);
      return true;
    }
    return false;
  }

  #forget(channel: Channel): void {
    const { name, owner } = channel;
    this.#forgottenSeq = Math.max(this.#forgottenSeq, channel.lastSeq);
    while (channel.kept.length > 0) this.#drop(channel, "channels");
    this.#forgottenTs = Math.max(this.#forgottenTs, channel.droppedTs);
    this.#channels.delete(name);
    owner.channels.delete(channel);
    const { size } = owner.channels;
    this.#byChannels.resize(owner, size + 1, size);
    if (size === 0) this.#owners.delete(owner.name);
  }

  #dropOld(channel: Channel): void {
    const now = this.#origin.now();
    while (channel.kept[0] !== undefined && channel.kept[0].until <= now)
      this.#drop(channel, "time");
  }

  #drop(channel: Channel, why: PublicationDrop): void {
    const oldest = channel.kept.shift();
    if (oldest === undefined) throw new Error(`channel ${channel.name}: there is nothing to drop`);
    const next = channel.kept[0]?.seq ?? channel.lastSeq + 1;
    if (next !== oldest.seq + 1)
      throw new Error(`channel ${channel.name}: ${next} follows ${oldest.seq}`);
    channel.droppedSeq = oldest.seq;
    channel.droppedTs = oldest.ts;
    this.#resize(channel, -oldest.bytes);
    this.#origin.dropped(why, 1);
  }

  #resize(channel: Channel, by: number): void {
    const { owner } = channel;
    const before = [channel.bytes, owner.bytes] as const;
    channel.bytes += by;
    owner.bytes += by;
    this.#bytes += by;
    owner.byBytes.resize(channel, before[0], channel.bytes);
    this.#byBytes.resize(owner, before[1], owner.bytes);
  }
}

function newOwner(name: string | undefined): Owner {
  return { name, channels: new Set(), byBytes: new LargestFirst(), bytes: 0 };
}
