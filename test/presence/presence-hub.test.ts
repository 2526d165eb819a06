import { beforeEach, describe, expect, it } from "vitest";
import { PresenceHub } from "../../src/presence/presence-hub.js";
import type {
  PresenceKey,
  PresenceNews,
  PresenceShare,
} from "../../src/presence/presence-messages.js";

const MARKET: PresenceKey = "market 7";
const DESK: PresenceKey = "channel desk";

let now: number;
let said: string[];
let told: (readonly [string, PresenceNews])[];
let hub: PresenceHub<string>;

function makeHub(usersMax = 100, membersMax = 100): void {
  now = 0;
  said = [];
  told = [];
  hub = new PresenceHub<string>(
    {
      count: (shard, key) => said.push(`count ${key} at ${shard}`),
      ignore: (shard, key) => said.push(`ignore ${key} at ${shard}`),
      tell: (shard, news) => told.push([shard, news]),
    },
    { usersMax, membersMax, now: () => now },
  );
}
beforeEach(() => makeHub());

const share = (
  key: PresenceKey,
  connections: number,
  joined: readonly string[] = [],
  rest: Partial<PresenceShare> = {},
): PresenceShare => ({ key, connections, joined, left: [], ...rest });
const anew = { anew: true } as const;

/** What was told since the last call, once the time has passed. */
function toldAt(ms: number): typeof told {
  now = ms;
  hub.tell();
  return told.splice(0);
}

/** Two shards that watch a key, both of which have told what they have. */
function watchWithTwo(key: PresenceKey): void {
  for (const shard of ["a", "b"]) hub.attach(shard);
  for (const shard of ["a", "b"]) hub.watch(shard, key);
  hub.take("a", share(key, 2, ["ana"], anew));
  hub.take("b", share(key, 3, ["ana", "bo"], anew));
}

describe("presence hub", () => {
  it("presence hub - counts only what somebody watches, at all who are attached, then and later", () => {
    hub.attach("a");
    hub.attach("b");
    expect(said).toEqual([]);
    hub.watch("a", MARKET);
    hub.watch("b", MARKET);
    hub.attach("c");
    expect(said.splice(0)).toEqual([
      "count market 7 at a",
      "count market 7 at b",
      "count market 7 at c",
    ]);
    hub.unwatch("a", MARKET);
    expect(said).toEqual([]);
    hub.unwatch("b", MARKET);
    expect(said).toEqual(["ignore market 7 at a", "ignore market 7 at b", "ignore market 7 at c"]);
    expect([hub.keys, hub.users, hub.nextAt]).toEqual([0, 0, undefined]);
  });

  it("presence hub - adds up connections, and counts a user of two contributors once", () => {
    watchWithTwo(MARKET);
    const news = { key: MARKET, connections: 5, users: 2 };
    expect(toldAt(250)).toEqual([
      ["a", news],
      ["b", news],
    ]);
    hub.take("a", share(MARKET, 1, [], { left: ["ana"] }));
    expect(toldAt(1250)[0]).toEqual(["a", { key: MARKET, connections: 4, users: 2 }]);
    hub.take("b", share(MARKET, 2, [], { left: ["ana"] }));
    expect(toldAt(2250)[0]).toEqual(["a", { key: MARKET, connections: 3, users: 1 }]);
  });

  it("presence hub - tells nothing before all have answered, but waits for nobody for ever", () => {
    hub.attach("a");
    hub.attach("b");
    hub.watch("a", MARKET);
    hub.take("a", share(MARKET, 2, [], anew));
    expect(hub.nextAt).toBe(1500);
    expect(toldAt(1499)).toEqual([]);
    hub.take("b", share(MARKET, 1, ["x"], { ...anew, more: true }));
    expect(toldAt(1499)).toEqual([]);
    hub.take("b", share(MARKET, 2, ["y"]));
    expect(toldAt(1499)).toEqual([["a", { key: MARKET, connections: 4, users: 2 }]]);
    hub.attach("c");
    hub.take("a", share(MARKET, 3));
    expect(toldAt(2998)).toEqual([]);
    expect(toldAt(2999)).toEqual([["a", { key: MARKET, connections: 5, users: 2 }]]);
  });

  it("presence hub - tells changes once a second, and nothing where they come to none", () => {
    watchWithTwo(DESK);
    toldAt(250);
    hub.take("a", share(DESK, 3, ["cy"]));
    expect(hub.nextAt).toBe(1250);
    expect(toldAt(1249)).toEqual([]);
    const names = { joined: ["cy"], left: [], listed: [] };
    expect(toldAt(1250)[1]).toEqual(["b", { key: DESK, connections: 6, users: 3, names }]);
    hub.take("a", share(DESK, 2, [], { left: ["cy"] }));
    hub.take("b", share(DESK, 4, ["cy"]));
    hub.take("b", share(DESK, 3, [], { left: ["cy"] }));
    hub.take("a", share(DESK, 3, ["cy"]));
    expect(toldAt(2250)).toEqual([]);
    expect(hub.nextAt).toBeUndefined();
  });

  it("presence hub - tells a further watcher at once what the others were told last", () => {
    hub.attach("a");
    hub.watch("a", DESK);
    hub.take("a", share(DESK, 2, ["ana", "bo"], anew));
    expect(toldAt(250)).toEqual([
      ["a", { key: DESK, connections: 2, users: 2, names: { members: ["ana", "bo"] } }],
    ]);
    hub.attach("b");
    hub.take("b", share(DESK, 1, ["cy"], anew));
    hub.watch("b", DESK);
    const names = { members: ["ana", "bo"] };
    expect(told.splice(0)).toEqual([["b", { key: DESK, connections: 2, users: 2, names }]]);
    const joined = { joined: ["cy"], left: [], listed: [] };
    expect(toldAt(1250)).toEqual([
      ["a", { key: DESK, connections: 3, users: 3, names: joined }],
      ["b", { key: DESK, connections: 3, users: 3, names: joined }],
    ]);
  });

  it("presence hub - what one who goes has counted and watched is gone", () => {
    watchWithTwo(DESK);
    toldAt(250);
    hub.detach("b");
    hub.take("b", share(DESK, 9));
    const names = { joined: [], left: ["bo"], listed: [] };
    expect(toldAt(1250)).toEqual([["a", { key: DESK, connections: 2, users: 1, names }]]);
    hub.detach("a");
    expect([hub.keys, hub.users]).toEqual([0, 0]);
  });

  it("presence hub - what was sent before it asked anew does not count", () => {
    hub.attach("a");
    hub.watch("a", MARKET);
    hub.unwatch("a", MARKET);
    hub.take("a", share(MARKET, 5, ["x"], anew));
    hub.watch("a", MARKET);
    hub.take("a", share(MARKET, 6, [], { left: ["x"] }));
    expect(toldAt(1000)).toEqual([]);
    hub.take("a", share(MARKET, 1, ["y"], anew));
    expect(toldAt(1000)).toEqual([["a", { key: MARKET, connections: 1, users: 1 }]]);
  });

  it("presence hub - lists the first members, and others as those leave", () => {
    makeHub(100, 3);
    hub.attach("a");
    hub.watch("a", DESK);
    hub.take("a", share(DESK, 5, ["1", "2", "3", "4", "5"], anew));
    expect(toldAt(250)[0]?.[1].names).toEqual({ members: ["1", "2", "3"] });
    hub.take("a", share(DESK, 4, ["6"], { left: ["2", "4"] }));
    expect(toldAt(1250)[0]?.[1].names).toEqual({ joined: ["6"], left: ["2", "4"], listed: ["5"] });
    hub.take("a", share(DESK, 5, ["7", "8"], { left: ["1", "3"] }));
    expect(toldAt(2250)[0]?.[1].names).toEqual({ members: ["5", "6", "7"] });
  });

  it("presence hub - keeps no more users than it may, and asks anew when there is room", () => {
    makeHub(4);
    hub.attach("a");
    hub.watch("a", MARKET);
    hub.take("a", share(MARKET, 6, ["1", "2", "3", "4", "5", "6"], anew));
    expect(toldAt(250)).toEqual([["a", { key: MARKET, connections: 6, users: 4 }]]);
    expect([hub.users, hub.keysOver]).toEqual([4, 1]);
    hub.take("a", share(MARKET, 5, [], { left: ["6"] }));
    expect(toldAt(1250)).toEqual([["a", { key: MARKET, connections: 5, users: 4 }]]);
    said.length = 0;
    hub.take("a", share(MARKET, 4, [], { left: ["1"] }));
    expect(said).toEqual(["count market 7 at a"]);
    hub.take("a", share(MARKET, 4, ["2", "3", "4", "5"], anew));
    expect(toldAt(2250)).toEqual([["a", { key: MARKET, connections: 4, users: 4 }]]);
    expect([hub.users, hub.keysOver]).toEqual([4, 0]);
  });

  it("presence hub - however many keys are due, a turn tells some, and the next ones the others", () => {
    hub.attach("a");
    for (let id = 0; id < 300; id++) {
      hub.watch("a", `market ${id}`);
      hub.take("a", share(`market ${id}`, id, [], anew));
    }
    const turns: (readonly string[])[] = [];
    while (hub.nextAt !== undefined) turns.push(toldAt(250).map(([, { key }]) => key));
    expect(turns.map(({ length }) => length)).toEqual([128, 128, 44]);
    expect(new Set(turns.flat()).size).toBe(300);
  });

  it("presence hub - a contributor that contradicts itself is noticed", () => {
    hub.attach("a");
    hub.watch("a", MARKET);
    hub.take("a", share(MARKET, 1, ["x"], anew));
    expect(() => hub.take("a", share(MARKET, 1, ["x"]))).toThrow(/joins market 7 who is there/);
    expect(() => hub.take("a", share(MARKET, 1, [], { left: ["y"] }))).toThrow(/who is not there/);
  });
});
