import { beforeEach, describe, expect, it } from "vitest";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import { CHANGE } from "../../../../src/ring/records.js";
import type { FrameBatch } from "../../../../src/workers/shard/connections/frame-batch.js";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { Candles } from "../../../../src/workers/shard/fan-out/candles.js";
import { CatchUp } from "../../../../src/workers/shard/fan-out/catch-up.js";
import { MarketsChannel } from "../../../../src/workers/shard/fan-out/markets-channel.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import type { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";
import { RoundFrames } from "../../../../src/workers/shard/fan-out/round-frames.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { FakeMember, fakeMarkets, fakeMirror, toldBy } from "../../../support/fake-member.js";

/** A batch that says nothing which the catch-up would look at. */
const TRADES: FrameBatch = { bytes: Buffer.from("trades"), messages: 2 };
const QUEUED: FrameBatch = { bytes: Buffer.from("queued"), messages: 1 };

let counters: CounterSection;
let channel: MarketsChannel;
let frames: RoundFrames;
let catchUp: CatchUp;
let markets: MirrorMarket[];
let mirror: Mirror;
let audience: Audience;
let round: number;

beforeEach(() => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  frames = new RoundFrames();
  channel = new MarketsChannel(frames, 10);
  catchUp = new CatchUp(counters, frames, channel, new Candles(counters, frames, 10));
  markets = fakeMarkets(4);
  mirror = fakeMirror(markets);
  channel.setMirror(mirror);
  const subscriptions = new SubscriptionSet();
  subscriptions.add({ type: "PriceFeed", params: { market_ids: [0, 1] } });
  for (const market_id of [1, 2]) subscriptions.add({ type: "Market", params: { market_id } });
  audience = new Audience("key", 0, subscriptions, []);
  round = 0;
});

function begin(): void {
  round++;
  frames.begin(round);
  channel.beginRound(round);
  catchUp.beginRound();
}

/** A round in which states of markets change, and are offered to whoever wants them. */
function change(changes: number, ...slots: readonly number[]): void {
  begin();
  for (const slot of slots) {
    const market = markets[slot] as MirrorMarket;
    market.stateSeq++;
    if ((changes & CHANGE.quote) !== 0) market.priceSeq++;
    market.changed(changes, round);
    const { prices, states } = audience.subscriptions;
    if (prices.has(slot) && (changes & CHANGE.quote) !== 0) audience.offer();
    if (states.has(slot)) audience.offer();
  }
  audience.endRound();
}

function changeBook(slot: number): void {
  begin();
  const market = markets[slot] as MirrorMarket;
  const book = market.ownBook();
  book.topSeq++;
  book.topTs = 1;
  market.bookRead(round);
  audience.offer();
  audience.endRound();
}

/** A member that has missed everything since now. */
function behind(): FakeMember {
  const member = new FakeMember();
  member.moveTo(audience);
  member.miss(round, audience.offered);
  return member;
}

const conflated = (): number => counted(counters, SHARD.conflated);
const told = ({ writes }: FakeMember): string[] => toldBy(writes.flat());

describe("catch-up", () => {
  it("catch-up - who fell behind is sent the latest of each stream that changed since, and no other", () => {
    change(CHANGE.quote, 0, 1, 2);
    changeBook(1);
    const member = behind();
    change(CHANGE.quote, 1);
    change(CHANGE.volume, 2);
    change(CHANGE.quote, 1, 3);
    changeBook(2);
    begin();
    catchUp.send(member, mirror);
    expect(member.writes).toHaveLength(1);
    expect(told(member)).toEqual(["PriceUpdate 1", "Price 1", "Volume 2", "OrderBook 2"]);
    expect(member.behind).toBe(false);
  });

  it("catch-up - an update's type says all that happened since, not only what came last", () => {
    const member = behind();
    change(CHANGE.status, 1);
    change(CHANGE.quote, 2);
    change(CHANGE.volume, 1, 2);
    const late = behind();
    change(CHANGE.volume, 1, 2);
    begin();
    catchUp.send(member, mirror);
    catchUp.send(late, mirror);
    expect(told(member)).toEqual(["Status 1", "Price 2"]);
    expect(told(late)).toEqual(["Volume 1", "Volume 2"]);
  });

  it("catch-up - members that stopped at one round share a buffer, made once in a round", () => {
    const [first, second] = [behind(), behind()];
    change(CHANGE.quote, 0);
    const later = behind();
    change(CHANGE.quote, 0);
    begin();
    for (const member of [first, second, later]) catchUp.send(member, mirror);
    const [shared] = first.writes[0] as FrameBatch[];
    expect(second.writes[0]?.[0]).toBe(shared);
    expect(later.writes[0]?.[0]).not.toBe(shared);
    expect(later.writes).toEqual(first.writes);
    // In another round it is made anew, with what that round has brought.
    const third = behind();
    third.miss(0, 0);
    change(CHANGE.quote, 1);
    begin();
    catchUp.send(third, mirror);
    expect(told(third)).toEqual(["PriceUpdate 1", "Price 1"]);
    begin();
    expect(audience.catchUps.size).toBe(0);
  });

  it("catch-up - what waited comes first, then the round's trades, then states", () => {
    const member = behind();
    member.enqueue(QUEUED);
    change(CHANGE.quote, 0);
    begin();
    catchUp.send(member, mirror, TRADES);
    const [call] = member.writes;
    expect(call?.slice(0, 2)).toEqual([QUEUED, TRADES]);
    expect(toldBy(call?.slice(2) ?? [])).toEqual(["PriceUpdate 0"]);
    expect(member.hasQueue).toBe(false);
  });

  it("catch-up - who has no audience is sent what waited, and who is closing nothing", () => {
    const alone = new FakeMember();
    alone.enqueue(QUEUED);
    catchUp.send(alone, mirror);
    expect(alone.writes).toEqual([[QUEUED]]);
    const closing = behind();
    closing.open = false;
    closing.enqueue(QUEUED);
    change(CHANGE.quote, 0);
    catchUp.send(closing, mirror, TRADES);
    expect(closing.writes).toEqual([]);
  });

  it("catch-up - a blocked member is sent nothing: that is a fault of whoever asks for it", () => {
    const member = behind();
    change(CHANGE.quote, 0);
    member.blocked = true;
    expect(() => catchUp.send(member, mirror)).toThrow("a blocked member of key");
    expect(member.behind).toBe(true);
  });

  it("catch-up - of what was missed all that is not sent is counted as conflated, once", () => {
    const member = behind();
    // Two messages each of market 1, one each of market 0.
    for (let count = 0; count < 5; count++) change(CHANGE.quote, 0, 1);
    expect(audience.offered).toBe(15);
    // All but one of each stream is lost for certain: two prices, and two states with their books.
    catchUp.countMissed(member, audience);
    expect([conflated(), member.conflated]).toEqual([15 - 6, 15 - 6]);
    catchUp.countMissed(member, audience);
    expect(conflated()).toBe(9);
    begin();
    catchUp.send(member, mirror);
    expect(told(member)).toHaveLength(3);
    expect(conflated()).toBe(15 - 3);
    // It counts from nothing when it falls behind again.
    member.miss(round, audience.offered);
    change(CHANGE.quote, 0);
    change(CHANGE.quote, 0);
    begin();
    catchUp.send(member, mirror);
    expect(conflated()).toBe(13);
  });

  it("catch-up - who is not behind misses nothing, and who misses less than a message each neither", () => {
    const current = new FakeMember();
    current.moveTo(audience);
    const member = behind();
    change(CHANGE.quote, 0, 1);
    for (const one of [current, member]) catchUp.countMissed(one, audience);
    begin();
    catchUp.send(current, mirror);
    expect(current.writes).toEqual([]);
    expect(conflated()).toBe(0);
  });

  it("catch-up - what a member was due when it leaves counts as conflated, and it is caught up no more", () => {
    const member = behind();
    change(CHANGE.quote, 0, 1);
    catchUp.drained(member);
    expect(catchUp.hasDrained).toBe(true);
    catchUp.forget(member);
    expect([catchUp.hasDrained, member.behind, conflated()]).toEqual([false, false, 3]);
    catchUp.forget(member);
    catchUp.forget(new FakeMember());
    expect(conflated()).toBe(3);
    catchUp.sendToDrained(mirror);
    expect(member.writes).toEqual([]);
  });

  it("catch-up - those that have drained are caught up at the round's end, but for who waits again", () => {
    const [member, blockedAgain, current] = [behind(), behind(), new FakeMember()];
    current.moveTo(audience);
    change(CHANGE.quote, 0);
    for (const one of [member, blockedAgain, current]) catchUp.drained(one);
    const queued = new FakeMember();
    queued.enqueue(QUEUED);
    catchUp.drained(queued);
    blockedAgain.blocked = true;
    begin();
    catchUp.sendToDrained(mirror);
    expect([member, queued].map(({ writes }) => writes.length)).toEqual([1, 1]);
    expect([blockedAgain, current].map(({ writes }) => writes)).toEqual([[], []]);
    expect(catchUp.hasDrained).toBe(false);
    // It comes again when it has drained again.
    expect(blockedAgain.behind).toBe(true);
    catchUp.sendToDrained(mirror);
    expect(member.writes).toHaveLength(1);
  });

  it("catch-up - who has all that there is does not wait to be caught up", () => {
    const current = new FakeMember();
    current.moveTo(audience);
    catchUp.drained(current);
    expect(catchUp.hasDrained).toBe(false);
  });

  it("catch-up - what is due between two rounds is taken: with it, the member is current", () => {
    const member = behind();
    member.enqueue(QUEUED);
    change(CHANGE.quote, 0);
    const due = catchUp.takeDue(member, mirror);
    expect(due[0]).toBe(QUEUED);
    expect(toldBy(due.slice(1))).toEqual(["PriceUpdate 0"]);
    expect([member.current, member.writes]).toEqual([true, []]);
    expect(catchUp.takeDue(member, mirror)).toEqual([]);
    const alone = new FakeMember();
    alone.enqueue(QUEUED);
    expect(catchUp.takeDue(alone, mirror)).toEqual([QUEUED]);
  });

  it("catch-up - missed Markets come with the rest, and others not before their time", () => {
    const { subscriptions } = audience;
    const withMarkets = new SubscriptionSet(subscriptions);
    withMarkets.add({ type: "Markets", params: null });
    const filter = channel.filters.acquire("all", null, new FakeMember().holder, markets, 0);
    audience = new Audience("key", 0, withMarkets, [filter]);
    const [missing, told] = [new FakeMember(), new FakeMember()];
    for (const member of [missing, told]) member.moveTo(audience);
    change(CHANGE.quote, 3);
    channel.changed(markets[3] as MirrorMarket, 0);
    told.toldMarkets(round);
    channel.tell([], 0);
    // Of the next interval, at whose end it will be told.
    told.miss(round, audience.offered);
    change(CHANGE.quote, 0);
    channel.changed(markets[0] as MirrorMarket, 0);
    for (const member of [missing, told]) catchUp.drained(member);
    begin();
    catchUp.sendToDrained(mirror);
    expect(toldBy(missing.writes.flat())).toEqual(["Price 0", "Price 3"]);
    expect(toldBy(told.writes.flat())).toEqual(["PriceUpdate 0"]);
    expect(catchUp.hasDrained).toBe(false);
  });

  it("catch-up - more messages for a member than it missed are a fault, with both numbers", () => {
    const member = behind();
    change(CHANGE.quote, 0, 1);
    member.offeredAtMiss = audience.offered - 1;
    begin();
    expect(() => catchUp.send(member, mirror)).toThrow("3 messages of rounds after 0 for 1 missed");
  });
});
