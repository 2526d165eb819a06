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

interface Owner {
  readonly name: string | undefined;
  /** Least recently published first. */
  readonly channels: Set<Channel>;
}

interface Channel {
  readonly name: string;
  readonly owner: Owner;
  /** Oldest first. */
  readonly kept: Kept[];
  bytes: number;
  lastSeq: number;
  /** Of the latest publication that was dropped, or may have been before the channel was known. */
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
 * - *Bytes.* Where what is kept is too much, the channel that has most of it loses its oldest publication: so one
 *   that is flooded costs its own history and nobody else's.
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
  readonly #byBytes = new LargestFirst<Channel>();
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
    while (this.#bytes > channelHistoryBytes) this.#drop(this.#byBytes.largest as Channel, "bytes");
    return { seq, ts, data, userId };
  }

  /**
   * Where in a channel the publications since a `ts` begin: all that have a higher number than `after`.
   * @param max more than so many are not replayed, but the latest of them
   * @returns whether it is all that there was
   */
  find(name: string, since: number, max: number): { after: number; recovered: boolean } {
    const channel = this.#channels.get(name);
    if (channel === undefined)
      return { after: this.#forgottenSeq, recovered: since > this.#forgottenTs };
    this.#dropOld(channel);
    const { kept, lastSeq, droppedTs } = channel;
    let first = kept.length;
    while (first > 0 && (kept[first - 1] as Kept).ts >= since) first--;
    const count = Math.min(kept.length - first, max);
    const all = count === kept.length - first && since > droppedTs;
    return { after: lastSeq - count, recovered: all };
  }

  /**
   * What a channel has behind a number, at least one publication and no more than some bytes of JSON.
   * @returns `missing` where something behind that number is kept no more; `lastSeq` is the channel's latest
   */
  read(
    name: string,
    after: number,
    bytesMax: number,
  ): { publications: readonly KeptPublication[]; lastSeq: number; missing: boolean } {
    const channel = this.#channels.get(name);
    if (channel === undefined) {
      const lastSeq = Math.max(after, this.#forgottenSeq);
      return { publications: [], lastSeq, missing: after < this.#forgottenSeq };
    }
    this.#dropOld(channel);
    const { kept, lastSeq, droppedSeq } = channel;
    const publications: KeptPublication[] = [];
    let bytes = 0;
    for (let at = Math.max(0, kept.length - (lastSeq - after)); at < kept.length; at++) {
      const { seq, ts, data, userId, bytes: own } = kept[at] as Kept;
      bytes += own;
      if (publications.length > 0 && bytes > bytesMax) break;
      publications.push({ seq, ts, data, userId });
    }
    return { publications, lastSeq, missing: after < droppedSeq };
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
    const owner = this.#owners.get(userId) ?? { name: userId, channels: new Set() };
    if (this.#channels.size >= this.#bounds.maxChannels && !this.#makeRoom(owner)) return undefined;
    const lastSeq = Math.max(ts - 1, this.#forgottenSeq);
    const channel: Channel = {
      name,
      owner,
      kept: [],
      bytes: 0,
      lastSeq,
      droppedSeq: lastSeq,
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
    if (oldest.seq !== channel.droppedSeq + 1)
      throw new Error(`channel ${channel.name}: ${oldest.seq} follows ${channel.droppedSeq}`);
    channel.droppedSeq = oldest.seq;
    channel.droppedTs = oldest.ts;
    this.#resize(channel, -oldest.bytes);
    this.#origin.dropped(why, 1);
  }

  #resize(channel: Channel, by: number): void {
    const before = channel.bytes;
    channel.bytes += by;
    this.#bytes += by;
    this.#byBytes.resize(channel, before, channel.bytes);
  }
}
