import { CHANNEL_TYPES } from "../../src/contract/channel-kinds.js";
import type { ChannelType } from "../../src/contract/messages.js";
import { type CounterSection, counted, SHARD } from "../../src/counters/counters.js";
import type { Connection } from "../../src/workers/shard/connections/connection.js";
import type { Audience } from "../../src/workers/shard/fan-out/audience.js";
import type { FanOut } from "../../src/workers/shard/fan-out/fan-out.js";
import {
  type ActiveFilter,
  matchesFilter,
} from "../../src/workers/shard/fan-out/filter-registry.js";
import { SubscriptionSet } from "../../src/workers/shard/fan-out/subscription-set.js";

/**
 * Checks, between two rounds, what the fan-out and its parts say of themselves and cannot look at in
 * every round. Throws for what does not hold, with the values.
 * @param connections all that have not been taken off
 */
export function checkFanOutInvariants(
  fanOut: FanOut,
  counters: CounterSection,
  connections: Iterable<Connection>,
): void {
  const audiences = [...fanOut.audiences];
  for (const audience of audiences) checkAudience(fanOut, audience);
  checkFilters(fanOut, audiences);
  checkCounters(fanOut, audiences, counters);
  for (const connection of connections) checkMember(fanOut, audiences, connection);
}

function checkAudience(fanOut: FanOut, audience: Audience): void {
  const { key, dirty, offeredInRound, states, trades, members, encoding, framing, subscriptions } =
    audience;
  const round = { dirty, offeredInRound, states: states.messages, trades: trades.messages };
  const idle = !dirty && offeredInRound + states.messages + trades.messages === 0;
  require(idle, "an audience is dirty between rounds", { key, ...round });
  require(members.size > 0, "an audience without members", { key });
  // A set that has been keyed does not change.
  const ownKey = `${framing?.key ?? ""}${encoding}${new SubscriptionSet(subscriptions).key()}`;
  require(key === ownKey, "an audience under another's key", { key, ownKey });
  for (const member of members) {
    const { encoding: ofMember, audience: other } = member;
    require(other === audience, "a member of two audiences", { key, other: other?.key });
    require(member.framing === framing, "a member of another framing", { key });
    require(ofMember === encoding, "a member of another encoding", { key, ofMember });
  }
  const keys = [...subscriptions.filters.keys()];
  const registered = keys.map((filterKey) => fanOut.markets.filters.get(filterKey));
  const same = registered.every((filter, index) => filter === audience.filters[index]);
  require(same && keys.length === audience.filters.length, "filters not registered", { key, keys });
}

/** Who uses each filter, and what it says of all markets that it can know of. */
function checkFilters({ markets, mirror, round }: FanOut, audiences: readonly Audience[]): void {
  const users = new Map<ActiveFilter, number>();
  for (const { filters } of audiences)
    for (const filter of filters) users.set(filter, (users.get(filter) ?? 0) + 1);
  const all = [...markets.filters.all];
  const { size } = markets.filters;
  const places = all.filter(({ filter }) => filter !== null).length;
  require(all.length === users.size, "filters that nobody uses", { all: all.length, used: users });
  require(size === places, "filters and their places", { size, places });
  for (const active of all) {
    const { filter, evaluatedRound } = active;
    const used = { filter, users: active.users, audiences: users.get(active) };
    require(used.users === used.audiences, "a filter's users", used);
    require(evaluatedRound <= round, "a filter ahead", { filter, evaluatedRound, round });
    for (const market of mirror.markets) {
      const { slot, stateRound } = market;
      if (stateRound > evaluatedRound) continue;
      const says = { filter, slot, stateRound, evaluatedRound, matches: active.matches(slot) };
      require(says.matches === matchesFilter(filter, market), "a filter is wrong", says);
    }
  }
}

function checkCounters(
  { markets }: FanOut,
  audiences: readonly Audience[],
  counters: CounterSection,
): void {
  const subscribed = (type: ChannelType): number =>
    audiences.reduce(
      (sum, { members, subscriptions }) =>
        sum + members.size * (subscriptions.countByChannel()[type] ?? 0),
      0,
    );
  const expected = [audiences.length, markets.filters.size, ...CHANNEL_TYPES.map(subscribed)];
  const counts = [
    SHARD.audiences,
    SHARD.distinctFilters,
    ...CHANNEL_TYPES.map((_, index) => SHARD.subscriptionsByChannel + index),
  ].map((word) => counted(counters, word));
  const same = expected.every((number, index) => number === counts[index]);
  require(same, "counted otherwise", { expected, counts });
}

function checkMember(fanOut: FanOut, audiences: readonly Audience[], member: Connection): void {
  const { audience, number, state, behind, hasQueue, missedSince, offeredAtMiss } = member;
  const { marketsSince, marketsTold } = member;
  const { round, markets } = fanOut;
  const at = { number, state, behind, hasQueue, missedSince, marketsSince, round };
  if (audience !== undefined) {
    require(audiences.includes(audience), "an audience that is none", { ...at, key: audience.key });
    require(audience.members.has(member), "a member that is none", { ...at, key: audience.key });
  }
  require(behind || !member.open || state !== "due" || hasQueue, "nothing is due", at);
  require(state !== "current" || (!behind && !hasQueue), "current, and something is due", at);
  if (behind) {
    const offered = audience?.offered ?? Number.NaN;
    require(missedSince < round && offeredAtMiss < offered, "behind nothing", {
      ...at,
      offeredAtMiss,
      offered,
    });
  }
  const told = [marketsSince, ...(marketsTold?.values() ?? [])];
  require(told.every((one) => one <= round), "told of rounds to come", { ...at, told });
  const missed = markets.missedBy(member);
  if (member.open && !member.waiting && (missed || !member.current))
    require(fanOut.hasDrained, "nobody will catch it up", { ...at, missed });
}

function require(holds: boolean, what: string, values: object): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(values)}`);
}
