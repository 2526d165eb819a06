import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { EngineChanges } from "../../src/engine/commands.js";
import { readJournal } from "../../src/journal/journal-reader.js";
import { Random } from "../../src/shared/random.js";
import { checkStore } from "../../src/store/check.js";
import { Environment } from "../../src/store/environment.js";
import { COUNTERS_KEY, JOURNALED_KEY } from "../../src/store/records.js";
import { decodeBatch } from "../../src/store/stored-batch.js";
import { drawSeed } from "../support/seeds.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { byJson, ChangeLedger, engineRun, MARKETS, take } from "./engine-run.js";

/*
 * A store has its truth twice for a while: what its journal says, and what its trees have of that. It is stopped
 * again and again, at any moment, and looked at: the trees are what the batches have made that they say they
 * contain, no more and no less; the journal has exactly those behind them; and whoever opens it finds both.
 */

const SEEDS = Array.from({ length: 2 }, (_, at) => drawSeed(`two truths ${at}`));
const LIVES = 5;
const BATCHES = 400;
/** Longest time that a store is left alone between some commits; its trees are behind by a tenth of a second. */
const PAUSE_MS_MAX = 60;

/** What a process leaves that is killed now: nothing of it goes on while this copies. */
function stopped(dir: string): string {
  const copy = join(temporaryDirectory(), "exchange");
  cpSync(dir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  return copy;
}

function ledgerOf(batches: readonly EngineChanges[]): ChangeLedger {
  const ledger = new ChangeLedger();
  for (const changes of batches) ledger.add(changes);
  return ledger;
}

/** Compares trees that nobody has open with the batches that they contain; returns how many those are. */
async function checkTrees(dir: string, batches: readonly EngineChanges[]): Promise<number> {
  const environment = new Environment(dir, { readOnly: true });
  const contained = environment.journaled?.get(JOURNALED_KEY) ?? 0;
  const { state, orders, trades } = ledgerOf(batches.slice(0, contained));
  const finished = [...environment.finishedOrders.values()];
  const open = [...environment.openOrders.values()];
  const counters = environment.counters.get(COUNTERS_KEY);
  const found = {
    orders: [...open, ...finished].sort((a, b) => a.orderId - b.orderId),
    trades: [...environment.trades.values()],
    positions: byJson(environment.positions.values()),
    totals: byJson(environment.totals.values()),
    timers: [...(environment.timers?.values() ?? [])],
    ids: [counters?.nextOrderId, counters?.nextTradeId],
  };
  await environment.close();
  expect(found).toEqual({
    orders: [...orders.values()].sort((a, b) => a.orderId - b.orderId),
    trades: [...trades.values()],
    positions: state.positions,
    totals: state.totals,
    timers: state.timers,
    ids: [state.nextOrderId, state.nextTradeId],
  });
  return contained;
}

/** Compares what the journal has behind the trees with the batches; returns the number of its last. */
async function checkJournal(
  dir: string,
  batches: readonly EngineChanges[],
  contained: number,
): Promise<number> {
  let last = contained;
  const records = readJournal(join(dir, "journal"), contained, { alone: true });
  for await (const { number, payload } of records) {
    expect(number).toBe(++last);
    expect(decodeBatch(payload).changes, `batch ${number}`).toEqual(batches[number - 1]);
  }
  return last;
}

describe("two truths", () => {
  it.each(SEEDS)(
    "two truths - seed %i: trees and journal agree wherever a store is stopped",
    async (seed) => {
      const random = new Random(seed);
      const batches = take(engineRun(seed, 8), BATCHES);
      let dir = join(temporaryDirectory(), "exchange");
      let stored = 0;
      let behind = 0;
      for (let life = 0; life < LIVES; life++) {
        const store = await openStore(dir);
        if (life === 0) await store.putMarkets(MARKETS);
        const { positions, totals, markets, ...rest } = await store.load();
        expect({
          ...rest,
          markets: byJson(markets),
          positions: byJson(positions),
          totals: byJson(totals),
        }).toEqual(ledgerOf(batches.slice(0, stored)).state);
        let told = stored;
        let asked = stored;
        const commits: Promise<void>[] = [];
        for (let burst = 1 + random.below(5); burst > 0; burst--) {
          for (let count = 1 + random.below(12); count > 0 && asked < BATCHES; count--) {
            const number = ++asked;
            const done = store.commit(batches[number - 1] as EngineChanges);
            const isTold = (): void => {
              told = number;
            };
            commits.push(done.then(isTold));
          }
          await sleep(random.below(PAUSE_MS_MAX));
          if (random.below(4) === 0) await store.prune(0);
        }
        if (random.below(3) === 0) await Promise.all(commits);
        if (random.below(4) === 0) await store.close();
        dir = stopped(dir);
        const toldThen = told;
        await store.close();
        await Promise.all(commits);
        const contained = await checkTrees(dir, batches);
        stored = await checkJournal(dir, batches, contained);
        expect(stored).toBeGreaterThanOrEqual(toldThen);
        expect(stored).toBeLessThanOrEqual(asked);
        behind += stored - contained;
      }
      expect((await checkStore(dir)).flatMap(({ named }) => named)).toEqual([]);
      expect(await checkTrees(dir, batches)).toBe(stored);
      // Otherwise there was only one.
      expect(behind).toBeGreaterThan(0);
    },
  );
});
