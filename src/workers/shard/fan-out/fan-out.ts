import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { ENCODING_TABLE } from "../../../codec/encodings.js";
import { CLOSE } from "../../../contract/closings.js";
import { type CounterSection, observeLatency } from "../../../counters/counters.js";
import { SlotLockedError } from "../../../ring/market-table.js";
import { CHANGE, type TradeRecord } from "../../../ring/records.js";
import { nowMicros } from "../../../shared/clock.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Audience, Member } from "./audience.js";
import { CatchUp } from "./catch-up.js";
import { FrameRanges } from "./frame-ranges.js";
import { LentFrames } from "./lent-frames.js";
import { MarketsChannel } from "./markets-channel.js";
import { Membership } from "./membership.js";
import type { Mirror, MirrorListener } from "./mirror.js";
import { type MirrorMarket, updateTypeOf } from "./mirror-market.js";
import { RoundFrames } from "./round-frames.js";
import type { SubscriptionSet } from "./subscription-set.js";
import { type ReplayOptions, TradeReplays } from "./trade-replays.js";

/** Sockets written between two looks at the clock, for the latency histogram. */
const WRITES_PER_CLOCK_READ = 64;

/**
 * From changes of the mirror to bytes on sockets, in rounds.
 *
 * Within a round every message is encoded once per encoding, into that encoding's FrameWriter, and
 * noted by each audience that wants it; at the round's end each audience's frames are gathered in one
 * buffer that all of its members share, in one write each. A member that is not current gets, instead,
 * the latest state of whatever changed since the round it stopped at, by {@link CatchUp}, and the trades of
 * that time by {@link TradeReplays}.
 *
 * Invariants: one round is under way at a time, and only between two of them members are moved, sent
 * what they are due, or given another mirror; between rounds no audience is dirty, and an open member
 * that is current has been sent everything up to the current round, but for `Markets`, and for trades where
 * it has a cursor. One that waits
 * for nothing and is not current, or missed `Markets`, waits to be caught up.
 */
export class FanOut implements MirrorListener {
  readonly markets: MarketsChannel;
  readonly trades: TradeReplays;
  readonly #counters: CounterSection;
  readonly #frames: RoundFrames;
  readonly #membership: Membership;
  readonly #catchUp: CatchUp;
  readonly #dirty: Audience[] = [];
  readonly #lent = new LentFrames();
  #mirror: Mirror | undefined;
  #round = 0;
  #underWay = false;
  #conflating = false;

  /** @param encodings in the order of their indices */
  constructor(
    counters: CounterSection,
    maxDistinctFilters: number,
    encodings: readonly EncodingDescriptor[] = ENCODING_TABLE,
    replays: ReplayOptions = {},
  ) {
    this.#counters = counters;
    this.#frames = new RoundFrames(encodings);
    this.markets = new MarketsChannel(this.#frames, maxDistinctFilters);
    this.#membership = new Membership(counters, this.markets);
    this.#catchUp = new CatchUp(counters, this.#frames, this.markets);
    this.trades = new TradeReplays(
      counters,
      encodings,
      { released: (member) => this.drained(member) },
      replays,
    );
  }

  get mirror(): Mirror {
    if (this.#mirror === undefined) throw new Error("fan-out: no mirror yet");
    return this.#mirror;
  }

  /** The number of the round that is under way or was the last. */
  get round(): number {
    return this.#round;
  }

  /**
   * Takes another producer's mirror. Nobody is sent what is left of the states of the one before; trades
   * are, all of them. Everybody's first data are due then; see FirstDataSender.
   */
  setMirror(mirror: Mirror): void {
    this.#requireBetweenRounds("another mirror");
    if (this.#mirror !== undefined) this.#readToEnd(this.#mirror);
    this.#mirror = mirror;
    this.markets.setMirror(mirror);
    this.trades.setMirror(
      mirror,
      [...this.audiences].flatMap(({ members }) => [...members]),
    );
    this.#membership.interests.forgetSlots();
    for (const audience of this.audiences) {
      audience.forgetMarkets();
      for (const member of audience.members) {
        this.#catchUp.forget(member);
        member.toldMarkets(this.#round);
      }
    }
  }

  /**
   * Reads the rings of a dead producer to their ends, which are final: trades are told each, states
   * once. Their subscribers are closed where it had lapped this shard on trades, or has left a market
   * half-written in the table that one of them is of.
   */
  #readToEnd(mirror: Mirror): void {
    const { POSITIVE_INFINITY: all } = Number;
    while (mirror.pending) {
      this.beginRound(true);
      try {
        // A lap on states needs no repair, as fresh snapshots follow.
        mirror.poll(this.#round, all, all);
      } catch (error) {
        if (!(error instanceof SlotLockedError)) throw error;
        this.tradesLost();
        return;
      } finally {
        this.endRound(false);
      }
    }
  }

  get audiences(): Iterable<Audience> {
    return this.#membership.audiences;
  }

  // --- Membership -------------------------------------------------------------------------------

  /**
   * Moves a member to the audience of its new subscriptions, undefined for none. What it was due from
   * the old one is sent first, so that no sequence repeats or goes back.
   */
  move(member: Member, subscriptions: SubscriptionSet | undefined): void {
    const { audience } = member;
    const due = [...this.takeDue(member)];
    if (audience !== undefined) due.push(...this.markets.due(member, audience));
    member.writeAll(due);
    this.join(member, subscriptions);
  }

  /**
   * Puts a member into the audience of its new subscriptions, undefined for none. It has been sent what
   * it was due, but for `Markets`, which go on, and is sent the first data of what is new.
   */
  join(member: Member, subscriptions: SubscriptionSet | undefined): void {
    this.#requireBetweenRounds("a move");
    const before = member.audience;
    if (before !== undefined && before.subscriptions === subscriptions) return;
    const audience =
      subscriptions === undefined || subscriptions.size === 0
        ? undefined
        : this.#membership.audienceFor(member, subscriptions, this.mirror, this.#round);
    if (audience === before) return;
    this.trades.resubscribed(member, audience?.subscriptions);
    const { replay } = member;
    if (before === undefined || before.filters.length === 0) member.toldMarkets(this.#round);
    // Only now, so that filters which both audiences have stay as they are.
    this.leave(member);
    if (audience === undefined) return;
    this.#membership.enter(member, audience);
    member.replay = replay;
    // Having left, it does not wait for the next round any more.
    if (!member.waiting) this.drained(member);
  }

  /** Takes a member out of its audience, as it is. */
  leave(member: Member): void {
    this.#catchUp.forget(member);
    this.trades.forget(member);
    this.#membership.leave(member);
  }

  // --- Catching up ------------------------------------------------------------------------------

  /** Whether members wait to be caught up. */
  get hasDrained(): boolean {
    return this.#catchUp.hasDrained;
  }

  /** Notes that a member takes what it missed while it did not; the next round catches it up. */
  drained(member: Member): void {
    this.trades.ready(member);
    this.#catchUp.drained(member);
  }

  /** What a member is due between two rounds, but for `Markets`: with it, it is current. */
  takeDue(member: Member): readonly FrameBatch[] {
    this.#requireBetweenRounds("taking what is due");
    return this.#catchUp.takeDue(member, this.mirror);
  }

  // --- A round ----------------------------------------------------------------------------------

  /** Starts a round; with `conflating`, states that change in it are told once, at its end. */
  beginRound(conflating: boolean): void {
    this.#requireBetweenRounds("another round");
    if (this.#dirty.length > 0)
      throw new Error(`fan-out: ${this.#dirty.length} audiences dirty after round ${this.#round}`);
    this.#underWay = true;
    this.#round++;
    this.#conflating = conflating;
    this.#frames.begin(this.#round);
    this.markets.beginRound(this.#round);
    this.#catchUp.beginRound();
    this.trades.beginRound();
  }

  /** Has the round that is under way conflate from here on. */
  conflate(): void {
    this.#requireUnderWay("conflating");
    this.#conflating = true;
  }

  stateChanged(market: MirrorMarket, before: number): void {
    this.markets.changed(market, before);
    const { prices, states } = this.#membership.interests.at(market);
    if ((market.changes & (CHANGE.price | CHANGE.quote)) !== 0) {
      for (const audience of prices) {
        if (this.#offer(audience, market.ts))
          audience.states.add(this.#frames.price(market, audience.encoding));
      }
    }
    for (const audience of states) {
      if (!this.#offer(audience, market.ts)) continue;
      audience.states.add(
        this.#frames.state(market, audience.encoding, updateTypeOf(market.changes)),
      );
    }
  }

  bookChanged(market: MirrorMarket): void {
    const { book } = market;
    if (book === undefined) return;
    for (const audience of this.#membership.interests.at(market).states) {
      if (this.#offer(audience, book.ts))
        audience.states.add(this.#frames.book(market, book, audience.encoding));
    }
  }

  traded(market: MirrorMarket, trade: TradeRecord): void {
    const { interests } = this.#membership;
    this.#addTrade(interests.at(market).trades, market, trade);
    this.#addTrade(interests.allTrades, market, trade);
  }

  tradesLost(): void {
    for (const audience of this.audiences) {
      if (!audience.subscriptions.allTrades && audience.subscriptions.trades.size === 0) continue;
      for (const member of audience.members) member.close(CLOSE.tradesLost);
    }
  }

  /**
   * Ends a round: writes what the audiences have, and what drained members are due.
   * @param tellMarkets the market interval has passed
   */
  endRound(tellMarkets: boolean): void {
    this.#requireUnderWay("an end");
    for (const audience of this.#dirty) this.#flush(audience);
    this.#dirty.length = 0;
    if (tellMarkets) this.markets.tell(this.audiences);
    this.#catchUp.sendToDrained(this.mirror);
    this.trades.endRound();
    this.#underWay = false;
  }

  /** Counts a message for an audience; returns whether this round tells it by itself. */
  #offer(audience: Audience, ts: number): boolean {
    this.#markDirty(audience, ts);
    audience.offer();
    return !this.#conflating;
  }

  #addTrade(audiences: Iterable<Audience>, market: MirrorMarket, trade: TradeRecord): void {
    for (const audience of audiences) {
      this.#markDirty(audience, trade.ts);
      audience.trades.add(this.#frames.trade(market, trade, audience.encoding));
    }
  }

  #requireBetweenRounds(what: string): void {
    if (this.#underWay) throw new Error(`fan-out: ${what} during round ${this.#round}`);
  }

  #requireUnderWay(what: string): void {
    if (!this.#underWay) throw new Error(`fan-out: ${what} without a round after ${this.#round}`);
  }

  #markDirty(audience: Audience, ts: number): void {
    this.#requireUnderWay("a message");
    if (audience.begin(ts)) this.#dirty.push(audience);
  }

  #flush(audience: Audience): void {
    const { states, trades } = audience;
    const source = this.#frames.bytes(audience.encoding);
    let gathered = false;
    let tradesOnly: FrameBatch | undefined;
    let statesOnly: FrameBatch | undefined;
    let written = 0;
    for (const member of audience.members) {
      if (!member.open) continue;
      // What is replayed to it includes the trades of this round.
      const tradesDue = trades.messages > 0 && member.replay === undefined;
      if (!this.#conflating && member.current) {
        if (trades.messages === 0 || tradesDue) {
          if (!gathered) this.#lent.gather(source, states, trades);
          gathered = true;
          member.writeLent(this.#lent);
        } else {
          statesOnly ??= FrameRanges.concat(source, states);
          member.writeAll([statesOnly]);
        }
      } else {
        if (audience.offeredInRound > 0)
          member.miss(this.#round - 1, audience.offered - audience.offeredInRound);
        if (tradesDue && member.blocked) this.trades.fallBehind(member, audience);
        else if (tradesDue) tradesOnly ??= FrameRanges.concat(source, trades);
        if (member.waiting) {
          this.#catchUp.countMissed(member, audience);
          // Trades have no first data, so one that waits for its turn only need not wait for them.
          if (!tradesDue || tradesOnly === undefined || member.blocked) continue;
          member.writeAll([...member.takeQueue(), tradesOnly]);
          continue;
        }
        this.#catchUp.send(member, this.mirror, tradesDue ? tradesOnly : undefined);
      }
      if (++written % WRITES_PER_CLOCK_READ === 0) this.#observe(audience, WRITES_PER_CLOCK_READ);
    }
    this.#observe(audience, written % WRITES_PER_CLOCK_READ);
    if (gathered) this.#lent.release();
    audience.endRound();
  }

  #observe(audience: Audience, writes: number): void {
    if (writes === 0) return;
    // A ts that waits for the clock is ahead of it.
    const ageS = Math.max(0, nowMicros() - audience.oldestTs) / 1e6;
    observeLatency(this.#counters, ageS, writes);
  }
}
