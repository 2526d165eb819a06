import { expect, it } from "vitest";
import { type RingReading, runRingTrial, runTableTrial } from "../support/ring-threads.js";

const SOAK_MS = 15_000;

function expectAllAccountedFor({ received, torn, lapped, laps, lost, first, last }: RingReading) {
  expect(torn).toBe(0);
  expect(laps).toBe(lapped);
  expect(received + lost).toBe((last ?? 0) - (first ?? 0) + 1);
}

it("ring soak - readers that are lapped at every pace get no torn record and count every loss", async () => {
  const { published, readings } = await runRingTrial({
    capacity: 1 << 16,
    batch: 3,
    burst: 200,
    durationMs: SOAK_MS,
    readers: [{ idleTurns: 0 }, { idleTurns: 300 }, { idleTurns: 5000 }],
  });
  expect(published).toBeGreaterThan(1_000_000);
  for (const reading of readings) {
    expect(reading.received).toBeGreaterThan(1000);
    expectAllAccountedFor(reading);
  }
  expect(readings[2]?.laps).toBeGreaterThan(1000);
});

it("ring soak - a reader that keeps up loses nothing, whatever happens to a slow one", async () => {
  const { published, readings } = await runRingTrial({
    capacity: 1 << 20,
    batch: 32,
    durationMs: SOAK_MS,
    ahead: 800,
    readers: [{ idleTurns: 0 }, { idleTurns: 20_000_000 }],
  });
  const [fast, slow] = readings as [RingReading, RingReading];
  expect(fast).toMatchObject({ received: published, torn: 0, laps: 0, lost: 0 });
  expectAllAccountedFor(slow);
  expect(slow.laps).toBeGreaterThan(10);
});

it("ring soak - slots of the market table are whole under many readers", async () => {
  const { readings } = await runTableTrial({ slots: 5, readers: 3, durationMs: SOAK_MS });
  for (const { reads, torn, moves } of readings) {
    expect(torn).toBe(0);
    expect(reads).toBeGreaterThan(10_000);
    expect(moves).toBeGreaterThan(1000);
  }
});
