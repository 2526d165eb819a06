import { expect, it } from "vitest";
import { OriginClock } from "../../../src/relay/orders/origin-clock.js";
import { Random } from "../../../src/shared/random.js";

it("origin clock - it is never ahead of the origin's, and behind it by the fastest of the last entries", () => {
  const random = new Random(7);
  let now = 1e6;
  // The origin's clock is another machine's, and a little faster.
  const origin = (): number => now * 1.00001 - 900_000;
  const clock = new OriginClock(() => now);
  const delays: { readonly at: number; readonly ms: number }[] = [];
  for (let entry = 0; entry < 1500; entry++) {
    now += random.below(20);
    const ms = 1 + random.below(200);
    const made = origin();
    now += ms;
    clock.heard(made);
    delays.push({ at: now, ms });
    const behind = origin() - clock.now();
    expect(behind).toBeGreaterThanOrEqual(0);
    const lately = delays.filter(({ at }) => at >= now - 10_000);
    expect(behind).toBeLessThan(Math.min(...lately.map((one) => one.ms)) + 1);
  }
});

it("origin clock - one that was set back is followed once what was heard before counts no more", () => {
  let now = 0;
  const clock = new OriginClock(() => now);
  clock.heard(100_000);
  for (let second = 0; second < 30; second++) {
    now += 1000;
    clock.heard(now + 5);
  }
  expect(clock.now()).toBe(now + 5);
});

it("origin clock - it is not ahead of one that stood still for a moment, as where its machine was suspended", () => {
  let now = 0;
  const clock = new OriginClock(() => now);
  for (let at = 0; at < 30; at++) {
    now += 500;
    clock.heard(now);
  }
  now += 2500;
  const origin = now - 2000;
  clock.heard(origin);
  expect(clock.now()).toBe(origin);
});
