import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AddressPaces, Pace } from "../../../src/workers/shard/request-pace.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("request pace - a second's worth goes at once, the next ones at their rate", () => {
  const pace = new Pace(10);
  const now = 5000;
  const burst = Array.from({ length: 10 }, () => pace.reserve(now));
  expect(burst.every((delayMs) => delayMs === 0)).toBe(true);
  expect([pace.reserve(now), pace.reserve(now), pace.reserve(now)]).toEqual([100, 200, 300]);
  // What was reserved is not given twice.
  expect(pace.reserve(now + 400)).toBe(0);
  expect(pace.reserve(now + 400)).toBe(100);
  expect(pace.restedAt(now + 1400)).toBe(false);
  expect(pace.restedAt(now + 1500)).toBe(true);
});

it("request pace - over any time it allows no more than its rate and a second's worth", () => {
  const pace = new Pace(50);
  let now = 0;
  const passed: number[] = [];
  for (let request = 0; request < 1000; request++) {
    now += pace.reserve(now);
    passed.push(now);
  }
  expect(passed.at(-1)).toBeCloseTo(((1000 - 50) / 50) * 1000, 3);
});

it("request pace - the members of an address share its pace, other addresses have their own", () => {
  const addresses = new AddressPaces(10);
  const [one, two, other] = ["a", "a", "b"].map((address) => addresses.enter(address));
  expect(two).toBe(one);
  expect(other).not.toBe(one);
  expect(addresses.size).toBe(2);
});

it("request pace - an address is forgotten when its last member is gone and it has rested", () => {
  const addresses = new AddressPaces(10);
  addresses.enter("quiet");
  const busy = addresses.enter("busy");
  addresses.enter("busy");
  for (let request = 0; request < 25; request++) busy.reserve(performance.now());
  addresses.leave("quiet");
  addresses.leave("busy");
  expect(addresses.size).toBe(1);
  addresses.leave("busy");
  // Whoever comes back finds what was used up.
  expect(addresses.size).toBe(1);
  expect(addresses.enter("busy")).toBe(busy);
  addresses.leave("busy");
  vi.advanceTimersByTime(2400);
  expect(addresses.size).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(addresses.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(() => addresses.leave("busy")).toThrow("busy");
});
