import { describe, expect, it } from "vitest";
import { Random } from "../../src/shared/random.js";
import { MergedBatches } from "../../src/store/merged-batches.js";
import type { StoredSession } from "../../src/store/records.js";
import type { Store } from "../../src/store/store.js";
import type { StoredBatch } from "../../src/store/stored-batch.js";
import { drawSeed } from "../support/seeds.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { byJson, engineRun, take } from "./engine-run.js";

const SEEDS = Array.from({ length: 4 }, (_, at) => drawSeed(`merged batches ${at}`));
const BATCHES = 30;

function commit(store: Store, batch: StoredBatch): Promise<void> {
  return store.commit(batch.changes, batch.stretches, batch.latestTs, batch.sessions);
}

/** All that a store has, in an order of its own. */
async function contents(store: Store, orders: number) {
  const { positions, totals, timers, markets, sessions, ...rest } = await store.load();
  return {
    ...rest,
    positions: byJson(positions),
    totals: byJson(totals),
    timers: byJson(timers),
    markets: byJson(markets),
    sessions: byJson(sessions),
    orders: Array.from({ length: orders }, (_, at) => store.order(at + 1)),
    trades: store.tradesAfter(0),
  };
}

/** Sessions that come, change and go, often within a few batches. */
function sessionWrites(random: Random, batch: number): StoredBatch["sessions"] {
  const put: StoredSession[] = [];
  const removed: string[] = [];
  for (let at = 0; at < random.below(4); at++) {
    const session = `session-${random.below(5)}`;
    if (random.below(2) === 0) removed.push(session);
    else
      put.push({ session, userId: "u", wallet: null, waitMs: batch, run: `run ${at}`, shard: at });
  }
  return { put, removed };
}

function mergeBatches(batches: readonly StoredBatch[]): StoredBatch {
  const merged = new MergedBatches();
  for (const batch of batches) merged.add(batch);
  const { batch } = merged;
  const { orders, trades, positions, totals, markets } = batch.changes;
  const all = [orders, trades, positions, totals, markets];
  expect(merged.records).toBe(all.reduce((sum, { length }) => sum + length, 0));
  return batch;
}

/** Timers that are set, set again and over. */
function timersOf(random: Random, batch: number): StoredBatch["changes"]["timers"] {
  return Array.from({ length: random.below(3) }, (_, at) => ({
    wallet: `w${random.below(3) * 3 + at}`,
    setTs: batch,
    triggerTs: random.below(3) === 0 ? undefined : batch + 1000,
  }));
}

describe("merged batches", () => {
  it.each(SEEDS)(
    "merged batches - seed %i: a store has the same of them as of one after the other",
    async (seed) => {
      const random = new Random(seed);
      const batches = take(engineRun(seed, 15), BATCHES).map(
        (changes, at): StoredBatch => ({
          changes: { ...changes, timers: timersOf(random, at) },
          stretches: [{ ts: at, passed: 2 * at, pace: 1 }],
          latestTs: 1_000_000 + at,
          sessions: sessionWrites(random, at),
        }),
      );
      const [single, merged] = [
        await openStore(temporaryDirectory()),
        await openStore(temporaryDirectory()),
      ];
      for (const batch of batches) await commit(single, batch);
      for (let at = 0; at < BATCHES; ) {
        const some = batches.slice(at, at + 1 + random.below(9));
        await commit(merged, mergeBatches(some));
        at += some.length;
      }
      const orders = (batches.at(-1) as StoredBatch).changes.nextOrderId - 1;
      expect(orders).toBeGreaterThan(30);
      const expected = await contents(single, orders);
      expect(expected.trades.length).toBeGreaterThan(10);
      expect(await contents(merged, orders)).toEqual(expected);
    },
  );

  it("merged batches - one is itself, and none is none", () => {
    const [changes] = take(engineRun(1, 5), 1);
    if (changes === undefined) throw new Error("no changes");
    const batch: StoredBatch = {
      changes,
      stretches: [],
      latestTs: 1,
      sessions: { put: [], removed: [] },
    };
    expect(mergeBatches([batch])).toEqual(batch);
    expect(() => mergeBatches([])).toThrow(RangeError);
  });
});
