import fc from "fast-check";
import { expect, it } from "vitest";
import type { ArchiveRecovery } from "../../../../src/workers/shard/fan-out/archive-recovery.js";
import { nextPiece } from "../../../../src/workers/shard/fan-out/archived-trades.js";
import { ArchivedWorld, MARKETS, WAIT_MS } from "../../../support/archived-world.js";
import { drawSeed } from "../../../support/seeds.js";

const SEED = drawSeed("archive recovery");

function runToEnd(recovery: ArchiveRecovery): ArchiveRecovery {
  do recovery.step(100);
  while (recovery.result === undefined && !recovery.waits);
  return recovery;
}

const histories = fc.record({
  steps: fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("trades" as const),
          // A window holds some 700.
          count: fc.constantFrom(1, 3, 100, 600),
          market: fc.constantFrom(...MARKETS, undefined),
          same: fc.boolean(),
        }),
      },
      { weight: 3, arbitrary: fc.constant({ kind: "round" as const }) },
      { weight: 3, arbitrary: fc.constant({ kind: "archive" as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
    ),
    { minLength: 3, maxLength: 20 },
  ),
  back: fc.nat(3000),
  market: fc.constantFrom(...MARKETS, undefined),
  pageMax: fc.constantFrom(1, 7, 1000),
  laterTrades: fc.nat(200),
});

it(`archive recovery - archive and window together bring each trade once and in order (seed ${SEED})`, () => {
  let ofBoth = 0;
  fc.assert(
    fc.property(histories, ({ steps, back, market, pageMax, laterTrades }) => {
      const run = new ArchivedWorld();
      run.pageMax = pageMax;
      for (const step of steps) {
        if (step.kind === "trades")
          for (let at = 0; at < step.count; at++) {
            run.trade(step.market ?? MARKETS[at % 3] ?? 1, step.same && at % 2 === 1);
            // The window may be lapped between two rounds, but not within one.
            if (at % 100 === 99) run.round();
          }
        else if (step.kind === "round") run.round();
        else if (step.kind === "archive") {
          run.round();
          run.begin();
        } else run.restart();
      }
      run.round();
      // What nothing follows is never behind the window.
      const since = Math.max(0, (run.trades.at(-1)?.ts ?? 0) - back);
      const recovery = runToEnd(run.recovery(market, since));
      if (recovery.waits) {
        // It has not come so far that the window has the rest.
        run.begin();
        runToEnd(recovery);
      }
      expect(recovery.result?.recovered).toBe(true);
      if (recovery.result?.recovered === true && recovery.result.archived !== undefined) ofBoth++;
      // Who is passed by meanwhile is closed, and told so.
      const isPassed = run.trades.length - run.archived + laterTrades > 600;
      const more = isPassed ? 0 : laterTrades;
      for (let at = 0; at < more; at++) run.trade(MARKETS[at % 3] ?? 1);
      run.round();
      expect(run.replay(recovery)).toEqual(run.obvious(market, since));
    }),
    { numRuns: 150, seed: SEED },
  );
  expect(ofBoth).toBeGreaterThan(20);
});

it("archive recovery - waits until the archive has come to the present epoch, and gives up in the end", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  const recovery = runToEnd(run.recovery(1, 0));
  expect([recovery.waits, recovery.result]).toEqual([true, undefined]);
  run.begin();
  expect(runToEnd(recovery).result).toMatchObject({ recovered: true });
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));

  run.epoch = "another";
  const late = runToEnd(run.recovery(1, 0));
  run.nowMs += WAIT_MS;
  expect(runToEnd(late).result).toEqual({ recovered: false, refusal: "archive" });
  run.fault = new Error("a disk");
  const failing = runToEnd(run.recovery(1, 0));
  expect([failing.waits, run.faults]).toEqual([true, [run.fault]]);
});

it("archive recovery - trades that a producer left untold are not missed between archive and window", () => {
  for (const same of [false, true]) {
    const run = new ArchivedWorld();
    for (let at = 0; at < 10; at++) run.trade(1);
    run.round();
    run.restart(5, same);
    run.epoch = run.world.memory.epoch;
    for (const archived of [10, 12, 14]) {
      run.archived = archived;
      const early = runToEnd(run.recovery(1, 0));
      expect([early.waits, early.result]).toEqual([true, undefined]);
    }
    run.archived = 15;
    expect(run.replay(runToEnd(run.recovery(1, 0)))).toEqual(run.obvious(1, 0));
    expect(run.obvious(1, 0)).toHaveLength(15);
  }
});

it("archive recovery - where the window has lost the first trades, the archive has to have them", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(2);
  run.round();
  run.restart(5);
  run.epoch = run.world.memory.epoch;
  run.archived = 10;
  for (let at = 0; at < 1500; at++) {
    run.trade(1);
    if (at % 100 === 99) run.round();
  }
  const early = runToEnd(run.recovery(2, 0));
  expect([early.waits, early.result]).toEqual([true, undefined]);
  run.archived = run.trades.length;
  expect(run.replay(runToEnd(early))).toEqual(run.obvious(2, 0));
});

it("archive recovery - quotes that have not been read are not waited for", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  run.world.quote(1, 100);
  run.world.flush();
  expect(run.world.fanOut.mirror.pending).toBe(true);
  expect(run.replay(runToEnd(run.recovery(1, 0)))).toEqual(run.obvious(1, 0));
  run.trade(1);
  run.world.flush();
  expect(runToEnd(run.recovery(1, 0)).waits).toBe(true);
});

it("archive recovery - what the archive has and the mirror has not read comes once", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  for (let at = 0; at < 5; at++) run.trade(1);
  run.round();
  for (let at = 0; at < 5; at++) run.trade(1);
  run.world.flush();
  run.archived = run.trades.length;
  const recovery = runToEnd(run.recovery(undefined, 0));
  run.round();
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));
});

it("archive recovery - what was pruned or missed is refused, and more than is replayed", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  run.completeFrom = run.trades[4]?.ts ?? 0;
  expect(runToEnd(run.recovery(1, run.completeFrom - 1)).result).toEqual({
    recovered: false,
    refusal: "archive",
  });
  expect(runToEnd(run.recovery(1, run.completeFrom)).result).toMatchObject({ recovered: true });
  const refusal = { recovered: false, refusal: "messages" };
  expect(runToEnd(run.recovery(1, run.completeFrom, 5)).result).toEqual(refusal);
  for (let at = 0; at < 3; at++) run.trade(1);
  run.round();
  // Six of the archive, and three of the window.
  expect(runToEnd(run.recovery(1, run.completeFrom, 8)).result).toEqual(refusal);
  expect(runToEnd(run.recovery(1, run.completeFrom, 9)).result).toMatchObject({ recovered: true });
});

it("archive recovery - another archive begins the search anew, and a replay goes on from its place in it", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  run.pageMax = 3;
  const recovery = run.recovery(1, 0);
  recovery.step(2);
  run.generation = 2;
  runToEnd(recovery);
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));
  const { result } = recovery;
  const part = result?.recovered === true ? result.archived : undefined;
  if (part === undefined) throw new Error("nothing of the archive");
  const first = nextPiece(part, run);
  if (typeof first === "string" || first.rest === undefined) throw new Error("no first piece");
  expect(first.trades.map(({ number }) => number)).toEqual([1, 2, 3]);
  // Pruned up to where it stands, and beyond.
  run.completeFrom = run.trades[2]?.ts ?? 0;
  expect(nextPiece(first.rest, run)).toMatchObject({ trades: [{ number: 4 }, {}, {}] });
  run.completeFrom++;
  expect(nextPiece(first.rest, run)).toBe("lost");
  run.completeFrom = 0;
  run.generation = 0;
  expect(nextPiece(first.rest, run)).toBe("away");
  // Made anew of the store, it comes so far again.
  run.generation = 3;
  run.archived = 9;
  expect(nextPiece(first.rest, run)).toBe("away");
  run.epoch = "";
  expect(nextPiece(first.rest, run)).toBe("away");
  run.begin();
  const second = nextPiece(first.rest, run);
  expect(second).toMatchObject({ trades: [{ number: 4 }, {}, {}], rest: { generation: 3 } });
  // What is missing behind its end is of no matter to it.
  const { until } = part;
  run.gaps.push({ from: until, to: until + 1000 });
  expect(nextPiece(first.rest, run)).toEqual(second);
  // Of another feed one that is made anew lacks all of before, and numbers trades from 1 on.
  run.gaps.push({ from: 0, to: until });
  run.archived = 1;
  expect(nextPiece(first.rest, run)).toBe("lost");
});
