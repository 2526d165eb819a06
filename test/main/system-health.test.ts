import { expect, test } from "vitest";
import type { SystemState } from "../../src/counters/system-state.js";
import { SystemHealth } from "../../src/main/system-health.js";

function observed() {
  const states: SystemState[] = [];
  return { states, health: new SystemHealth("1.2.3", (system) => states.push(system)) };
}

test("system health - ok without reasons, degraded with any, and ok again when the last is gone", () => {
  const { health, states } = observed();
  expect(health.system).toMatchObject({ state: "ok", reasons: [], version: "1.2.3" });
  health.report("feed", "feed replay ended");
  health.report("shard 0", "shard 0 ended");
  health.report("feed", undefined);
  health.report("shard 0", undefined);
  expect(states.map(({ state, reasons }) => [state, ...reasons])).toEqual([
    ["degraded", "feed replay ended"],
    ["degraded", "feed replay ended", "shard 0 ended"],
    ["degraded", "shard 0 ended"],
    ["ok"],
  ]);
});

test("system health - a source's new reason replaces its old one, and the same one is told once", () => {
  const { health, states } = observed();
  health.report("feed", "ended");
  health.report("feed", "ended");
  health.report("feed", "failed");
  health.report("producer", undefined);
  expect(states.map(({ reasons }) => reasons)).toEqual([["ended"], ["failed"]]);
});

test("system health - draining beats everything else and keeps the reasons", () => {
  const { health, states } = observed();
  health.report("feed", "ended");
  health.drain();
  expect(states.at(-1)).toMatchObject({ state: "draining", reasons: ["ended"] });
});
