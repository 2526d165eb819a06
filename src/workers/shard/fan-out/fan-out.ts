import type { EncodingDescriptor } from "../../../codec/encoding.js";
import {
  COUNTED_CHANNELS,
  type CounterSection,
  count,
  countListed,
  observeLatency,
  SHARD,
} from "../../../counters/counters.js";
import { CHANGE, type TradeRecord } from "../../../ring/records.js";
import { nowMicros } from "../../../shared/clock.js";
import type { Connection } from "../connections/connection.js";
import { Audience, type Batch, FrameRanges } from "./audience.js";
import { InterestIndex } from "./interest-index.js";
import { MarketsChannel } from "./markets-channel.js";
import type { Mirror, MirrorListener } from "./mirror.js";
import { type MirrorMarket, updateTypeOf } from "./mirror-market.js";
import { RoundFrames } from "./round-frames.js";
import type { Subscriptions } from "./subscriptions.js";

/** Sockets written between two looks at the clock, for the latency histogram. */
const WRITES_PER_CLOCK_READ = 64;

/**
 * From changes of the mirror to bytes on sockets, in rounds.
 *
 * Within a round every message is encoded once per encoding, into that encoding's FrameWriter, and
 * noted by each audience that wants it; at the round's end each audience's frames become one buffer
 * that all of its members share, in one write each. A member that is not current gets, instead, the
 * latest state of whatever changed since the round it stopped at, and shares that buffer with the
 * members that stopped at the same round.
 *
 * Invariants: between rounds no audience is dirty; a member that is current has been sent everything
 * up to the current round.
 */
export class FanOut implements MirrorListener {
  readonly interests = new InterestIndex();
  /** The number of the round that is under way or was the last. */
  round = 0;
  /** This round conflates: the shard is behind. */
  conflating = false;

  readonly #counters: CounterSection;
  readonly #audiences = new Map<string, Audience>();
  readonly #frames: RoundFrames;
  readonly markets: MarketsChannel;
  readonly #dirty: Audience[] = [];
  readonly #drained = new Set<Connection>();
  readonly #ranges = new FrameRanges();
  /** Audiences with batches of this round. */
  readonly #withBatches = new Set<Audience>();
  #mirror: Mirror | undefined;

  /** @param encodings in the order of their indices */
  constructor(
    counters: CounterSection,
    maxDistinctFilters: number,
    encodings?: readonly EncodingDescriptor[],
  ) {
    this.#counters = counters;
    this.#frames = new RoundFrames(encodings);
    this.markets = new MarketsChannel(this.#frames, maxDistinctFilters);
  }

  get mirror(): Mirror {
    if (this.#mirror === undefined) throw new Error("fan-out: no mirror yet");
    return this.#mirror;
  }

  /**
   * Takes another producer's mirror. Nobody is sent what is left of the states of the one before; trades
   * that wait are kept. Everybody's first data are due then; see FirstDataSender.
   */
  setMirror(mirror: Mirror): void {
    if (this.#mirror !== undefined) this.#readToEnd(this.#mirror);
    this.#mirror = mirror;
    this.markets.setMirror(mirror);
    for (const audience of this.#audiences.values()) {
      audience.forgetMarkets();
      for (const member of audience.members) {
        this.#forgetMissed(member, audience);
        member.marketsSince = this.round;
        member.marketsTold = undefined;
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
        mirror.poll(this.round, all, all);
      } catch {
        this.tradesLost();
        return;
      } finally {
        this.endRound(false);
      }
    }
  }

  get audiences(): Iterable<Audience> {
    return this.#audiences.values();
  }

  /** Whether members wait to be caught up. */
  get hasDrained(): boolean {
    return this.#drained.size > 0;
  }

  // --- Membership -------------------------------------------------------------------------------

  /**
   * Moves a connection to the audience of its new subscriptions, undefined for none. What it was
   * due from the old one is sent first, so that no sequence repeats or goes back.
   */
  move(connection: Connection, subscriptions: Subscriptions | undefined): void {
    const { audience } = connection;
    const due = [...this.takeDue(connection)];
    if (audience !== undefined) due.push(...this.markets.due(connection, audience));
    connection.writeAll(due);
    this.join(connection, subscriptions);
  }

  /**
   * Puts a connection into the audience of its new subscriptions, undefined for none. It has been sent
   * what it was due, but for `Markets`, which go on, and is sent the first data of what is new.
   */
  join(connection: Connection, subscriptions: Subscriptions | undefined): void {
    const before = connection.audience;
    if (before !== undefined && before.subscriptions === subscriptions) return;
    const audience =
      subscriptions === undefined || subscriptions.size === 0
        ? undefined
        : this.#audienceOf(connection, subscriptions);
    if (audience === before) return;
    if (before === undefined || before.filters.length === 0) {
      connection.marketsSince = this.round;
      connection.marketsTold = undefined;
    }
    // Only now, so that filters which both audiences have stay as they are.
    this.leave(connection);
    if (audience === undefined) return;
    audience.members.add(connection);
    connection.audience = audience;
    this.#countSubscriptions(audience, 1);
    // Having left, it does not wait for the next round any more.
    if (!connection.waiting) this.drained(connection);
  }

  /** Takes a connection out of its audience, as it is. */
  leave(connection: Connection): void {
    const { audience } = connection;
    this.#drained.delete(connection);
    if (audience === undefined) return;
    this.#forgetMissed(connection, audience);
    connection.audience = undefined;
    audience.members.delete(connection);
    this.#countSubscriptions(audience, -1);
    if (audience.members.size > 0) return;
    this.#audiences.delete(audience.key);
    this.interests.remove(audience);
    for (const key of audience.subscriptions.filters.keys()) this.markets.filters.release(key);
    this.#countFilters();
    count(this.#counters, SHARD.audiences, -1);
  }

  #audienceOf(connection: Connection, subscriptions: Subscriptions): Audience {
    const { encoding, holder } = connection;
    const key = `${encoding}${subscriptions.key()}`;
    const known = this.#audiences.get(key);
    // The newcomer's snapshot is of this moment, so what the filters say has to be as well.
    if (known !== undefined) this.markets.evaluate(known.filters);
    if (known !== undefined) return known;
    const { filters: registry } = this.markets;
    const filters = [...subscriptions.filters].map(([filterKey, filter]) =>
      registry.acquire(filterKey, filter, holder, this.mirror.markets, this.round),
    );
    this.markets.evaluate(filters);
    const audience = new Audience(key, encoding, subscriptions, filters);
    this.#audiences.set(key, audience);
    this.interests.add(audience);
    this.#countFilters();
    count(this.#counters, SHARD.audiences);
    return audience;
  }

  #countFilters(): void {
    this.#counters[SHARD.distinctFilters] = this.markets.filters.size;
  }

  #countSubscriptions(audience: Audience, sign: number): void {
    for (const [channel, subscribed] of Object.entries(audience.subscriptions.countByChannel())) {
      const word = SHARD.subscriptionsByChannel;
      countListed<string>(this.#counters, word, COUNTED_CHANNELS, channel, subscribed * sign);
    }
  }

  /** What a connection is due between two rounds, but for `Markets`: with it, it is current. */
  takeDue(connection: Connection): readonly Batch[] {
    const { audience } = connection;
    const queue = connection.takeQueue();
    return audience === undefined ? queue : [...queue, ...this.#dueStates(connection, audience)];
  }

  // --- A round ----------------------------------------------------------------------------------

  /** Starts a round; with `conflating`, states that change in it are told once, at its end. */
  beginRound(conflating: boolean): void {
    this.round++;
    this.conflating = conflating;
    this.#frames.begin(this.round);
    this.markets.beginRound(this.round);
    for (const audience of this.#withBatches) audience.forgetBatches();
    this.#withBatches.clear();
  }

  stateChanged(market: MirrorMarket, before: number): void {
    this.markets.changed(market, before);
    const { prices, states } = market.interest;
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
    for (const audience of market.interest.states) {
      if (this.#offer(audience, book.ts))
        audience.states.add(this.#frames.book(market, book, audience.encoding));
    }
  }

  traded(market: MirrorMarket, trade: TradeRecord): void {
    this.#addTrade(market.interest.trades, market, trade);
    this.#addTrade(this.interests.allTrades, market, trade);
  }

  tradesLost(): void {
    for (const audience of this.#audiences.values()) {
      if (!audience.subscriptions.allTrades && audience.subscriptions.trades.size === 0) continue;
      for (const member of audience.members)
        member.closeSlow("trades were lost before they reached this shard");
    }
  }

  /**
   * Ends a round: writes what the audiences have, and what drained members are due.
   * @param tellMarkets the market interval has passed
   */
  endRound(tellMarkets: boolean): void {
    for (const audience of this.#dirty) this.#flush(audience);
    this.#dirty.length = 0;
    if (tellMarkets) this.markets.tell(this.#audiences.values());
    for (const connection of this.#drained) {
      if (!connection.waiting) this.#catchUp(connection);
    }
    this.#drained.clear();
  }

  /** Notes that a connection takes what it missed while it did not; the next round catches it up. */
  drained(connection: Connection): void {
    if (connection.behind || connection.hasQueue || this.markets.missedBy(connection))
      this.#drained.add(connection);
  }

  /** Counts a message for an audience; returns whether this round tells it by itself. */
  #offer(audience: Audience, ts: number): boolean {
    this.#soil(audience, ts);
    audience.offered++;
    audience.offeredInRound++;
    return !this.conflating;
  }

  #addTrade(audiences: Iterable<Audience>, market: MirrorMarket, trade: TradeRecord): void {
    for (const audience of audiences) {
      this.#soil(audience, trade.ts);
      audience.trades.add(this.#frames.trade(market, trade, audience.encoding));
    }
  }

  #soil(audience: Audience, ts: number): void {
    if (audience.dirty) return;
    audience.dirty = true;
    audience.oldestTs = ts;
    this.#dirty.push(audience);
  }

  #flush(audience: Audience): void {
    const { states, trades } = audience;
    const source = this.#frames.bytes(audience.encoding);
    let all: Batch | undefined;
    let tradesOnly: Batch | undefined;
    let written = 0;
    for (const member of audience.members) {
      if (!member.open) continue;
      if (!this.conflating && member.current) {
        all ??= FrameRanges.concat(source, states, trades);
        member.write(all);
      } else {
        if (trades.messages > 0) tradesOnly ??= FrameRanges.concat(source, trades);
        if (audience.offeredInRound > 0)
          member.miss(this.round - 1, audience.offered - audience.offeredInRound);
        if (member.waiting) {
          this.#countMissed(member, audience);
          // Trades have no first data, so one that waits for its turn only need not queue them.
          if (tradesOnly === undefined) continue;
          if (member.blocked) member.enqueue(tradesOnly);
          else member.writeAll([...member.takeQueue(), tradesOnly]);
          continue;
        }
        this.#catchUp(member, tradesOnly);
      }
      if (++written % WRITES_PER_CLOCK_READ === 0) this.#observe(audience, WRITES_PER_CLOCK_READ);
    }
    this.#observe(audience, written % WRITES_PER_CLOCK_READ);
    states.clear();
    trades.clear();
    audience.offeredInRound = 0;
    audience.dirty = false;
  }

  #observe(audience: Audience, writes: number): void {
    if (writes > 0) observeLatency(this.#counters, (nowMicros() - audience.oldestTs) / 1e6, writes);
  }

  // --- Catching up ------------------------------------------------------------------------------

  /** Sends a connection that is not blocked all that it is due, with the round's trades if any. */
  #catchUp(connection: Connection, trades?: Batch): void {
    const { audience } = connection;
    if (!connection.open) return;
    const due = [...connection.takeQueue()];
    if (audience === undefined) return connection.writeAll(due);
    if (trades !== undefined) due.push(trades);
    due.push(...this.#dueStates(connection, audience));
    if (this.markets.missedBy(connection)) due.push(...this.markets.due(connection, audience));
    connection.writeAll(due);
  }

  /** The latest of each stream that changed since the connection fell behind. */
  #dueStates(connection: Connection, audience: Audience): readonly Batch[] {
    if (!connection.behind) return [];
    const since = connection.missedSince;
    this.#withBatches.add(audience);
    let batch = audience.catchUps.get(since);
    if (batch === undefined) {
      batch = this.#latestSince(audience, since);
      audience.catchUps.set(since, batch);
    }
    this.#countConflated(connection, audience.offered - connection.offeredAtMiss - batch.messages);
    connection.caughtUp();
    return batch.messages > 0 ? [batch] : [];
  }

  /**
   * Counts, of what a connection misses, what it will certainly not be sent: all but one message of each
   * stream, as far as is known without a look at the streams. The rest is counted when it is caught up.
   */
  #countMissed(connection: Connection, audience: Audience): void {
    if (!connection.behind) return;
    this.#countConflated(
      connection,
      audience.offered - connection.offeredAtMiss - audience.streams,
    );
  }

  /** What it was due it will not get any more. */
  #forgetMissed(connection: Connection, audience: Audience): void {
    if (!connection.behind) return;
    this.#countConflated(connection, audience.offered - connection.offeredAtMiss);
    connection.caughtUp();
  }

  /** Counts what a connection has missed since it fell behind, as far as that is not counted yet. */
  #countConflated(connection: Connection, messages: number): void {
    const more = messages - connection.conflatedCounted;
    if (more <= 0) return;
    connection.conflatedCounted = messages;
    count(this.#counters, SHARD.conflated, more);
  }

  #latestSince(audience: Audience, since: number): Batch {
    const { encoding } = audience;
    const ranges = this.#ranges;
    ranges.clear();
    for (const market of audience.priceMarkets(this.mirror)) {
      if (market.priceRound > since) ranges.add(this.#frames.price(market, encoding));
    }
    for (const market of audience.stateMarkets(this.mirror)) {
      const { book } = market;
      if (market.stateRound > since) {
        ranges.add(this.#frames.state(market, encoding, market.updateTypeSince(since)));
      }
      if (book !== undefined && market.bookRound > since)
        ranges.add(this.#frames.book(market, book, encoding));
    }
    return FrameRanges.concat(this.#frames.bytes(encoding), ranges);
  }
}
