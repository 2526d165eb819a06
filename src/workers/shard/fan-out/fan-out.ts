import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { ENCODING_TABLE } from "../../../codec/encodings.js";
import { CLOSE } from "../../../contract/closings.js";
import type { CounterSection } from "../../../counters/counters.js";
import { SlotLockedError } from "../../../ring/market-table.js";
import { CHANGE, PRICE_CHANGES, type TradeRecord } from "../../../ring/records.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { TradeArchiveSource } from "./archived-trades.js";
import type { Audience, AudienceStream, Member } from "./audience.js";
import { AudienceWriter } from "./audience-writer.js";
import type { CandleArchiveSource } from "./candle-beginnings.js";
import { Candles } from "./candles.js";
import { CatchUp } from "./catch-up.js";
import type { FrameRanges } from "./frame-ranges.js";
import { Heartbeats } from "./heartbeats.js";
import { HeldAudiences } from "./held-audiences.js";
import type { RoundStart } from "./held-frames.js";
import { MarketsChannel } from "./markets-channel.js";
import { Membership, type MembershipListener } from "./membership.js";
import { aheadOf, MergedStreams } from "./merged-streams.js";
import type { Mirror, MirrorListener } from "./mirror.js";
import { type MirrorMarket, updateTypeOf } from "./mirror-market.js";
import { RoundFrames } from "./round-frames.js";
import type { StreamTerms } from "./stream-terms.js";
import type { SubscriptionSet } from "./subscription-set.js";
import { type ReplayOptions, TradeReplays } from "./trade-replays.js";

interface FanOutOptions {
  /** In the order of their indices; those of the product by default. */
  readonly encodings?: readonly EncodingDescriptor[];
  /** Series of candles that are kept. */
  readonly maxCandleSeries?: number;
  /** What series of candles are begun from, and trades behind the window are replayed from. */
  readonly archive?: (CandleArchiveSource & TradeArchiveSource) | undefined;
  /** How long frames may wait for more, for those who take batches. */
  readonly batchDelayMs?: number;
  /** The clock of intervals, in ms. */
  readonly now?: () => number;
  /** How replays are paced. */
  readonly replays?: ReplayOptions;
  /** Hears of members as they come and go. */
  readonly membership?: MembershipListener;
}

/**
 * From changes of the mirror to bytes on sockets, in rounds.
 *
 * Within a round every message is encoded once per encoding, into that encoding's FrameWriter, and
 * noted by each audience that wants it; at the round's end each audience's frames are gathered in one
 * buffer that all of its members share, in one write each. A member that is not current gets, instead,
 * the latest state of whatever changed since the round it stopped at, by {@link CatchUp}, and the trades of
 * that time by {@link TradeReplays}.
 *
 * An audience that takes batches may have the frames of some rounds held, for a bounded time, to be written
 * as if all had been one round: before anything else that its members are due, and before it has another.
 *
 * Invariants: one round is under way at a time, and only between two of them members are moved, sent
 * what they are due, or given another mirror; between rounds no audience is dirty, and an open member
 * that is current has been sent everything up to the current round, but for `Markets`, for what its audience
 * has held, and for trades where it has a cursor. One that waits for nothing and is not current, or missed
 * `Markets`, waits to be caught up.
 */
export class FanOut implements MirrorListener {
  readonly markets: MarketsChannel;
  readonly heartbeats: Heartbeats;
  readonly candles: Candles;
  readonly trades: TradeReplays;
  readonly #frames: RoundFrames;
  readonly #membership: Membership;
  readonly #catchUp: CatchUp;
  readonly #dirty: Audience[] = [];
  readonly #merged = new MergedStreams();
  readonly #now: () => number;
  readonly #held: HeldAudiences;
  readonly #writer: AudienceWriter;
  #mirror: Mirror | undefined;
  #round = 0;
  #underWay = false;
  #conflating = false;

  constructor(
    counters: CounterSection,
    maxDistinctFilters: number,
    {
      encodings = ENCODING_TABLE,
      maxCandleSeries = 1000,
      archive,
      batchDelayMs = 0,
      now = () => performance.now(),
      replays = {},
      membership,
    }: FanOutOptions = {},
  ) {
    this.#now = now;
    this.#frames = new RoundFrames(encodings);
    this.markets = new MarketsChannel(this.#frames, maxDistinctFilters);
    this.candles = new Candles(counters, this.#frames, maxCandleSeries, archive);
    this.heartbeats = new Heartbeats(this.#frames);
    this.#membership = new Membership(
      counters,
      this.markets,
      this.#merged,
      this.heartbeats,
      this.candles,
      membership,
    );
    this.#catchUp = new CatchUp(counters, this.#frames, this.markets, this.candles);
    this.trades = new TradeReplays(
      counters,
      encodings,
      {
        settle: (audience) => this.#held.flush(audience),
        released: (member) => this.drained(member),
      },
      archive,
      replays,
    );
    this.#writer = new AudienceWriter(counters, this.#catchUp, this.trades);
    this.#held = new HeldAudiences(batchDelayMs, (audience, held) => {
      // Between rounds nothing conflates.
      const conflating = this.#underWay && this.#conflating;
      this.#writer.write(audience, held, held.bytes, held, conflating, this.mirror);
    });
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
    this.#held.flushAll();
    if (this.#mirror !== undefined) this.#readToEnd(this.#mirror);
    this.#mirror = mirror;
    this.markets.setMirror(mirror);
    this.candles.setMirror(mirror);
    this.trades.setMirror(
      mirror,
      [...this.audiences].flatMap(({ members }) => [...members]),
    );
    const beginning = { mirror, round: this.#round, now: this.#now() };
    this.#membership.interests.restart(beginning);
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
        : this.#membership.audienceFor(
            member,
            subscriptions,
            this.mirror,
            this.#round,
            this.#now(),
          );
    if (audience === before) return;
    // Trades that wait for more where it was are not told it elsewhere.
    if (before !== undefined) this.#held.flush(before);
    // Of what waits there the newcomer's first data know already.
    if (audience !== undefined) this.#held.flush(audience);
    this.trades.resubscribed(member, audience?.subscriptions);
    const { replay } = member;
    if (before === undefined || before.filters.length === 0) member.toldMarkets(this.#round);
    const ahead = before === undefined ? [] : aheadOf(member, before, audience);
    // Only now, so that filters which both audiences have stay as they are.
    this.leave(member);
    if (audience === undefined) return;
    this.#membership.enter(member, audience);
    member.replay = replay;
    for (const [stream, seq] of ahead) stream.ahead.set(member, seq);
    // Having left, it does not wait for the next round any more.
    if (!member.waiting) this.drained(member);
  }

  /** Takes a member out of its audience, as it is. */
  leave(member: Member): void {
    this.#catchUp.forget(member);
    this.trades.forget(member);
    this.#membership.leave(member);
  }

  /** The stream of a market that has these terms, if anybody wants it. */
  stream(marketId: MarketId, terms: StreamTerms): AudienceStream | undefined {
    return this.#membership.interests.stream(marketId, terms);
  }

  /** A member has been sent first data of a stream, which say the latest there is. */
  toldLatest(member: Member, stream: AudienceStream): void {
    if (stream.pending && stream.market !== undefined)
      stream.ahead.set(member, stream.latestSeq(stream.market));
  }

  /** When the interval of a stream ends, in the ms of its clock, if that has to be looked after. */
  get nextDueAt(): number | undefined {
    return this.#merged.nextDueAt;
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
    if (member.audience !== undefined) this.#held.flush(member.audience);
    return this.#catchUp.takeDue(member, this.mirror);
  }

  /** Writes all that waits for more. */
  flushHeld(): void {
    this.#held.flushAll();
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
    const { prices, states, streams } = this.#membership.interests.at(market);
    const priced = (market.changes & PRICE_CHANGES) !== 0;
    const created = (market.changes & CHANGE.created) !== 0;
    for (const stream of streams) {
      const { what } = stream;
      if (created || what === "state" || (priced && what === "price"))
        this.#noteChanged(stream, market);
    }
    if (priced) {
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

  sizedChanged(market: MirrorMarket): void {
    const { sizedPrices, streams } = this.#membership.interests.at(market);
    for (const audience of sizedPrices) {
      if (this.#offer(audience, market.sizedTs))
        audience.states.add(this.#frames.sizedPrice(market, audience.encoding));
    }
    for (const stream of streams) if (stream.what === "price") this.#noteChanged(stream, market);
  }

  bookChanged(market: MirrorMarket, top: boolean): void {
    const { states, streams } = this.#membership.interests.at(market);
    for (const stream of streams) {
      if (stream.what === "book" || (top && stream.what === "top"))
        this.#noteChanged(stream, market);
    }
    const { topBook } = market;
    if (!top || topBook === undefined) return;
    for (const audience of states) {
      if (this.#offer(audience, topBook.ts))
        audience.states.add(this.#frames.book(market, topBook, audience.encoding));
    }
  }

  #noteChanged(stream: AudienceStream, market: MirrorMarket): void {
    stream.market = market;
    this.#merged.changed(stream);
  }

  traded(market: MirrorMarket, trade: TradeRecord): void {
    const { interests } = this.#membership;
    this.#addTrade(interests.at(market).trades, market, trade);
    this.#addTrade(interests.allTrades, market, trade);
    this.candles.traded(market, trade, this.#round);
  }

  tradesLost(): void {
    this.candles.beginAnew();
    for (const audience of this.audiences) {
      if (!audience.subscriptions.allTrades && audience.subscriptions.trades.size === 0) continue;
      for (const member of audience.members) member.close(CLOSE.tradesLost);
    }
  }

  /**
   * Ends a round: writes what the audiences have, what drained members are due, and heartbeats last.
   * @param tellMarkets the market interval has passed
   */
  endRound(tellMarkets: boolean): void {
    this.#requireUnderWay("an end");
    this.candles.tell(this.mirror, this.#round, this.#offerTo);
    const now = this.#now();
    for (const stream of this.#merged.takeReady(now)) this.#tellMerged(stream, now);
    for (const audience of this.#dirty) this.#flush(audience);
    this.#dirty.length = 0;
    // What some members are sent alone is behind what waits for them.
    if (tellMarkets || this.heartbeats.due) this.#held.flushAll();
    else for (const audience of this.#catchUp.drainedAudiences()) this.#held.flush(audience);
    if (tellMarkets) this.markets.tell(this.audiences, now);
    this.#catchUp.sendToDrained(this.mirror);
    this.trades.endRound();
    this.heartbeats.tell(this.mirror);
    this.#underWay = false;
  }

  readonly #offerTo = (audience: Audience, ts: number): boolean => this.#offer(audience, ts);

  /** Tells the latest of a merged stream, if that is news, once in each encoding. */
  #tellMerged(stream: AudienceStream, now: number): void {
    const { market } = stream;
    if (market === undefined || !stream.take(market, this.#round)) return;
    stream.toldRound = this.#round;
    this.#merged.run(stream, now);
    for (const member of stream.ahead.keys()) member.audience?.apart.add(member);
    const frames = new Map<number, Stretch>();
    for (const audience of stream.audiences) {
      if (!this.#offer(audience, stream.told.ts)) continue;
      const { encoding } = audience;
      let frame = frames.get(encoding);
      if (frame === undefined) {
        frame = this.#frames.make(encoding, (out, encoder) => stream.write(out, encoder));
        frames.set(encoding, frame);
      }
      audience.states.add(frame);
    }
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
    const source = this.#frames.bytes(audience.encoding);
    const from: RoundStart = {
      round: this.#round,
      offeredBefore: audience.offered - audience.offeredInRound,
      tradesFrom: this.trades.roundBegan,
    };
    const conflating = this.#conflating;
    if (this.#held.takes(audience, conflating)) this.#held.add(audience, source, from, conflating);
    else this.#writer.write(audience, audience, source, from, conflating, this.mirror);
    audience.endRound();
  }
}

type Stretch = Parameters<FrameRanges["add"]>[0];
