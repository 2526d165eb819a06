import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { recordBytes, SECTOR_BYTES } from "../../src/journal/segment-format.js";
import type { StoredState } from "../../src/store/merged-batches.js";
import type { Retention } from "../../src/store/pruning.js";
import { Store } from "../../src/store/store.js";
import { StoreError } from "../../src/store/store-error.js";
import { encodeBatch, type StoredBatch } from "../../src/store/stored-batch.js";
import { ChangeLedger, engineRun, MARKETS, take } from "../store/engine-run.js";

const BATCHES = 6;
const RETENTION: Retention = {
  orderRetentionMs: Number.MAX_SAFE_INTEGER,
  maxStoredOrders: Number.MAX_SAFE_INTEGER,
  clientOrderIdRetentionMs: 1e12,
  tradeRetentionMs: Number.MAX_SAFE_INTEGER,
  maxStoredTrades: Number.MAX_SAFE_INTEGER,
};

/** What is done to a byte of the journal: zeros from there on, as of a write that was cut short, or a flip. */
const CHANGES = {
  cut: (bytes: Buffer, at: number, end: number) => Buffer.from(bytes).fill(0, at, end),
  flip: (bytes: Buffer, at: number) => {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8((flipped[at] as number) ^ 0xff, at);
    return flipped;
  },
};

/**
 * Opens a store that was killed, again and again, its journal cut at a byte of its last two records or with that
 * byte flipped, for each `step`th byte of them from `first` on and where sectors begin. Whatever is found there has to be what some of
 * the batches made, without the last one at most, or told as damage of the journal.
 */
export async function runStoreCuts(first: number, step: number): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "marketcast-store-cuts-"));
  try {
    const { dir, states, begins } = await killedStore(root);
    const segment = join(dir, "journal", "0000000001.journal");
    const whole = readFileSync(segment);
    const [from, middle, end] = begins.slice(-3) as [number, number, number];
    const found = { states: 0, damage: 0 };
    for (const [name, change] of Object.entries(CHANGES)) {
      for (let at = from; at < end; at++) {
        // Where a disk may leave off is never left out.
        const isDue = (at - from) % step === first % step || at % SECTOR_BYTES === 0;
        if (!isDue) continue;
        const copy = join(root, "copy");
        cpSync(dir, copy, { recursive: true });
        writeFileSync(join(copy, "journal", "0000000001.journal"), change(whole, at, end));
        const state = await opened(copy);
        rmSync(copy, { recursive: true });
        const what = `${name} at byte ${at} of ${from}–${middle}–${end}`;
        if (state instanceof StoreError) {
          expect(state.code, what).toBe("STORE_DAMAGED");
          expect(state.message, what).toMatch(/0000000001\.journal is damaged at byte \d+: /);
          found.damage++;
        } else {
          // Of a flip nothing may come but damage; of a cut what was whole before it.
          expect(name, what).toBe("cut");
          expect(state, what).toEqual(states[BATCHES - (at < middle ? 2 : 1)]);
          found.states++;
        }
      }
    }
    expect(found.damage).toBeGreaterThan(found.states);
    expect(found.states).toBeGreaterThan(0);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** A store with all of its batches in its journal alone, the state after each number of them, and their places. */
async function killedStore(root: string) {
  const made = join(root, "made");
  const store = await Store.open(made, RETENTION);
  await store.putMarkets(MARKETS);
  const dir = join(root, "killed");
  const states = [stateOf(await store.load())];
  const begins = [SECTOR_BYTES];
  const ledger = new ChangeLedger();
  // The trees have nothing of the batches: they are copied before.
  cpSync(made, dir, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  for (const changes of take(engineRun(23, 3), BATCHES)) {
    await store.commit(changes);
    ledger.add(changes);
    states.push(stateOf(await store.load()));
    const sessions = { put: [], removed: [] };
    const batch: StoredBatch = { changes, stretches: [], latestTs: 0, sessions };
    begins.push((begins.at(-1) as number) + recordBytes(encodeBatch(batch).length));
  }
  const journal = readdirSync(join(made, "journal")).filter((name) => name.endsWith(".journal"));
  for (const name of journal) cpSync(join(made, "journal", name), join(dir, "journal", name));
  await store.close();
  expect(states.at(-1)?.nextTradeId).toBe(ledger.nextTradeId);
  return { dir, states, begins };
}

async function opened(dir: string): Promise<StoredState | StoreError> {
  let store: Store | undefined;
  try {
    store = await Store.open(dir, RETENTION);
    return stateOf(await store.load());
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  } finally {
    await store?.close();
  }
}

/** With its lists in an order of their own. */
function stateOf(state: StoredState): StoredState {
  return { ...state, positions: byMarket(state.positions), totals: byMarket(state.totals) };
}

function byMarket<T extends { readonly marketId: unknown }>(values: Iterable<T>): T[] {
  const key = (value: T): string => `${value.marketId} ${(value as { wallet?: string }).wallet}`;
  return [...values].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
