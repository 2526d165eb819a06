import type { MarketUpdateType } from "../../../contract/messages.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Audience, Member } from "./audience.js";
import { type ActiveFilter, FilterRegistry } from "./filter-registry.js";
import { FrameRanges } from "./frame-ranges.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { RoundFrames } from "./round-frames.js";

/** A part of a filter's snapshot: what it says of the markets in a range of slots. */
interface SnapshotPart {
  readonly key: string;
  /** Keys of the connection's filters whose own snapshots have not been sent to their end. */
  readonly untold: ReadonlySet<string>;
  /** Markets that a `Market` channel tells, or will tell. */
  readonly states: Pick<ReadonlyMap<MarketId, unknown>, "has">;
  readonly from: number;
  readonly to: number;
}

/**
 * Tells the `Markets` channels, every market interval, of the markets that changed in it. A filter is
 * evaluated once per changed market, however many connections use it, and at the latest when anybody
 * is told what it says.
 *
 * Rounds are its memory: a connection knows the round up to which it has been told, `marketsSince`, and
 * for markets that changed while a snapshot was sent in parts, `marketsTold`, the round of their part.
 *
 * Invariants: rounds only rise; nobody has been told of a round to come; the markets that changed since
 * the last telling are noted once each.
 */
export class MarketsChannel {
  readonly filters: FilterRegistry;
  readonly #frames: RoundFrames;
  readonly #ranges = new FrameRanges();
  /** Markets that changed since the last round in which it was told. */
  readonly #changed: MirrorMarket[] = [];
  /** Audiences with batches of this round. */
  readonly #withBatches = new Set<Audience>();
  #markets: readonly MirrorMarket[] = [];
  #round = 0;
  #toldRound = 0;
  /** Audiences were left out of the last telling, whose interval had not passed. */
  #postponed = false;

  constructor(frames: RoundFrames, maxDistinctFilters: number) {
    this.#frames = frames;
    this.filters = new FilterRegistry(maxDistinctFilters);
  }

  setMirror({ markets }: Mirror): void {
    this.#markets = markets;
    this.#changed.length = 0;
    this.#toldRound = this.#round;
    for (const filter of this.filters.all) {
      filter.clear();
      filter.evaluate(markets, this.#round);
    }
  }

  beginRound(round: number): void {
    if (round <= this.#round)
      throw new Error(`markets channel: round ${round} begins after ${this.#round}`);
    this.#round = round;
    for (const audience of this.#withBatches) audience.forgetBatches();
    this.#withBatches.clear();
  }

  /** @param before the round in which the market changed last before */
  changed(market: MirrorMarket, before: number): void {
    if (before > this.#round || market.stateRound !== this.#round)
      throw new Error(
        `markets channel: market ${market.marketId} changed in round ${market.stateRound} after ${before}, and it is ${this.#round}`,
      );
    if (before <= this.#toldRound) this.#changed.push(market);
  }

  /** Has filters say what holds now; to be asked only when the round's changes are all there. */
  evaluate(filters: Iterable<ActiveFilter>): void {
    for (const filter of filters) {
      if (filter.evaluatedRound !== this.#round) filter.evaluate(this.#changed, this.#round);
    }
  }

  /**
   * Tells everybody who can take it, but for audiences whose interval has not passed yet.
   * @param now the time in ms
   */
  tell(audiences: Iterable<Audience>, now: number): void {
    if (this.#changed.length === 0 && !this.#postponed) return;
    this.evaluate(this.filters.all);
    this.#postponed = false;
    for (const audience of audiences) {
      if (audience.filters.length === 0) continue;
      if (audience.marketsIntervalMs > 0) {
        if (now < audience.marketsDueAt) {
          this.#postponed = true;
          continue;
        }
        audience.marketsDueAt = now + audience.marketsIntervalMs;
      }
      audience.marketsToldRound = this.#round;
      for (const member of audience.members) {
        if (member.waiting || !member.open) continue;
        member.writeAll(this.due(member, audience));
      }
    }
    this.#toldRound = this.#round;
    this.#changed.length = 0;
  }

  /** Whether a connection was left out when it was told last. */
  missedBy({ audience, marketsSince }: Member): boolean {
    if (audience === undefined || audience.filters.length === 0) return false;
    const { marketsIntervalMs, marketsToldRound } = audience;
    return marketsSince < (marketsIntervalMs > 0 ? marketsToldRound : this.#toldRound);
  }

  /** The changes of matching markets since a connection was told last: it is told then. */
  due(member: Member, audience: Audience): readonly FrameBatch[] {
    if (audience.filters.length === 0) return [];
    this.evaluate(audience.filters);
    const { marketsSince: since, marketsTold: told } = member;
    if (since > this.#round)
      throw new Error(`markets channel: told up to round ${since}, and it is ${this.#round}`);
    member.toldMarkets(this.#round);
    let batch = told === undefined ? audience.marketsBatches.get(since) : undefined;
    if (batch === undefined) {
      batch = this.#latest(audience, since, told);
      if (told === undefined) {
        this.#withBatches.add(audience);
        audience.marketsBatches.set(since, batch);
      }
    }
    return batch.messages > 0 ? [batch] : [];
  }

  /**
   * What is due to a connection of the markets of a snapshot's part, but for those that are in the
   * part: with the part behind it, it has been told of them all.
   */
  dueBeside(
    member: Member,
    { key, untold, states, from, to }: SnapshotPart,
  ): readonly FrameBatch[] {
    if (member.audience === undefined)
      throw new Error(`markets channel: a part of ${key} for a member of no audience`);
    const { filters, subscriptions, encoding } = member.audience;
    this.evaluate(filters);
    const filter = this.filters.get(key);
    const keys = [...subscriptions.filters.keys()];
    const told = filters.filter((_, index) => !untold.has(keys[index] as string));
    const ranges = this.#ranges;
    ranges.clear();
    let allTold = from === 0 && to === this.#markets.length;
    for (let slot = from; slot < to; slot++) {
      const market = this.#markets[slot] as MirrorMarket;
      const since = member.marketsTold?.get(slot) ?? member.marketsSince;
      if (market.stateRound <= since) continue;
      const matches = (one: ActiveFilter | undefined) => one?.matches(slot) === true;
      let updateType: MarketUpdateType | undefined;
      if (!matches(filter)) {
        if (told.some(matches)) {
          if (!states.has(market.marketId)) updateType = market.updateTypeSince(since);
        } else if (filters.some(matches)) {
          // Whether it is shown any longer will be seen when that filter's snapshot comes to it.
          allTold = false;
          continue;
        } else if (told.some((one) => one.unmatchedSince(slot, since))) {
          updateType = "Unmatched";
        }
      }
      member.toldMarket(slot, this.#round);
      if (updateType !== undefined) ranges.add(this.#frames.state(market, encoding, updateType));
    }
    if (allTold) member.toldMarkets(this.#round);
    if (ranges.messages === 0) return [];
    return [FrameRanges.concat(this.#frames.bytes(encoding), ranges)];
  }

  #latest(
    { encoding, filters, subscriptions }: Audience,
    sinceAll: number,
    told: ReadonlyMap<number, number> | undefined,
  ): FrameBatch {
    const ranges = this.#ranges;
    ranges.clear();
    // Whoever was told last time needs only what has changed since; others may need any market.
    const candidates = sinceAll >= this.#toldRound ? this.#changed : this.#markets;
    for (const market of candidates) {
      const since = told?.get(market.slot) ?? sinceAll;
      if (market.stateRound <= since) continue;
      let updateType: MarketUpdateType;
      if (filters.some((filter) => filter.matches(market.slot))) {
        // The Market channel has told it already.
        if (subscriptions.states.has(market.marketId)) continue;
        updateType = market.updateTypeSince(since);
      } else if (filters.some((filter) => filter.unmatchedSince(market.slot, since))) {
        updateType = "Unmatched";
      } else {
        continue;
      }
      ranges.add(this.#frames.state(market, encoding, updateType));
    }
    return FrameRanges.concat(this.#frames.bytes(encoding), ranges);
  }
}
