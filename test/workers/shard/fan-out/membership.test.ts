import { beforeEach, describe, expect, it } from "vitest";
import { CHANNEL_TYPES } from "../../../../src/contract/channel-kinds.js";
import type { ChannelType } from "../../../../src/contract/messages.js";
import type { CounterSection } from "../../../../src/counters/counters.js";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { Candles } from "../../../../src/workers/shard/fan-out/candles.js";
import { Heartbeats } from "../../../../src/workers/shard/fan-out/heartbeats.js";
import { MarketsChannel } from "../../../../src/workers/shard/fan-out/markets-channel.js";
import { Membership } from "../../../../src/workers/shard/fan-out/membership.js";
import { MergedStreams } from "../../../../src/workers/shard/fan-out/merged-streams.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import type { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";
import { RoundFrames } from "../../../../src/workers/shard/fan-out/round-frames.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { FakeMember, fakeMarkets, fakeMirror } from "../../../support/fake-member.js";

let counters: CounterSection;
let channel: MarketsChannel;
let membership: Membership;
let markets: MirrorMarket[];
let mirror: Mirror;

beforeEach(() => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  const frames = new RoundFrames();
  channel = new MarketsChannel(frames, 10);
  membership = new Membership(
    counters,
    channel,
    new MergedStreams(),
    new Heartbeats(frames),
    new Candles(counters, frames, 10),
  );
  markets = fakeMarkets(3);
  mirror = fakeMirror(markets);
  channel.setMirror(mirror);
});

function pricesOf(...ids: number[]): SubscriptionSet {
  const set = new SubscriptionSet();
  set.add({ type: "PriceFeed", params: { market_ids: ids } });
  return set;
}

function marketsOf(status?: "Active" | "Halted"): SubscriptionSet {
  const set = new SubscriptionSet();
  set.add({
    type: "Markets",
    params: status === undefined ? null : { filter: { status: [status] } },
  });
  return set;
}

function enter(member: FakeMember, subscriptions: SubscriptionSet, round = 1): Audience {
  const audience = membership.audienceFor(member, subscriptions, mirror, round, 0);
  membership.enter(member, audience);
  return audience;
}

const count = (word: number): number => counted(counters, word);
const subscribed = (type: ChannelType): number =>
  count(SHARD.subscriptionsByChannel + CHANNEL_TYPES.indexOf(type));

describe("membership", () => {
  it("membership - there is one audience for each encoding and set of subscriptions, however made", () => {
    const first = enter(new FakeMember(0), pricesOf(1, 2));
    expect(enter(new FakeMember(0), pricesOf(2, 1))).toBe(first);
    const others = [
      enter(new FakeMember(1), pricesOf(1, 2)),
      enter(new FakeMember(0), pricesOf(1)),
    ];
    expect([...membership.audiences]).toEqual([first, ...others]);
    expect(first.members.size).toBe(2);
    expect(first).toMatchObject({ encoding: 0, dirty: false });
    expect(count(SHARD.audiences)).toBe(3);
  });

  it("membership - a member is in the audience that it entered, and in none when it has left", () => {
    const [one, other] = [new FakeMember(), new FakeMember()];
    const audience = enter(one, pricesOf(1));
    enter(other, pricesOf(1));
    expect([...audience.members]).toEqual([one, other]);
    expect(one.audience).toBe(audience);
    membership.leave(one);
    expect([...audience.members]).toEqual([other]);
    expect(one.audience).toBeUndefined();
    // Who is in none has nothing to leave.
    membership.leave(one);
    expect([...membership.audiences]).toEqual([audience]);
  });

  it("membership - with its last member an audience goes, its interests and its filters' places", () => {
    const members = [new FakeMember(), new FakeMember()];
    const set = marketsOf("Active");
    set.add({ type: "Market", params: { market_id: 1 } });
    const [audience] = members.map((member) => enter(member, set));
    const interest = membership.interests.at({ slot: 1, marketId: 1 });
    expect([...interest.states]).toEqual([audience]);
    expect([channel.filters.size, count(SHARD.distinctFilters)]).toEqual([1, 1]);
    for (const [left, member] of members.entries()) {
      expect([...membership.audiences]).toHaveLength(1);
      expect(interest.states.size).toBe(1);
      expect(channel.filters.size).toBe(1);
      expect(subscribed("Market")).toBe(members.length - left);
      membership.leave(member);
    }
    expect([...membership.audiences]).toEqual([]);
    expect(interest.states.size).toBe(0);
    expect([...channel.filters.all]).toEqual([]);
    expect([count(SHARD.audiences), count(SHARD.distinctFilters)]).toEqual([0, 0]);
    // One that comes later is another audience, of which the one that went has no part.
    expect(enter(new FakeMember(), set)).not.toBe(audience);
  });

  it("membership - subscriptions are counted by member, and each market of a PriceFeed by itself", () => {
    const members = [new FakeMember(0), new FakeMember(0), new FakeMember(1)];
    for (const member of members) enter(member, pricesOf(0, 1, 2));
    const all = marketsOf();
    all.add({ type: "Trades", params: null });
    const last = new FakeMember();
    enter(last, all);
    expect([subscribed("PriceFeed"), subscribed("Markets"), subscribed("Trades")]).toEqual([
      9, 1, 1,
    ]);
    membership.leave(members[1] as FakeMember);
    membership.leave(last);
    expect([subscribed("PriceFeed"), subscribed("Markets"), subscribed("Trades")]).toEqual([
      6, 0, 0,
    ]);
    expect(subscribed("Market")).toBe(0);
  });

  it("membership - audiences share a filter, which stays until the last of them has gone", () => {
    const members = [new FakeMember(0), new FakeMember(1)];
    const [one, other] = members.map((member) => enter(member, marketsOf("Active")));
    expect(one).not.toBe(other);
    expect(one?.filters).toEqual(other?.filters);
    expect(one?.filters[0]).toBe(other?.filters[0]);
    expect(count(SHARD.distinctFilters)).toBe(1);
    membership.leave(members[0] as FakeMember);
    expect([...channel.filters.all]).toEqual(other?.filters);
    membership.leave(members[1] as FakeMember);
    expect([...channel.filters.all]).toEqual([]);
  });

  it("membership - the filters of an audience say what holds when a member comes, new or known", () => {
    const audience = enter(new FakeMember(), marketsOf("Active"));
    const [filter] = audience.filters;
    channel.beginRound(2);
    const halted = Object.assign(markets[1] as MirrorMarket, { status: "Halted", stateRound: 2 });
    channel.changed(halted, 0);
    expect(filter?.matches(1)).toBe(true);
    expect(enter(new FakeMember(), marketsOf("Active"), 2)).toBe(audience);
    expect(filter?.matches(1)).toBe(false);
    // As of the round in which it came, so it is not told that a market ceased to match before.
    expect([filter?.unmatchedSince(1, 1), filter?.unmatchedSince(1, 2)]).toEqual([true, false]);
    // The same for a new audience of a filter that others have already.
    channel.beginRound(3);
    const closed = Object.assign(markets[2] as MirrorMarket, { status: "Closed", stateRound: 3 });
    channel.changed(closed, 0);
    expect(enter(new FakeMember(1), marketsOf("Active"), 3).filters).toEqual([filter]);
    expect(filter?.matches(2)).toBe(false);
    const [ofHalted] = enter(new FakeMember(), marketsOf("Halted"), 2).filters;
    expect([0, 1, 2].map((slot) => ofHalted?.matches(slot))).toEqual([false, true, false]);
  });

  it("membership - who is in an audience enters no other, and nobody one that is none of these", () => {
    const member = new FakeMember();
    const audience = enter(member, pricesOf(1));
    const other = membership.audienceFor(new FakeMember(), pricesOf(2), mirror, 1, 0);
    expect(() => membership.enter(member, other)).toThrow(`a member of ${audience.key} enters`);
    const strange = new Audience(audience.key, 0, audience.subscriptions, []);
    expect(() => membership.enter(new FakeMember(), strange)).toThrow("not one of 2");
    expect(() => membership.enter(new FakeMember(1), audience)).toThrow("a member of encoding 1");
    expect([...audience.members]).toEqual([member]);
    expect(subscribed("PriceFeed")).toBe(1);
  });

  it("membership - who leaves an audience that does not have it is a fault, and nothing is counted", () => {
    const audience = enter(new FakeMember(), pricesOf(1));
    const stray = new FakeMember();
    stray.moveTo(audience);
    expect(() => membership.leave(stray)).toThrow("is none of its 1 members");
    expect(subscribed("PriceFeed")).toBe(1);
  });
});
