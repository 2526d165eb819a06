import { beforeEach, describe, expect, it } from "vitest";
import { CHANGE } from "../../../../src/ring/records.js";
import type { MarketStatus } from "../../../../src/shared/market.js";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { MarketsChannel } from "../../../../src/workers/shard/fan-out/markets-channel.js";
import type { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";
import { RoundFrames } from "../../../../src/workers/shard/fan-out/round-frames.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { FakeMember, fakeMarkets, fakeMirror, toldBy } from "../../../support/fake-member.js";

const { holder } = new FakeMember();
const ACTIVE = { status: ["Active"] } as const satisfies { status: MarketStatus[] };
const HALTED = { status: ["Halted"] } as const satisfies { status: MarketStatus[] };

let frames: RoundFrames;
let channel: MarketsChannel;
let markets: MirrorMarket[];
let round: number;

beforeEach(() => {
  frames = new RoundFrames();
  channel = new MarketsChannel(frames, 10);
  markets = fakeMarkets(4);
  channel.setMirror(fakeMirror(markets));
  round = 0;
});

const marketAt = (slot: number): MirrorMarket => markets[slot] as MirrorMarket;

function begin(): void {
  round++;
  frames.begin(round);
  channel.beginRound(round);
}

function touch(slot: number, changes: number, status = marketAt(slot).status): void {
  const market = marketAt(slot);
  const before = market.stateRound;
  market.stateSeq++;
  market.status = status;
  market.changed(changes, round);
  channel.changed(market, before);
}

/** A round in which the prices of markets change, or one's status. */
function quote(...slots: readonly number[]): void {
  begin();
  for (const slot of slots) touch(slot, CHANGE.quote);
}
function setStatus(slot: number, status: MarketStatus): void {
  begin();
  touch(slot, CHANGE.status, status);
}

/** An audience of filters of `Markets`, and of `Market` channels. */
function audienceOf(
  filters: readonly (typeof ACTIVE | typeof HALTED | null)[],
  ...states: readonly number[]
): Audience {
  const subscriptions = new SubscriptionSet();
  for (const filter of filters) {
    const params = filter === null ? null : { filter: { status: [...filter.status] } };
    subscriptions.add({ type: "Markets", params });
  }
  for (const market_id of states) subscriptions.add({ type: "Market", params: { market_id } });
  const active = [...subscriptions.filters].map(([key, filter]) =>
    channel.filters.acquire(key, filter, holder, markets, round),
  );
  return new Audience(subscriptions.key(), 0, subscriptions, active);
}

/** A member that has been told of everything up to now. */
function memberOf(audience: Audience): FakeMember {
  const member = new FakeMember();
  audience.members.add(member);
  member.moveTo(audience);
  member.toldMarkets(round);
  return member;
}

/** A member that has been told of everything before this round. */
function memberOfBefore(audience: Audience): FakeMember {
  const member = memberOf(audience);
  member.toldMarkets(round - 1);
  return member;
}

/** What a member has been sent since this was asked last. */
const news = (member: FakeMember): string[] => toldBy(member.writes.splice(0).flat());

describe("markets-channel", () => {
  it("markets-channel - each change is told once, with all that happened since the last telling", () => {
    const audience = audienceOf([null]);
    const member = memberOf(audience);
    quote(1);
    quote(1, 2);
    setStatus(2, "Halted");
    channel.tell([audience], 0);
    expect(news(member)).toEqual(["Price 1", "Status 2"]);
    begin();
    channel.tell([audience], 0);
    expect(member.writes).toEqual([]);
  });

  it("markets-channel - members that were told at one round share a batch, made once in a round", () => {
    const audience = audienceOf([null]);
    const [one, other, late] = [memberOf(audience), memberOf(audience), memberOf(audience)];
    late.toldMarkets(-1);
    quote(1);
    channel.tell([audience], 0);
    expect(other.writes[0]?.[0]).toBe(one.writes[0]?.[0]);
    expect(late.writes[0]?.[0]).not.toBe(one.writes[0]?.[0]);
    expect(audience.marketsBatches.size).toBe(2);
    begin();
    expect(audience.marketsBatches.size).toBe(0);
  });

  it("markets-channel - only markets that match are told, and one that ceases to match once", () => {
    const [active, halted] = [audienceOf([ACTIVE]), audienceOf([HALTED])];
    const [ofActive, ofHalted] = [memberOf(active), memberOf(halted)];
    const tell = (): string[][] => {
      channel.tell([active, halted], 0);
      return [news(ofActive), news(ofHalted)];
    };
    quote(1);
    expect(tell()).toEqual([["Price 1"], []]);
    setStatus(1, "Halted");
    expect(tell()).toEqual([["Unmatched 1"], ["Status 1"]]);
    quote(1);
    expect(tell()).toEqual([[], ["Price 1"]]);
    setStatus(1, "Closed");
    setStatus(1, "Active");
    expect(tell()).toEqual([["Status 1"], ["Unmatched 1"]]);
  });

  it("markets-channel - any filter of a connection may match, and what a Market channel tells is left out", () => {
    const audience = audienceOf([ACTIVE, HALTED], 3);
    const member = memberOf(audience);
    setStatus(1, "Halted");
    setStatus(2, "Closed");
    quote(3);
    channel.tell([audience], 0);
    expect(news(member)).toEqual(["Status 1", "Unmatched 2"]);
    // That it ceases to match is told, as the Market channel does not know of filters.
    setStatus(3, "Closed");
    channel.tell([audience], 0);
    expect(news(member)).toEqual(["Unmatched 3"]);
  });

  it("markets-channel - who waits or is closing is left out, and is due it later: the latest, once", () => {
    const audience = audienceOf([null]);
    const [blocked, closing, current] = [
      memberOf(audience),
      memberOf(audience),
      memberOf(audience),
    ];
    blocked.blocked = true;
    closing.open = false;
    quote(1);
    expect(channel.missedBy(blocked)).toBe(false);
    channel.tell([audience], 0);
    expect([blocked.writes, closing.writes]).toEqual([[], []]);
    expect(news(current)).toEqual(["Price 1"]);
    expect([channel.missedBy(blocked), channel.missedBy(current)]).toEqual([true, false]);
    setStatus(2, "Halted");
    channel.tell([audience], 0);
    expect(news(current)).toEqual(["Status 2"]);
    quote(1);
    blocked.blocked = false;
    expect(toldBy(channel.due(blocked, audience))).toEqual(["Price 1", "Status 2"]);
    expect([channel.missedBy(blocked), channel.due(blocked, audience)]).toEqual([false, []]);
    // Who was told early is told nothing again at the next telling, and who was not is.
    channel.tell([audience], 0);
    expect([news(blocked), news(current)]).toEqual([[], ["Price 1"]]);
  });

  it("markets-channel - a member of no filter, or of no audience, has missed and is due nothing", () => {
    const audience = audienceOf([], 1);
    const [member, alone] = [memberOf(audience), new FakeMember()];
    member.toldMarkets(-1);
    alone.toldMarkets(-1);
    quote(1);
    channel.tell([audience], 0);
    expect([channel.missedBy(member), channel.missedBy(alone)]).toEqual([false, false]);
    expect([member.writes, channel.due(member, audience)]).toEqual([[], []]);
    // Should it ask for `Markets` later, it has not been told.
    expect(member.marketsSince).toBe(-1);
  });

  it("markets-channel - a filter is evaluated for what changed, once a round, and before anybody is told", () => {
    const audience = audienceOf([ACTIVE]);
    const [filter] = audience.filters;
    setStatus(1, "Halted");
    expect(filter?.matches(1)).toBe(true);
    channel.evaluate(audience.filters);
    expect([filter?.matches(1), filter?.evaluatedRound]).toEqual([false, 1]);
    // Not again: what it says of a market is as of then.
    marketAt(1).status = "Active";
    channel.evaluate(audience.filters);
    expect(filter?.matches(1)).toBe(false);
    // Who is told between two intervals is told what holds.
    setStatus(0, "Closed");
    expect(toldBy(channel.due(memberOfBefore(audience), audience))).toContain("Unmatched 0");
    // What is told to nobody is known all the same.
    setStatus(2, "Halted");
    channel.tell([], 0);
    expect(filter?.matches(2)).toBe(false);
  });

  it("markets-channel - other markets: nothing of those that were is told, and filters say what holds", () => {
    const audience = audienceOf([ACTIVE]);
    const member = memberOf(audience);
    setStatus(0, "Halted");
    channel.evaluate(audience.filters);
    setStatus(2, "Halted");
    markets = fakeMarkets(3);
    marketAt(1).status = "Closed";
    channel.setMirror(fakeMirror(markets));
    expect(channel.missedBy(member)).toBe(true);
    member.toldMarkets(round);
    begin();
    channel.tell([audience], 0);
    expect(member.writes).toEqual([]);
    const [filter] = audience.filters;
    expect([0, 1, 2].map((slot) => filter?.matches(slot))).toEqual([true, false, true]);
    expect(filter?.unmatchedSince(0, 0)).toBe(false);
    quote(0, 1);
    channel.tell([audience], 0);
    expect(news(member)).toEqual(["Price 0"]);
  });

  it("markets-channel - a part's markets count as told of, each from its part on", () => {
    const audience = audienceOf([ACTIVE]);
    const [plain, member] = [memberOf(audience), memberOf(audience)];
    const [key] = audience.subscriptions.filters.keys() as Iterable<string>;
    const part = {
      key: key as string,
      untold: new Set([key as string]),
      states: new Set<number>(),
    };
    quote(0, 1, 2, 3);
    // The part has the matching ones itself.
    expect(channel.dueBeside(member, { ...part, from: 0, to: 2 })).toEqual([]);
    expect([...(member.marketsTold ?? [])]).toEqual([
      [0, 1],
      [1, 1],
    ]);
    quote(1);
    expect(channel.dueBeside(member, { ...part, from: 2, to: 4 })).toEqual([]);
    channel.tell([audience], 0);
    // The first of them has not changed since its part, nor have those of the second.
    expect(news(member)).toEqual(["Price 1"]);
    expect([member.marketsSince, member.marketsTold]).toEqual([2, undefined]);
    // Whoever was told of nothing since the same round is told of them all.
    expect(news(plain).sort()).toEqual(["Price 0", "Price 1", "Price 2", "Price 3"]);
  });

  it("markets-channel - beside a part come markets of it that the member's told filters still show", () => {
    const audience = audienceOf([ACTIVE, HALTED]);
    const member = memberOf(audience);
    const [active, halted] = [...audience.subscriptions.filters.keys()] as [string, string];
    setStatus(0, "Halted");
    setStatus(1, "Closed");
    quote(2);
    const none = new Set<number>();
    const whole = { from: 0, to: 4, untold: new Set([halted]) };
    const due = channel.dueBeside(member, { key: halted, states: none, ...whole });
    // The first is in the part; the second was shown by Active, and the third still is.
    expect(toldBy(due)).toEqual(["Unmatched 1", "Price 2"]);
    expect([member.marketsSince, member.marketsTold]).toEqual([round, undefined]);
    expect(channel.dueBeside(member, { key: halted, states: none, ...whole })).toEqual([]);
    // What a Market channel tells is left out.
    quote(2);
    const states = new Set([2]);
    expect(channel.dueBeside(member, { key: halted, states, ...whole })).toEqual([]);
    // Whether a market is shown that only an untold filter matches is seen when its part comes.
    setStatus(3, "Halted");
    const before = { key: active, states: none, from: 0, to: 4, untold: new Set([active, halted]) };
    expect(channel.dueBeside(member, before)).toEqual([]);
    expect([member.marketsSince, member.marketsTold]).toEqual([round - 1, undefined]);
    expect(channel.dueBeside(member, { key: halted, states: none, ...whole })).toEqual([]);
    expect(member.marketsSince).toBe(round);
  });

  it("markets-channel - what one part has told a part of another filter does not tell again", () => {
    const audience = audienceOf([ACTIVE, HALTED]);
    const member = memberOf(audience);
    const [active, halted] = [...audience.subscriptions.filters.keys()] as [string, string];
    const range = { states: new Set<number>(), from: 0, to: 2 };
    quote(1);
    const untold = new Set([active, halted]);
    expect(channel.dueBeside(member, { ...range, key: active, untold })).toEqual([]);
    untold.delete(active);
    expect(channel.dueBeside(member, { ...range, key: halted, untold })).toEqual([]);
    quote(1);
    const due = channel.dueBeside(member, { ...range, key: halted, untold });
    expect(toldBy(due)).toEqual(["Price 1"]);
  });

  it("markets-channel - rounds only rise, and nobody was told of one that is to come", () => {
    const audience = audienceOf([null]);
    const member = memberOf(audience);
    begin();
    expect(() => channel.beginRound(1)).toThrow("round 1 begins after 1");
    member.toldMarkets(5);
    expect(() => channel.due(member, audience)).toThrow("told up to round 5, and it is 1");
    marketAt(1).changed(CHANGE.quote, 3);
    expect(() => channel.changed(marketAt(1), 0)).toThrow("market 1 changed in round 3 after 0");
    const part = { key: "", untold: new Set<string>(), states: new Set<number>(), from: 0, to: 1 };
    expect(() => channel.dueBeside(new FakeMember(), part)).toThrow("a member of no audience");
  });
});
