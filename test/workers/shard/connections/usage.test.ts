import { expect, it } from "vitest";
import { Usage } from "../../../../src/workers/shard/connections/usage.js";

it("usage - fades with time, and settles at what is used in a second", () => {
  const usage = new Usage(0);
  usage.add(1000, 0);
  expect(usage.at(0)).toBe(1000);
  expect(usage.at(1000)).toBeCloseTo(1000 / Math.E);
  for (let now = 1000; now <= 11_000; now += 10) usage.add(5, now);
  expect(usage.at(11_000)).toBeGreaterThan(480);
  expect(usage.at(11_000)).toBeLessThan(520);
  expect(usage.at(60_000)).toBeLessThan(0.001);
});
