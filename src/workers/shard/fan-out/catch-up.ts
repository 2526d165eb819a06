import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Audience, Member } from "./audience.js";
import type { Candles } from "./candles.js";
import { FrameRanges } from "./frame-ranges.js";
import type { MarketsChannel } from "./markets-channel.js";
import type { Mirror } from "./mirror.js";
import type { RoundFrames } from "./round-frames.js";

/**
 * Sends members that fell behind the latest state of whatever changed since the round they stopped at.
 * Members of an audience that stopped at the same round share a buffer, made once in a round.
 *
 * Invariants: nothing is sent to a member that is blocked; a member is due no more messages than it
 * missed; the rest of what it missed is counted as conflated, once.
 */
export class CatchUp {
  readonly #counters: CounterSection;
  readonly #frames: RoundFrames;
  readonly #markets: MarketsChannel;
  readonly #candles: Candles;
  readonly #ranges = new FrameRanges();
  readonly #drained = new Set<Member>();
  /** Audiences with batches of this round. */
  readonly #withBatches = new Set<Audience>();

  constructor(
    counters: CounterSection,
    frames: RoundFrames,
    markets: MarketsChannel,
    candles: Candles,
  ) {
    this.#candles = candles;
    this.#counters = counters;
    this.#frames = frames;
    this.#markets = markets;
  }

  beginRound(): void {
    for (const audience of this.#withBatches) audience.forgetBatches();
    this.#withBatches.clear();
  }

  /** Whether members wait to be caught up. */
  get hasDrained(): boolean {
    return this.#drained.size > 0;
  }

  /** Notes that a member takes what it missed while it did not; the round's end catches it up. */
  drained(member: Member): void {
    if (member.behind || member.hasQueue || this.#markets.missedBy(member))
      this.#drained.add(member);
  }

  /** The audiences of those. */
  drainedAudiences(): ReadonlySet<Audience> {
    const audiences = new Set<Audience>();
    for (const { audience } of this.#drained) if (audience !== undefined) audiences.add(audience);
    return audiences;
  }

  /** Catches up all that have drained. */
  sendToDrained(mirror: Mirror): void {
    for (const member of this.#drained) {
      if (!member.waiting) this.send(member, mirror);
    }
    this.#drained.clear();
  }

  /** Sends a member that is not blocked all that it is due, with the round's trades if any. */
  send(member: Member, mirror: Mirror, trades?: FrameBatch): void {
    const { audience } = member;
    if (!member.open) return;
    if (member.blocked)
      throw new Error(`catch-up: a blocked member of ${audience?.key} is sent what it is due`);
    const due = [...member.takeQueue()];
    if (audience === undefined) return member.writeAll(due);
    if (trades !== undefined) due.push(trades);
    due.push(...this.#dueStates(member, audience, mirror));
    if (this.#markets.missedBy(member)) due.push(...this.#markets.due(member, audience));
    member.writeAll(due);
  }

  /** What a member is due between two rounds, but for `Markets`: with it, it is current. */
  takeDue(member: Member, mirror: Mirror): readonly FrameBatch[] {
    const { audience } = member;
    const queue = member.takeQueue();
    return audience === undefined
      ? queue
      : [...queue, ...this.#dueStates(member, audience, mirror)];
  }

  /**
   * Counts, of what a member misses, what it will certainly not be sent: all but one message of each
   * stream, as far as is known without a look at the streams. The rest is counted when it is caught up.
   */
  countMissed(member: Member, audience: Audience): void {
    if (!member.behind) return;
    this.#countConflated(member, audience.offered - member.offeredAtMiss - audience.streamsMax);
  }

  /** What a member was due it will not get any more. */
  forget(member: Member): void {
    this.#drained.delete(member);
    const { audience } = member;
    if (audience === undefined || !member.behind) return;
    this.#countConflated(member, audience.offered - member.offeredAtMiss);
    member.caughtUp();
  }

  /** The latest of each stream that changed since the member fell behind. */
  #dueStates(member: Member, audience: Audience, mirror: Mirror): readonly FrameBatch[] {
    if (!member.behind) return [];
    const since = member.missedSince;
    this.#withBatches.add(audience);
    const ahead = [...audience.streams.keys()].filter((stream) => stream.ahead.has(member));
    let batch = ahead.length === 0 ? audience.catchUps.get(since) : undefined;
    if (batch === undefined) {
      batch = this.#latestSince(audience, since, mirror, ahead.length === 0 ? undefined : member);
      if (ahead.length === 0) audience.catchUps.set(since, batch);
    }
    for (const stream of ahead) if (stream.toldRound > since) stream.ahead.delete(member);
    const missed = audience.offered - member.offeredAtMiss;
    if (missed < batch.messages)
      throw new Error(
        `catch-up: ${batch.messages} messages of rounds after ${since} for ${missed} missed`,
      );
    this.#countConflated(member, missed - batch.messages);
    member.caughtUp();
    return batch.messages > 0 ? [batch] : [];
  }

  #countConflated(member: Member, messages: number): void {
    const more = member.conflate(messages);
    if (more > 0) count(this.#counters, SHARD.conflated, more);
  }

  /** @param aheadMember one whose first data said more than some streams had told */
  #latestSince(
    audience: Audience,
    since: number,
    mirror: Mirror,
    aheadMember: Member | undefined,
  ): FrameBatch {
    const { encoding } = audience;
    const ranges = this.#ranges;
    ranges.clear();
    for (const market of audience.priceMarkets(mirror)) {
      if (market.priceRound > since) ranges.add(this.#frames.price(market, encoding));
    }
    for (const market of audience.sizedMarkets(mirror)) {
      if (market.sizedRound > since) ranges.add(this.#frames.sizedPrice(market, encoding));
    }
    for (const market of audience.stateMarkets(mirror)) {
      const { topBook } = market;
      if (market.stateRound > since) {
        ranges.add(this.#frames.state(market, encoding, market.updateTypeSince(since)));
      }
      if (topBook !== undefined && market.topBookRound > since)
        ranges.add(this.#frames.book(market, topBook, encoding));
    }
    for (const stream of audience.streams.keys()) {
      if (stream.toldRound <= since || stream.told.ts === 0) continue;
      const has = aheadMember === undefined ? undefined : stream.ahead.get(aheadMember);
      if (has !== undefined && stream.told.seq <= has) continue;
      ranges.add(
        this.#frames.make(encoding, (out, encoder) => stream.writeWhole(out, encoder, since)),
      );
    }
    this.#candles.addMissed(audience, since, ranges);
    return FrameRanges.concat(this.#frames.bytes(encoding), ranges);
  }
}
