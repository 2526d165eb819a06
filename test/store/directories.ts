import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { afterEach } from "vitest";
import type { Retention } from "../../src/store/pruning.js";
import { Store } from "../../src/store/store.js";

const DAY_MS = 86_400_000;

/** Keeps everything that a test stores. */
export const KEEP_ALL: Retention = {
  orderRetentionMs: 3650 * DAY_MS,
  maxStoredOrders: 1_000_000,
  clientOrderIdRetentionMs: 30 * DAY_MS,
  tradeRetentionMs: 3650 * DAY_MS,
  maxStoredTrades: 1_000_000,
};

const stores: Store[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const dir of directories.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A directory that goes with the test. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), "marketcast-store-"));
  directories.push(dir);
  return dir;
}

/** A store that is closed with the test, if it is not before. */
export async function openStore(dir: string, retention: Retention = KEEP_ALL): Promise<Store> {
  const store = await Store.open(dir, retention);
  stores.push(store);
  return store;
}

/** Puts bytes that no store wrote in the place of a record of a closed store. */
export async function overwrite(
  dir: string,
  table: string,
  key: string | number | number[],
  bytes: Buffer,
): Promise<void> {
  const environment = open({ path: dir, overlappingSync: false, maxDbs: 16 });
  await environment.openDB<Buffer>(table, { encoding: "binary" }).put(key, bytes);
  await environment.close();
}
