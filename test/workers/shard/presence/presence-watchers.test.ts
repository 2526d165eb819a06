import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PresenceChannel } from "../../../../src/contract/channels-schema.js";
import { ENCODINGS } from "../../../../src/contract/encodings.js";
import { SHARD } from "../../../../src/counters/counters.js";
import type { PresenceKey, PresenceNames } from "../../../../src/presence/presence-messages.js";
import type { PresenceWatchers } from "../../../../src/workers/shard/presence/presence-watchers.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const MARKET: PresenceChannel = { type: "Presence", params: { market_id: 7 } };
const DESK: PresenceChannel = { type: "Presence", params: { channel: "desk" } };

let world: ShardWorld;
let watchers: PresenceWatchers;
beforeEach(() => {
  vi.useFakeTimers();
  world = new ShardWorld({ maxPresenceKeys: 4 });
  world.flush();
  world.round();
  watchers = world.presence.watchers;
});
afterEach(() => {
  world.presence.stop();
  vi.useRealTimers();
});

const news = (key: PresenceKey, connections: number, users = 0, names?: PresenceNames) =>
  watchers.take({ key, connections, users, ...(names !== undefined && { names }) });
/** What a client was told since the last call: counts, members, who joined and who left. */
const told = (client: Client) =>
  client.messages.splice(0).map(({ type, data }) => {
    if (type !== "PresenceUpdate") return type;
    const { connections, users, members, joined, left } = data;
    return [connections, users, members?.join(" "), joined?.join(" "), left?.join(" ")];
  });
const counts = (connections: number, users = 0) => [
  connections,
  users,
  undefined,
  undefined,
  undefined,
];

describe("presence watchers", () => {
  it("presence watchers - the hub is asked once for all of a key, and told when the last has gone", () => {
    const [a, b] = [world.connect(0), world.connect(1)];
    watchers.add(a.connection, MARKET);
    watchers.add(b.connection, MARKET);
    watchers.add(a.connection, DESK);
    expect(world.toHub).toEqual([
      { type: "presence-watch", key: "market 7" },
      { type: "presence-watch", key: "channel desk" },
    ]);
    expect(world.counters[SHARD.presenceKeys]).toBe(2);
    expect(watchers.of(a.connection)).toEqual([MARKET, DESK]);
    expect(a.connection.subscribed).toBe(true);
    watchers.remove(a.connection, MARKET);
    world.presence.forget(b.connection);
    world.presence.forget(a.connection);
    expect(world.toHub.slice(2)).toEqual([
      { type: "presence-unwatch", key: "market 7" },
      { type: "presence-unwatch", key: "channel desk" },
    ]);
    expect([watchers.size, world.counters[SHARD.presenceKeys]]).toEqual([0, 0]);
    expect(a.connection.subscribed).toBe(false);
  });

  it("presence watchers - each is told at once, and again after a second at the soonest", () => {
    const clients = ENCODINGS.map((_, encoding) => world.connect(encoding));
    for (const { connection } of clients) watchers.add(connection, MARKET);
    news("market 7", 1);
    for (const client of clients) expect(told(client)).toEqual([counts(1)]);
    vi.advanceTimersByTime(600);
    const late = world.connect(0);
    watchers.add(late.connection, MARKET);
    expect(told(late)).toEqual([counts(1)]);
    vi.advanceTimersByTime(400);
    news("market 7", 2, 1);
    for (const client of clients) expect(told(client)).toEqual([counts(2, 1)]);
    expect(told(late)).toEqual([]);
    vi.advanceTimersByTime(700);
    expect(told(late)).toEqual([counts(2, 1)]);
    // Asked for again, it is told again.
    watchers.add(late.connection, MARKET);
    expect(told(late)).toEqual([counts(2, 1)]);
  });

  it("presence watchers - one who does not take it is told later, in one message, what it lacks", () => {
    const [slow, quick] = [world.connect(0), world.connect(0)];
    for (const { connection } of [slow, quick]) watchers.add(connection, DESK);
    news("channel desk", 1, 1, { members: ["ana"] });
    for (const client of [slow, quick]) expect(told(client)).toEqual([[1, 1, "ana", "", ""]]);
    slow.socket.congested = true;
    for (const [connections, joined] of [
      [2, "bo"],
      [3, "cy"],
      [4, "dee"],
    ] as const) {
      vi.advanceTimersByTime(1000);
      const left = joined === "dee" ? ["bo"] : [];
      news("channel desk", connections, joined === "dee" ? 3 : connections, {
        joined: [joined],
        left,
        listed: [],
      });
    }
    expect(told(quick).length).toBe(3);
    // The first is in the socket's buffer already.
    slow.socket.drain();
    vi.advanceTimersByTime(1000);
    expect(told(slow)).toEqual([
      [2, 2, undefined, "bo", ""],
      [4, 3, undefined, "cy dee", "bo"],
    ]);
    expect(slow.connection.conflated).toBe(1);
    expect(world.counters[SHARD.conflated]).toBe(1);
  });

  it("presence watchers - places are shared, and those in use are free", () => {
    const [a, b] = [world.connect(0), world.connect(0)];
    const of = (market_id: number): PresenceChannel => ({
      type: "Presence",
      params: { market_id },
    });
    const may = (client: Client, ...ids: readonly number[]) =>
      watchers.mayWatch(client.connection.holder, ids.map(of));
    expect(may(a, 1, 2)).toBe(true);
    expect(may(a, 1, 2, 3)).toBe(false);
    for (const id of [1, 2]) watchers.add(a.connection, of(id));
    expect(may(a, 3)).toBe(false);
    expect(may(b, 1, 2)).toBe(true);
    world.presence.forget(a.connection);
    expect(may(a, 3, 4)).toBe(true);
  });
});
