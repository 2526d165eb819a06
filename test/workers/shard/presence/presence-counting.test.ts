import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PresenceKey, PresenceShare } from "../../../../src/presence/presence-messages.js";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import {
  PresenceCounting,
  type Present,
} from "../../../../src/workers/shard/presence/presence-counting.js";
import { FakeMember } from "../../../support/fake-member.js";

const SEVEN: PresenceKey = "market 7";
const EIGHT: PresenceKey = "market 8";
const DESK: PresenceKey = "channel desk";

let audiences: Audience[];
let inChannel: Present[];
let restarting: boolean;
let told: (readonly PresenceShare[])[];
let counting: PresenceCounting;
beforeEach(() => {
  vi.useFakeTimers();
  audiences = [];
  inChannel = [];
  restarting = false;
  told = [];
  counting = new PresenceCounting({
    audiences: () => audiences,
    inChannel: (channel) => (channel === "desk" ? inChannel : []),
    restarting: () => restarting,
    tell: (shares) => told.push(shares),
  });
});
afterEach(() => {
  counting.stop();
  vi.useRealTimers();
});

function audienceOf(...markets: readonly number[]): Audience {
  const subscriptions = new SubscriptionSet();
  const [first, ...rest] = markets;
  if (first !== undefined) subscriptions.add({ type: "Trades", params: { market_id: first } });
  for (const market_id of rest)
    subscriptions.add({ type: "Candles", params: { market_id, interval: "1m", limit: 1 } });
  const audience = new Audience(`${audiences.length}`, 0, subscriptions, []);
  audiences.push(audience);
  return audience;
}
function enter(audience: Audience, userId?: string): FakeMember {
  const member = new FakeMember();
  member.userId = userId;
  audience.members.add(member);
  counting.entered(member, audience);
  return member;
}
function leave(audience: Audience, member: FakeMember): void {
  audience.members.delete(member);
  counting.left(member, audience);
}
/** What was told by a time, a list for each message. */
function toldAfter(ms: number) {
  vi.advanceTimersByTime(ms);
  return told
    .splice(0)
    .map((shares) =>
      shares.map(({ key, anew, connections, joined, left }) =>
        [anew === true ? "anew" : "", key, connections, `+${joined} -${left}`].join(" "),
      ),
    );
}

describe("presence counting", () => {
  it("presence counting - begins with those who are there, and follows those who come and go", () => {
    const both = audienceOf(7, 8);
    const eight = audienceOf(8);
    const ana = enter(both, "ana");
    enter(both);
    enter(eight, "bo");
    enter(audienceOf(9), "cy");
    inChannel = [{ userId: "ana" }, { userId: "ana" }];
    expect(toldAfter(1000)).toEqual([]);
    for (const key of [SEVEN, EIGHT, DESK]) counting.count(key);
    expect(toldAfter(10)).toEqual([
      ["anew market 7 2 +ana -", "anew market 8 3 +ana,bo -", "anew channel desk 2 +ana -"],
    ]);
    leave(both, ana);
    enter(eight, "ana");
    counting.enteredChannel({ userId: "dee" }, "desk");
    counting.enteredChannel({ userId: "dee" }, "other");
    counting.leftChannel({ userId: "ana" }, "desk");
    expect(toldAfter(1000)).toEqual([[" market 7 1 + -ana", " channel desk 2 +dee -"]]);
  });

  it("presence counting - tells the hub four times a second at most, and what comes to nothing not at all", () => {
    const seven = audienceOf(7);
    counting.count(SEVEN);
    toldAfter(10);
    for (let n = 0; n < 40; n++) {
      enter(seven, `user-${n}`);
      vi.advanceTimersByTime(25);
    }
    expect(told.splice(0).length).toBeLessThanOrEqual(4);
    toldAfter(250);
    const member = enter(seven, "x");
    leave(seven, member);
    expect(toldAfter(1000)).toEqual([]);
  });

  it("presence counting - what is ignored is told no more, and whole when it is counted again", () => {
    const seven = audienceOf(7);
    enter(seven, "ana");
    counting.count(SEVEN);
    toldAfter(10);
    counting.ignore(SEVEN);
    enter(seven, "bo");
    expect(toldAfter(1000)).toEqual([]);
    counting.count(SEVEN);
    counting.count(EIGHT);
    counting.ignore(EIGHT);
    expect(toldAfter(300)).toEqual([["anew market 7 2 +ana,bo -"]]);
  });

  it("presence counting - a name stands once, however the connection changes its subscriptions", () => {
    const [seven, both] = [audienceOf(7), audienceOf(8, 7)];
    counting.count(SEVEN);
    const member = enter(seven, "ana");
    toldAfter(300);
    leave(seven, member);
    both.members.add(member);
    counting.entered(member, both);
    expect(toldAfter(1000)).toEqual([]);
  });

  it("presence counting - another hub hears nothing while connections are on their way back", () => {
    const seven = audienceOf(7);
    const member = enter(seven, "ana");
    counting.count(SEVEN);
    toldAfter(10);
    counting.reset();
    restarting = true;
    leave(seven, member);
    counting.count(SEVEN);
    expect(toldAfter(500)).toEqual([]);
    seven.members.add(member);
    counting.entered(member, seven);
    restarting = false;
    expect(toldAfter(260)).toEqual([["anew market 7 1 +ana -"]]);
    // But not for ever.
    counting.reset();
    restarting = true;
    counting.count(SEVEN);
    expect(toldAfter(1300)).toEqual([["anew market 7 1 +ana -"]]);
  });
});
