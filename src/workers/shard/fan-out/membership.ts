import { CHANNEL_TYPES } from "../../../contract/channel-kinds.js";
import { type CounterSection, count, countListed, SHARD } from "../../../counters/counters.js";
import { Audience, type Member } from "./audience.js";
import type { Candles } from "./candles.js";
import type { ActiveFilter } from "./filter-registry.js";
import type { Heartbeats } from "./heartbeats.js";
import { InterestIndex } from "./interest-index.js";
import type { MarketsChannel } from "./markets-channel.js";
import type { MergedStreams } from "./merged-streams.js";
import type { Mirror } from "./mirror.js";
import type { SubscriptionSet } from "./subscription-set.js";

/** Hears of members as they come and go. */
export interface MembershipListener {
  readonly entered: (member: Member, audience: Audience) => void;
  readonly left: (member: Member, audience: Audience) => void;
}

const NOBODY: MembershipListener = { entered: () => {}, left: () => {} };

/**
 * Who is in which audience, and which audiences there are: one for each encoding, framing and set of
 * subscriptions that somebody has. With an audience come and go its interests and its filters' places.
 *
 * Invariant: every audience has a member, of its encoding, and a member's audience is one of these.
 */
export class Membership {
  readonly interests: InterestIndex;
  readonly #counters: CounterSection;
  readonly #markets: MarketsChannel;
  readonly #heartbeats: Heartbeats;
  readonly #candles: Candles;
  readonly #listener: MembershipListener;
  readonly #audiences = new Map<string, Audience>();

  constructor(
    counters: CounterSection,
    markets: MarketsChannel,
    merged: MergedStreams,
    heartbeats: Heartbeats,
    candles: Candles,
    listener = NOBODY,
  ) {
    this.#listener = listener;
    this.interests = new InterestIndex(merged);
    this.#candles = candles;
    this.#heartbeats = heartbeats;
    this.#counters = counters;
    this.#markets = markets;
  }

  get audiences(): Iterable<Audience> {
    return this.#audiences.values();
  }

  /**
   * The audience of a set of subscriptions that is to have this member. Its filters say what holds now,
   * as the newcomer's snapshots will.
   */
  audienceFor(
    { encoding, framing, holder }: Member,
    subscriptions: SubscriptionSet,
    mirror: Mirror,
    round: number,
    now: number,
  ): Audience {
    const { markets } = mirror;
    const key = `${framing?.key ?? ""}${encoding}${subscriptions.key()}`;
    const known = this.#audiences.get(key);
    if (known !== undefined) {
      this.#markets.evaluate(known.filters);
      return known;
    }
    const { filters: registry } = this.#markets;
    const filters: ActiveFilter[] = [];
    for (const [filterKey, filter] of subscriptions.filters)
      filters.push(registry.acquire(filterKey, filter, holder, markets, round));
    this.#markets.evaluate(filters);
    const audience = new Audience(key, encoding, subscriptions, filters, framing);
    this.#audiences.set(key, audience);
    audience.marketsDueAt = now + audience.marketsIntervalMs;
    audience.marketsToldRound = round;
    this.interests.add(audience, { mirror, round, now });
    this.#heartbeats.add(audience);
    this.#candles.add(audience, holder);
    this.#countFilters();
    count(this.#counters, SHARD.audiences);
    return audience;
  }

  /** Puts a member that is in no audience into the one that {@link audienceFor} has found for it. */
  enter(member: Member, audience: Audience): void {
    if (member.audience !== undefined)
      throw new Error(`membership: a member of ${member.audience.key} enters ${audience.key}`);
    if (
      this.#audiences.get(audience.key) !== audience ||
      member.encoding !== audience.encoding ||
      member.framing !== audience.framing
    )
      throw new Error(
        `membership: a member of encoding ${member.encoding} enters ${audience.key}, not one of ${this.#audiences.size}`,
      );
    audience.members.add(member);
    member.moveTo(audience);
    this.#countSubscriptions(audience, 1);
    this.#listener.entered(member, audience);
  }

  /** Takes a member out of its audience, if it has one; with its last member an audience goes. */
  leave(member: Member): void {
    const { audience } = member;
    if (audience === undefined) return;
    if (this.#audiences.get(audience.key) !== audience || !audience.members.delete(member))
      throw new Error(
        `membership: one who leaves ${audience.key} is none of its ${audience.members.size} members`,
      );
    for (const stream of audience.streams.keys()) stream.ahead.delete(member);
    member.moveTo(undefined);
    this.#countSubscriptions(audience, -1);
    this.#listener.left(member, audience);
    if (audience.members.size > 0) return;
    this.#audiences.delete(audience.key);
    this.interests.remove(audience);
    this.#heartbeats.remove(audience);
    this.#candles.remove(audience);
    for (const key of audience.subscriptions.filters.keys()) this.#markets.filters.release(key);
    this.#countFilters();
    count(this.#counters, SHARD.audiences, -1);
  }

  #countFilters(): void {
    this.#counters[SHARD.distinctFilters] = this.#markets.filters.size;
  }

  #countSubscriptions(audience: Audience, sign: number): void {
    const subscribed = audience.subscriptions.countByChannel();
    for (const type of CHANNEL_TYPES) {
      const by = (subscribed[type] ?? 0) * sign;
      countListed(this.#counters, SHARD.subscriptionsByChannel, CHANNEL_TYPES, type, by);
    }
  }
}
