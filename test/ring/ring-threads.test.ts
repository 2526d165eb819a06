import { expect, it } from "vitest";
import { runRingTrial, runTableTrial } from "../support/ring-threads.js";

it("broadcast ring - a fast producer and a slow reader: no torn record, every lap and loss counted", async () => {
  const { published, readings } = await runRingTrial({
    capacity: 1 << 16,
    batch: 7,
    // The ring holds about 18 batches, so some bursts overwrite it and others do not.
    burst: 60,
    durationMs: 1500,
    atLeast: { laps: 120, records: 2000 },
    readers: [{ idleTurns: 2000 }],
  });
  const [reading] = readings;
  if (reading === undefined) throw new Error("no reading");
  expect(reading.torn).toBe(0);
  expect(reading.laps).toBe(reading.lapped);
  expect(reading.laps).toBeGreaterThan(100);
  expect(reading.received).toBeGreaterThan(1000);
  // Between its first and its last record each was received or counted as lost.
  const { first = 0, last = 0 } = reading;
  expect(reading.received + reading.lost).toBe(last - first + 1);
  expect(last).toBeLessThan(published);
});

it("broadcast ring - a reader that keeps up gets every record", async () => {
  const { published, readings } = await runRingTrial({
    capacity: 1 << 18,
    batch: 16,
    durationMs: 1500,
    atLeast: { records: 11_000 },
    // With records of half a kilobyte on average, less than half of the ring.
    ahead: 200,
    readers: [{ idleTurns: 0 }],
  });
  expect(published).toBeGreaterThan(10_000);
  expect(readings[0]).toEqual({
    received: published,
    torn: 0,
    lapped: 0,
    laps: 0,
    lost: 0,
    first: 0,
    last: published - 1,
  });
});

it("market table - slots read while they are rewritten are never torn and never older", async () => {
  const { writes, readings } = await runTableTrial({
    ...{ slots: 3, readers: 1, durationMs: 1000 },
    atLeast: { moves: 120 },
  });
  expect(writes).toBeGreaterThan(1000);
  for (const { reads, torn, moves } of readings) {
    expect(torn).toBe(0);
    expect(reads).toBeGreaterThan(1000);
    expect(moves).toBeGreaterThan(100);
  }
});
