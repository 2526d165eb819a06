import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ENCODING_TABLE } from "../../../../src/codec/encodings.js";
import type { Heartbeat, PriceUpdate, ServerMessage } from "../../../../src/contract/messages.js";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { Heartbeats } from "../../../../src/workers/shard/fan-out/heartbeats.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import { RoundFrames } from "../../../../src/workers/shard/fan-out/round-frames.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { FakeMember } from "../../../support/fake-member.js";
import { type Client, messagesOf, ShardWorld } from "../../../support/shard-world.js";

const beat = (interval_ms?: number) => ({ type: "Heartbeat", params: { interval_ms } });
const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function heartbeatsOf(messages: readonly ServerMessage[]): Heartbeat[] {
  return messages.flatMap(({ type, data }) => (type === "Heartbeat" ? [data as Heartbeat] : []));
}

describe("heartbeats of a shard", () => {
  let world: ShardWorld;
  beforeEach(() => {
    world = new ShardWorld();
    world.list(1);
    world.flush();
    world.round();
  });

  function connect(encoding: number, ...channels: unknown[]): Client {
    const client = world.connect(encoding);
    world.subscribe(client, ...channels);
    client.messages.length = client.socket.calls.length = 0;
    return client;
  }

  it("heartbeats - each interval has one in every encoding, at the end of the round that follows", () => {
    const quick = ENCODING_TABLE.map((_, encoding) => connect(encoding, beat(100)));
    const usual = connect(0, { type: "Heartbeat" });
    for (let ms = 0; ms < 2000; ms += 100) {
      vi.advanceTimersByTime(100);
      expect(world.fanOut.heartbeats.due).toBe(true);
      world.round();
      expect(world.fanOut.heartbeats.due).toBe(false);
    }
    for (const { messages } of quick) expect(heartbeatsOf(messages)).toHaveLength(20);
    expect(usual.messages.map(({ type }) => type)).toEqual(["Heartbeat", "Heartbeat"]);
    expect(usual.messages[0]?.data).toMatchObject({ epoch: world.memory.epoch, conflated: 0 });
  });

  it("heartbeats - one comes behind what its round has, with the position of it", () => {
    const client = connect(0, beat(100), prices(1));
    vi.advanceTimersByTime(100);
    world.quote(1, 100);
    world.quote(1, 102);
    world.flush();
    world.round();
    const types = client.messages.map(({ type }) => type);
    expect(types).toEqual(["PriceUpdate", "PriceUpdate", "Heartbeat"]);
    const last = client.messages[1]?.data;
    expect(heartbeatsOf(client.messages)[0]?.ts).toBe((last as PriceUpdate).ts);
  });

  it("heartbeats - none comes ahead of trades that are still replayed", () => {
    const client = connect(0, beat(100), { type: "Trades" });
    client.socket.congested = true;
    world.trade(1, 100, 1);
    world.flush();
    world.round();
    world.trade(1, 101, 1);
    world.flush();
    world.round();
    vi.advanceTimersByTime(100);
    world.round();
    client.socket.drain();
    const types = (): string[] => client.messages.map(({ type }) => type);
    vi.advanceTimersByTime(100);
    world.round();
    expect(types()).toEqual(["TradeExecution"]);
    world.serve();
    vi.advanceTimersByTime(100);
    world.round();
    expect(types()).toEqual(["TradeExecution", "TradeExecution", "Heartbeat"]);
  });

  it("heartbeats - they say no more than how far channels are told, and none comes ahead of a channel's history", () => {
    const client = connect(0, beat(100), prices(1));
    let told = Number.POSITIVE_INFINITY;
    world.fanOut.heartbeats.boundBy(() => told);
    const next = (price: number): number | undefined => {
      world.quote(1, price);
      world.flush();
      vi.advanceTimersByTime(100);
      client.messages.length = 0;
      world.round();
      return heartbeatsOf(client.messages)[0]?.ts;
    };
    const first = next(100) as number;
    told = first;
    expect([next(102), next(104)]).toEqual([first, first]);
    told = Number.POSITIVE_INFINITY;
    expect(next(106)).toBeGreaterThan(first);
    client.connection.channelReplays = 1;
    expect(next(108)).toBeUndefined();
    client.connection.channelReplays = 0;
    expect(next(110)).toBeGreaterThan(first);
  });

  it("heartbeats - one whose socket takes nothing gets none, then what it is due first, and how much was left out", () => {
    const client = connect(0, beat(100), prices(1));
    const other = connect(0, beat(100), prices(1));
    client.socket.congested = true;
    client.model.conflated = true;
    for (let middle = 100; middle < 110; middle++) {
      world.quote(1, middle);
      world.flush();
      vi.advanceTimersByTime(100);
      world.round();
    }
    const before = client.messages.length;
    expect(heartbeatsOf(client.messages).length).toBeLessThanOrEqual(1);
    expect(heartbeatsOf(other.messages)).toHaveLength(10);
    vi.advanceTimersByTime(100);
    client.socket.congested = false;
    client.socket.drain();
    world.round();
    const after = client.messages.slice(before);
    expect(after.map(({ type }) => type)).toEqual(["PriceUpdate", "Heartbeat"]);
    const conflated = heartbeatsOf(after)[0]?.conflated as number;
    expect(conflated).toBe(client.model.skipped);
    expect(conflated).toBeGreaterThan(7);
    expect(heartbeatsOf(other.messages).at(-1)?.conflated).toBe(0);
  });

  it("heartbeats - another interval replaces the first, and the end of all leaves no timer", () => {
    const client = connect(0, beat(100));
    world.subscribe(client, beat(500));
    client.messages.length = 0;
    for (let ms = 0; ms < 1000; ms += 100) {
      vi.advanceTimersByTime(100);
      world.round();
    }
    expect(heartbeatsOf(client.messages)).toHaveLength(2);
    // Of another interval than it has: no error, and nothing ends.
    world.unsubscribe(client, beat(100));
    expect(vi.getTimerCount()).toBe(1);
    world.unsubscribe(client, beat(500));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("heartbeats - thousands of connections have one timer for each interval", () => {
    for (let n = 0; n < 3000; n++) connect(0, beat(n % 2 === 0 ? 100 : 200));
    expect(vi.getTimerCount()).toBe(2);
  });

  it("heartbeats - they go on over a change of the epoch, with a position that never decreases", () => {
    const client = connect(0, beat(100), prices(1));
    world.quote(1, 100);
    world.flush();
    vi.advanceTimersByTime(100);
    world.round();
    world.restartProducer();
    vi.advanceTimersByTime(100);
    world.round();
    const [first, second] = heartbeatsOf(client.messages);
    expect(second?.epoch).toBe(world.memory.epoch);
    expect(second?.epoch).not.toBe(first?.epoch);
    expect(second?.ts).toBeGreaterThanOrEqual(first?.ts as number);
  });
});

describe("age of the feed", () => {
  let now = 0;
  let passed = 0;
  let heartbeats: Heartbeats;
  let member: FakeMember;
  let mirror: { epoch: string; lastTs: number; position: number };

  beforeEach(() => {
    now = 1_790_000_000_000;
    passed = 0;
    heartbeats = new Heartbeats(new RoundFrames(), { now: () => now, passed: () => passed });
    member = new FakeMember();
    mirror = { epoch: "e1", lastTs: 0, position: 0 };
    const subscriptions = new SubscriptionSet();
    subscriptions.add({ type: "Heartbeat", params: { interval_ms: 1000 } });
    const audience = new Audience("key", 0, subscriptions, []);
    audience.members.add(member);
    heartbeats.add(audience);
  });

  /** The heartbeat of a moment that comes so many ms later; the clock on the wall is set by `leapMs` besides. */
  function later(ms: number, leapMs = 0): Heartbeat {
    passed += ms;
    now += ms + leapMs;
    vi.advanceTimersByTime(1000);
    member.writes.length = 0;
    heartbeats.tell(mirror as Mirror);
    return messagesOf(member.writes[0]?.[0]?.bytes as Buffer, 0)[0]?.data as Heartbeat;
  }

  it("heartbeats - without any feed its age counts from the shard's beginning", () => {
    expect(later(700)).toMatchObject({ feed_age_ms: 700, ts: 1_790_000_000_000_000 });
    mirror.lastTs = mirror.position = now * 1000;
    expect(later(50)).toMatchObject({ feed_age_ms: 50, ts: mirror.lastTs });
  });

  it("heartbeats - the last word of a feed that was long ago is that old for a shard that starts", () => {
    mirror.lastTs = mirror.position = (now - 3_600_000) * 1000;
    expect(later(10)).toMatchObject({ feed_age_ms: 3_600_010, ts: mirror.lastTs });
  });

  it("heartbeats - a producer that has told nothing yet is not younger than the one before", () => {
    mirror.lastTs = mirror.position = now * 1000;
    later(100);
    mirror = { epoch: "e2", lastTs: 0, position: 0 };
    expect(later(400)).toMatchObject({ epoch: "e2", feed_age_ms: 500 });
  });

  it("heartbeats - a clock that is set back makes no dead feed young", () => {
    mirror.lastTs = mirror.position = now * 1000;
    later(100);
    expect(later(5000, -3_600_000).feed_age_ms).toBe(5000);
    // A ts that waits for the clock is ahead of it.
    mirror.lastTs += 1;
    expect(later(20).feed_age_ms).toBe(0);
  });
});
