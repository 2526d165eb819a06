import { describe, expect, it } from "vitest";
import type { PresenceNames } from "../../src/presence/presence-messages.js";
import { PresenceView } from "../../src/presence/presence-view.js";

const change = (
  joined: readonly string[],
  left: readonly string[] = [],
  listed: readonly string[] = [],
) => ({ joined, left, listed });

/** A view of a private channel. */
function viewOf(membersMax = 100) {
  const view = new PresenceView("channel c", membersMax);
  const take = (connections: number, users: number, names: PresenceNames): boolean =>
    view.take({ key: "channel c", connections, users, names });
  return { view, take };
}

describe("presence view", () => {
  it("presence view - of a market there are counts alone", () => {
    const view = new PresenceView("market 340282366920938463463374607431768211455");
    expect(view.version).toBe(0);
    expect(view.take({ key: view.key, connections: 0, users: 0 })).toBe(true);
    expect(view.take({ key: view.key, connections: 0, users: 0 })).toBe(false);
    expect(view.take({ key: view.key, connections: 3, users: 1 })).toBe(true);
    const market_id = "340282366920938463463374607431768211455";
    expect(view.since(1)).toEqual({ market_id, connections: 3, users: 1 });
    expect(view.since(0)).toEqual({ market_id, connections: 3, users: 1 });
  });

  it("presence view - tells members first, then who came and went since what was told", () => {
    const { view, take } = viewOf();
    take(3, 2, { members: ["ana", "bo"] });
    const first = { channel: "c", connections: 3, users: 2, joined: [], left: [] };
    expect(view.since(0)).toEqual({ ...first, members: ["ana", "bo"] });
    const told = view.version;
    take(3, 2, change(["cy"], ["ana"]));
    expect(view.since(told)).toEqual({ ...first, joined: ["cy"], left: ["ana"] });
    take(4, 3, change(["ana"]));
    take(4, 3, change(["dee"], ["cy"]));
    expect(view.since(told)).toEqual({
      channel: "c",
      connections: 4,
      users: 3,
      joined: ["dee"],
      left: [],
    });
    expect(view.since(0).members).toEqual(["bo", "ana", "dee"]);
  });

  it("presence view - whoever is too far behind is told members again", () => {
    const { view, take } = viewOf();
    take(0, 0, { members: [] });
    const told = view.version;
    for (let n = 1; n <= 8; n++) take(n, n, change([`${n}`]));
    expect(view.since(told).joined).toHaveLength(8);
    expect(view.since(told).members).toBeUndefined();
    take(9, 9, change(["9"]));
    expect(view.since(told)).toMatchObject({ joined: [], left: [] });
    expect(view.since(told).members).toHaveLength(9);
    expect(view.since(told + 1).joined).toHaveLength(8);
  });

  it("presence view - what another hub tells is news where it differs", () => {
    const { view, take } = viewOf();
    take(2, 2, { members: ["ana", "bo"] });
    const told = view.version;
    expect(take(2, 2, { members: ["bo", "ana"] })).toBe(false);
    expect(take(2, 2, { members: ["bo", "cy"] })).toBe(true);
    expect(view.since(told)).toMatchObject({ joined: ["cy"], left: ["ana"] });
  });

  it("presence view - where not all are listed, a new list stands for itself", () => {
    const { view, take } = viewOf(2);
    take(3, 3, { members: ["1", "2"] });
    const told = view.version;
    expect(take(3, 3, { members: ["1", "3"] })).toBe(true);
    expect(view.since(told)).toMatchObject({ joined: [], left: [], members: ["1", "3"] });
    take(3, 2, change([], ["1"], ["4"]));
    expect(view.since(0).members).toEqual(["3", "4"]);
    expect(view.since(told + 1)).toMatchObject({ left: ["1"], joined: [] });
  });

  it("presence view - a change of what it was not told is none", () => {
    const { view, take } = viewOf();
    expect(take(2, 1, change(["ana"]))).toBe(false);
    expect(view.version).toBe(0);
  });

  it("presence view - a list that does not fit its count is noticed", () => {
    const { take } = viewOf();
    expect(() => take(2, 2, { members: ["ana"] })).toThrow(/1 members of channel c, not 2/);
  });
});
