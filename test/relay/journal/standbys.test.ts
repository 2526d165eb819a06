import { describe, expect, it } from "vitest";
import { Standbys } from "../../../src/relay/journal/standbys.js";

const TIMELINE = "0123456789abcdef";

function world(strict = true) {
  const exchange = { stored: 100 };
  const standbys = new Standbys({
    timelineOf: () => TIMELINE,
    stored: () => exchange.stored,
    strict,
  });
  const hear = (standby: string, last: number, now = 0, timeline = TIMELINE) =>
    standbys.hear({ standby, last, timeline }, now);
  return { exchange, standbys, hear };
}

describe("standbys", () => {
  it("standbys - one that has all that is stored becomes an heir, and counts before that is written down", () => {
    const { standbys, hear } = world();
    hear("a", 99);
    expect([standbys.change(0), standbys.confirmed]).toEqual([undefined, undefined]);
    hear("a", 100);
    expect(standbys.change(0)).toEqual(["a"]);
    expect(standbys.confirmed).toBeUndefined();
    standbys.changed();
    expect([standbys.confirmed, standbys.heirs]).toEqual([100, ["a"]]);
    // Another one has what was confirmed, not more.
    hear("a", 105);
    hear("b", 104);
    expect(standbys.change(0)).toBeUndefined();
    hear("b", 105);
    expect(standbys.change(0)).toEqual(["a", "b"]);
    hear("a", 110);
    expect(standbys.confirmed).toBe(105);
  });

  it("standbys - one that falls silent holds back what is confirmed until it is written down that it is none", () => {
    const { standbys, hear } = world();
    for (const id of ["a", "b"]) hear(id, 100);
    standbys.change(0);
    standbys.changed();
    hear("a", 120, 5000);
    expect(standbys.change(5000)).toEqual(["a"]);
    expect(standbys.confirmed).toBe(100);
    standbys.changed();
    expect(standbys.confirmed).toBe(120);
    expect(standbys.change(9000)).toEqual([]);
    standbys.changed();
    expect(standbys.confirmed).toBeUndefined();
  });

  it("standbys - one of another history, or with an empty store, is no heir, and nothing is kept for it", () => {
    const { standbys, hear } = world(false);
    hear("a", 0);
    hear("b", 100, 0, "fedcba9876543210");
    expect([standbys.change(0), standbys.furthest, standbys.passed]).toEqual([undefined, 0, 0]);
    hear("c", 7);
    expect([standbys.change(0), standbys.furthest, standbys.passed]).toEqual([["c"], 7, 7]);
  });

  it("standbys - one that has been silent for a minute is forgotten, and of many only some are heard", () => {
    const { standbys, hear } = world();
    for (let at = 0; at < 40; at++) hear(`s${at}`, 1);
    expect(standbys.count).toBe(16);
    expect(standbys.isAnybodyThere(59_000)).toBe(true);
    expect(standbys.isAnybodyThere(61_000)).toBe(false);
    expect(standbys.count).toBe(0);
  });
});
