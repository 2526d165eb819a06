import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { LeaseTerm } from "../../src/shared/lease-term.js";
import { machineMs } from "../../src/shared/machine-clock.js";

it("lease term - is over at first, for its time not, and then again; whoever has its memory sees the same", async () => {
  const main = new LeaseTerm();
  const thread = new LeaseTerm(main.memory);
  expect([main.isOver, thread.isOver]).toEqual([true, true]);
  main.extend(machineMs() + 50);
  expect(thread.isOver).toBe(false);
  await thread.certain();
  await sleep(60);
  expect([main.isOver, thread.isOver]).toEqual([true, true]);
});

it("lease term - who waits goes on when it is extended, and never where it has ended", async () => {
  const main = new LeaseTerm();
  const thread = new LeaseTerm(main.memory);
  const told: string[] = [];
  const waiting = thread.certain().then(() => told.push("certain"));
  main.extend(machineMs() - 1);
  await sleep(20);
  expect(told).toEqual([]);
  main.extend(machineMs() + 60_000);
  await waiting;
  expect(told).toEqual(["certain"]);
  main.end();
  void thread.certain().then(() => told.push("again"));
  await sleep(20);
  expect(told).toEqual(["certain"]);
});

it("lease term - an earlier end does not take back a later one", () => {
  const term = new LeaseTerm();
  const { until } = term;
  term.extend(until + 100);
  term.extend(until + 50);
  expect(term.until).toBe(until + 100);
});
