import { beforeEach, expect, it } from "vitest";
import { TurnBudget } from "../../../../src/workers/shard/connections/turn-budget.js";

let nowMs = 0;
let budget: TurnBudget;
beforeEach(() => {
  nowMs = 1000;
  budget = new TurnBudget({ leastMs: 2, mostMs: 10, share: 0.5 }, () => nowMs);
});

it("turn-budget - a first turn, and one that follows a turn that left nothing over, has the least", () => {
  expect(budget.begin()).toBe(2);
  budget.end(false);
  nowMs += 100;
  expect(budget.begin()).toBe(2);
});

it("turn-budget - a turn that goes on has a share of what everything else took meanwhile, within bounds", () => {
  for (const [restMs, turnMs] of [
    [1, 2],
    [4, 2],
    [12, 6],
    [20, 10],
    [500, 10],
  ] as const) {
    budget.end(true);
    nowMs += restMs;
    expect(budget.begin()).toBe(turnMs);
  }
});
