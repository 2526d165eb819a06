import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { Pacer, systemTiming, waitUntil } from "../../src/feed/pacer.js";
import { ManualTiming } from "../support/feed-runs.js";

const never = new AbortController().signal;

/** Events granted until the clock has reached `untilMs`, at most that. */
async function countUntil(pacer: Pacer, timing: ManualTiming, untilMs: number): Promise<number> {
  let events = 0;
  while (timing.timeMs < untilMs) events += await pacer.due();
  return events;
}

describe("pacer", () => {
  for (const rate of [1, 7, 200, 999, 1000, 44_100, 1_000_000]) {
    it(`pacer - ${rate} a second gives exactly that many in each of ten seconds`, async () => {
      const timing = new ManualTiming();
      const pacer = new Pacer(rate, never, timing);
      for (let second = 1; second <= 10; second++) {
        expect(await countUntil(pacer, timing, second * 1000)).toBe(rate);
      }
    });
  }

  it("pacer - events of a low rate come one by one, at even distances", async () => {
    const timing = new ManualTiming();
    const pacer = new Pacer(4, never, timing);
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      expect(await pacer.due()).toBe(1);
      times.push(timing.timeMs);
    }
    expect(times).toEqual([250, 500, 750, 1000]);
  });

  it("pacer - a short stall is made up for, 100 ms worth a turn, each turn yielding", async () => {
    const timing = new ManualTiming();
    const pacer = new Pacer(10_000, never, timing);
    await pacer.due();
    timing.waits.length = 0;
    timing.timeMs += 350;
    const grants = [await pacer.due(), await pacer.due(), await pacer.due(), await pacer.due()];
    expect(grants).toEqual([1000, 1000, 1000, 500]);
    expect(timing.waits).toEqual([0, 0, 0, 0]);
  });

  it("pacer - a turn at a high rate is bounded in events too, and nothing is lost by it", async () => {
    const timing = new ManualTiming();
    const pacer = new Pacer(1_000_000, never, timing);
    await pacer.due();
    timing.timeMs += 500;
    let events = 0;
    for (timing.waits.length = 0; events < 500_000; ) {
      const due = await pacer.due();
      expect(due).toBeLessThanOrEqual(4096);
      events += due;
    }
    expect(events).toBe(500_000);
    expect(Math.max(...timing.waits)).toBe(0);
  });

  it("pacer - of a long stall no more than a second is made up for", async () => {
    const timing = new ManualTiming();
    const pacer = new Pacer(1000, never, timing);
    await pacer.due();
    timing.timeMs += 3_600_000;
    for (let turn = 0; turn < 10; turn++) expect(await pacer.due()).toBe(100);
    timing.waits.length = 0;
    expect(await pacer.due()).toBe(1);
    expect(timing.waits).toEqual([1]);
  });

  it("pacer - an abort ends the wait at once and leaves no listener", async () => {
    const stop = new AbortController();
    const pacer = new Pacer(0.001, stop.signal, systemTiming);
    const due = pacer.due();
    stop.abort();
    expect(await due).toBe(0);
    expect(await pacer.due()).toBe(0);
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
  });

  it("pacer - waiting longer than a timer can is done in steps", async () => {
    const timing = new ManualTiming();
    await waitUntil(100 * 86_400_000, never, timing);
    expect(timing.timeMs).toBe(100 * 86_400_000);
    expect(Math.max(...timing.waits)).toBeLessThan(2 ** 31);
  });
});
