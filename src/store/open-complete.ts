import { setTimeout as sleep } from "node:timers/promises";
import type { Environment } from "./environment.js";
import { containedBy, readJournalTail } from "./journal-tail.js";
import type { Retention } from "./pruning.js";
import { Store } from "./store.js";
import { StoreError } from "./store-error.js";
import { openForReading, unreadable } from "./store-file.js";
import { storeErrorOf } from "./store-journal.js";

/** How often a server's trees are looked at, and for how long, in ms. */
const LOOK_INTERVAL_MS = 20;
const WAIT_MS_MAX = 10_000;

/** Of a store that is opened to be closed. */
const NOTHING_IS_PRUNED: Retention = {
  orderRetentionMs: Number.MAX_SAFE_INTEGER,
  maxStoredOrders: Number.MAX_SAFE_INTEGER,
  clientOrderIdRetentionMs: 0,
  tradeRetentionMs: Number.MAX_SAFE_INTEGER,
  maxStoredTrades: Number.MAX_SAFE_INTEGER,
};

/**
 * Opens the store of a directory to read it, with all that was stored by then in its trees: a server that runs
 * brings them up by itself, and where none does, as after a kill, this does so first. Rejects as
 * {@link openForReading}, with StoreError of the journal as well, and with STORE_LOCKED where a server does
 * not bring its trees up in time, as on a full disk.
 */
export async function openComplete(dir: string, signal?: AbortSignal): Promise<Environment> {
  const environment = await openForReading(dir, signal);
  const last = await lastOfJournal(dir, environment).catch(async (error: unknown) => {
    await environment.close();
    throw unreadable(dir, storeErrorOf(error));
  });
  if (containedBy(environment) >= last) return environment;
  // LMDB opens a file once in a process.
  await environment.close();
  const isComplete = await isBroughtUp(dir);
  const complete = await openForReading(dir, signal);
  try {
    if (!isComplete) await until(complete, () => containedBy(complete) >= last, signal);
    // Who closes a store leaves in the journal what its trees cannot take.
    if (containedBy(complete) < last)
      throw new StoreError(
        "STORE_WRITE_FAILED",
        `${dir} has more in its journal than its trees, which cannot be written; free or add disk space, or see to the disk`,
      );
    return complete;
  } catch (error) {
    await complete.close();
    signal?.throwIfAborted();
    throw error;
  }
}

/** Resolves when a server's trees have all that is stored by now; rejects where they do not in time. */
export async function untilComplete(environment: Environment, dir: string): Promise<void> {
  const last = await lastOfJournal(dir, environment);
  await until(environment, () => containedBy(environment) >= last);
}

async function lastOfJournal(dir: string, environment: Environment): Promise<number> {
  return (await readJournalTail(dir, environment, { payloads: false })).last;
}

/** Brings trees up that no server has open; returns false where one has. */
async function isBroughtUp(dir: string): Promise<boolean> {
  try {
    await (await Store.open(dir, NOTHING_IS_PRUNED)).close();
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === "STORE_LOCKED") return false;
    throw error;
  }
}

async function until(
  environment: Environment,
  isSo: () => boolean,
  signal?: AbortSignal,
): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  for (;;) {
    environment.endReads();
    if (isSo()) return;
    if (performance.now() > end) {
      throw new StoreError(
        "STORE_LOCKED",
        "the server has not brought the store up to what is in its journal; see whether its disk is full, and try again",
      );
    }
    await sleep(LOOK_INTERVAL_MS, undefined, signal === undefined ? {} : { signal });
  }
}
