import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairBudget, type Holder } from "../../../../src/workers/shard/connections/fair-budget.js";

const holder = (name: string, group = `group of ${name}`): Holder => ({ name, group });

/** Takes as long as the holder may; returns how many it got. */
function takeAll(budget: FairBudget, one: Holder, most = Number.POSITIVE_INFINITY): number {
  let taken = 0;
  for (; taken < most && budget.mayTake(one); taken++) budget.take(one);
  return taken;
}

describe("fair-budget", () => {
  it("fair-budget - one holder gets half of the places, one group three quarters, and others go on", () => {
    const budget = new FairBudget(1000);
    expect(takeAll(budget, holder("greedy"))).toBe(500);
    expect(takeAll(budget, holder("other"), 16)).toBe(16);
    const crowd = new FairBudget(1000);
    let ofGroup = 0;
    for (let number = 0; number < 100; number++)
      ofGroup += takeAll(crowd, holder(`h${number}`, "g"));
    expect(ofGroup).toBe(750);
    expect(takeAll(crowd, holder("elsewhere"), 16)).toBe(16);
    // One holder over many groups is one holder.
    const wandering = new FairBudget(1000);
    let ofHolder = 0;
    for (let number = 0; number < 100; number++)
      ofHolder += takeAll(wandering, holder("h", `g${number}`));
    expect(ofHolder).toBe(500);
  });

  it("fair-budget - holders that all take what they can get equal shares, and leave one more", () => {
    for (const holders of [1, 2, 3, 7, 20]) {
      const budget = new FairBudget(1000);
      const all = Array.from({ length: holders }, (_, number) => holder(`h${number}`));
      const taken = new Array<number>(holders).fill(0);
      for (let round = 0; round < 1000; round++) {
        for (const [number, one] of all.entries())
          taken[number] = (taken[number] as number) + takeAll(budget, one, 1);
      }
      const share = 1000 / (holders + 1);
      for (const count of taken) expect(Math.abs(count - share)).toBeLessThanOrEqual(1);
      // The next one finds half of what is left, at once.
      expect(takeAll(budget, holder("newcomer"))).toBeGreaterThanOrEqual(Math.floor(share / 2) - 1);
    }
  });

  it("fair-budget - several places at once are allowed exactly where one after the other is", () => {
    const holders = fc.record({
      name: fc.constantFrom("a", "b"),
      group: fc.constantFrom("x", "y"),
    });
    fc.assert(
      fc.property(fc.nat(12), fc.array(holders), holders, fc.nat(8), (max, before, one, places) => {
        const budget = new FairBudget(max);
        for (const other of before) takeAll(budget, other, 1);
        const allowed = budget.mayTake(one, places);
        expect(allowed).toBe(takeAll(budget, one, places) === places);
      }),
      { numRuns: 500 },
    );
  });

  it("fair-budget - over any history it keeps its bound, and refuses only who has as much as is free", () => {
    const acts = fc.record({
      holder: fc.nat(5),
      group: fc.nat(2),
      take: fc.boolean(),
      times: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(acts), (max, history) => {
        const budget = new FairBudget(max);
        const taken: Holder[] = [];
        const having = (key: keyof Holder, value: string): number =>
          taken.filter((one) => one[key] === value).length;
        for (const { holder: number, group, take, times } of history) {
          const one = holder(`h${number}`, `g${group}`);
          for (let time = 0; time < times; time++) {
            const free = max - taken.length;
            if (!take) {
              const at = taken.findIndex((held) => held.name === one.name);
              if (at >= 0) budget.giveBack(taken.splice(at, 1)[0] as Holder);
            } else if (budget.mayTake(one)) {
              budget.take(one);
              taken.push(one);
            } else {
              const own = having("name", one.name);
              const groups = having("group", one.group);
              expect(own >= free || groups >= 3 * free).toBe(true);
              // Who has nothing, and whose group has nothing, finds a place unless there is none.
              if (groups === 0 && own === 0) expect(free).toBe(0);
            }
            expect(budget.taken).toBe(taken.length);
            expect(budget.taken).toBeLessThanOrEqual(max);
          }
        }
        for (const one of taken) budget.giveBack(one);
        expect(takeAll(budget, holder("anew"))).toBe(Math.ceil(max / 2));
      }),
      { numRuns: 300 },
    );
  });

  it("fair-budget - what nobody has taken cannot be given back", () => {
    const budget = new FairBudget(2);
    budget.take(holder("a"));
    expect(() => budget.giveBack(holder("b"))).toThrow("does not have");
  });
});
