import { beforeEach, describe, expect, it } from "vitest";
import type { PresenceKey } from "../../src/presence/presence-messages.js";
import { PresenceShares } from "../../src/presence/presence-shares.js";

const KEY: PresenceKey = "market 7";

let shares: PresenceShares;
beforeEach(() => {
  shares = new PresenceShares();
});

describe("presence shares", () => {
  it("presence shares - of what is not counted nothing is kept or told", () => {
    shares.enter(KEY, "ana");
    shares.leave(KEY, "bo");
    expect([shares.size, shares.due]).toEqual([0, false]);
  });

  it("presence shares - begin with all there is, and go on with what changed", () => {
    expect(shares.begin(KEY)).toBe(true);
    for (const user of ["ana", undefined, "ana", "bo"]) shares.enter(KEY, user);
    expect(shares.take(100)).toEqual([
      { key: KEY, anew: true, connections: 4, joined: ["ana", "bo"], left: [] },
    ]);
    shares.leave(KEY, "ana");
    expect(shares.take(100)).toEqual([{ key: KEY, connections: 3, joined: [], left: [] }]);
    shares.leave(KEY, "ana");
    shares.enter(KEY, "cy");
    expect(shares.take(100)).toEqual([{ key: KEY, connections: 3, joined: ["cy"], left: ["ana"] }]);
    expect([shares.due, shares.take(100)]).toEqual([false, []]);
  });

  it("presence shares - changes that come to nothing are not told", () => {
    shares.begin(KEY);
    shares.enter(KEY, "ana");
    shares.take(100);
    shares.leave(KEY, "ana");
    shares.enter(KEY, "ana");
    shares.enter(KEY, "bo");
    shares.leave(KEY, "bo");
    expect(shares.take(100)).toEqual([]);
  });

  it("presence shares - an empty share is told as well", () => {
    shares.begin(KEY);
    expect(shares.take(100)).toEqual([
      { key: KEY, anew: true, connections: 0, joined: [], left: [] },
    ]);
  });

  it("presence shares - many names come in parts, and other keys between them", () => {
    const other: PresenceKey = "channel c";
    for (const key of [KEY, other]) shares.begin(key);
    for (const user of ["1", "2", "3", "4", "5"]) shares.enter(KEY, user);
    shares.enter(other, "6");
    const take = () =>
      shares.take(2).map(({ key, anew, more, joined }) => [key, anew, more, joined]);
    expect(take()).toEqual([[KEY, true, true, ["1", "2"]]]);
    expect(take()).toEqual([
      [other, true, undefined, ["6"]],
      [KEY, undefined, true, ["3"]],
    ]);
    shares.leave(KEY, "4");
    shares.leave(KEY, "1");
    expect(shares.take(2)).toEqual([{ key: KEY, connections: 3, joined: ["5"], left: ["1"] }]);
    expect(shares.due).toBe(false);
  });

  it("presence shares - one that is counted already is told from the beginning again", () => {
    shares.begin(KEY);
    shares.enter(KEY, "ana");
    shares.take(100);
    shares.enter(KEY, "bo");
    expect(shares.begin(KEY)).toBe(false);
    expect(shares.take(100)).toEqual([
      { key: KEY, anew: true, connections: 2, joined: ["ana", "bo"], left: [] },
    ]);
    shares.end(KEY);
    expect([shares.size, shares.due]).toEqual([0, false]);
  });

  it("presence shares - whoever leaves has been there", () => {
    shares.begin(KEY);
    shares.enter(KEY, "ana");
    expect(() => shares.leave(KEY, "bo")).toThrow(/a user leaves market 7 who is not there/);
    shares.begin("market 8");
    shares.enter("market 8", "ana");
    expect(() => shares.leave("market 8", undefined)).toThrow(/0 connections of 1 users/);
  });
});
