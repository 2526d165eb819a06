import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "../shared/sync-directory.js";
import { verifyDataFile, verifyMetas } from "./data-file.js";
import { READERS_FILE, requireRoom, reserveReadersFile } from "./disk-room.js";
import { Environment, holdState } from "./environment.js";
import { SCHEMA_KEY, SCHEMA_VERSION } from "./records.js";
import { damaged, isNoRoom, reasonOf, StoreError } from "./store-error.js";

/** The file that holds everything, within the store's directory. */
export const DATA_FILE = "data.mdb";

/** The store's directory in the data directory. */
export function storeDirectory(dataDir: string): string {
  return join(dataDir, "exchange");
}

/** The error for a directory that cannot be opened, read or made; a StoreError as it is. */
export function unreadable(dir: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (isNoRoom(error)) {
    return new StoreError(
      "STORE_WRITE_FAILED",
      `${dir} has no room for the store: ${reasonOf(error)}; free or add disk space, or choose another --data-dir`,
      { cause: error },
    );
  }
  return new StoreError(
    "STORE_UNREADABLE",
    `${dir} cannot be opened: ${reasonOf(error)}; see to its owner and mode, or choose another --data-dir`,
    { cause: error },
  );
}

/**
 * Opens the file of a directory that this thread has locked, after looking through all of it; makes
 * an empty one where there is none and never was. Rejects with StoreError.
 */
export async function openOrCreate(dir: string): Promise<Environment> {
  const path = join(dir, DATA_FILE);
  if (!existsSync(path)) await create(dir);
  await verifyDataFile(path);
  await reserveReadersFile(dir);
  return reopen(dir);
}

/**
 * Opens the store of a directory to read it, also while a server writes to it, after looking through
 * the whole file. Rejects with StoreError, and with the signal's reason when that aborts.
 */
export async function openForReading(dir: string, signal?: AbortSignal): Promise<Environment> {
  const path = join(dir, DATA_FILE);
  if (!existsSync(path)) {
    throw new StoreError(
      "STORE_UNREADABLE",
      `${path} is not there; name the server's data directory with --data-dir`,
    );
  }
  try {
    verifyMetas(path);
    const release = holdState(dir);
    try {
      await verifyDataFile(path, signal);
      return reopen(dir, { readOnly: true });
    } finally {
      await release();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(dir, error);
  }
}

/** Opens a file that has been looked through before. Throws StoreError. */
export function reopen(dir: string, options?: { readonly readOnly: boolean }): Environment {
  let environment: Environment;
  try {
    environment = new Environment(dir, options);
  } catch (error) {
    throw unreadable(dir, error);
  }
  try {
    verifySchema(environment, join(dir, DATA_FILE));
    return environment;
  } catch (error) {
    void environment.close();
    throw error;
  }
}

function verifySchema({ schema }: Environment, path: string): void {
  const version = schema.get(SCHEMA_KEY);
  if (version === undefined) throw damaged(path, "it has no schema version");
  // Earlier ones are carried over by who writes, and can be read.
  if (version <= SCHEMA_VERSION) return;
  throw new StoreError(
    "STORE_VERSION",
    `${path} has schema version ${version}, and this version of Marketcast knows none above ${SCHEMA_VERSION}; run the version that wrote it, or choose another --data-dir`,
  );
}

/** Makes an empty store's file, whole before it has its name. */
async function create(dir: string): Promise<void> {
  if (existsSync(join(dir, READERS_FILE))) {
    throw damaged(dir, `${READERS_FILE} shows that there was a store, but ${DATA_FILE} is missing`);
  }
  const draft = join(dir, "new");
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await requireRoom(draft);
  await reserveReadersFile(draft);
  const environment = new Environment(draft);
  const { schema, counters, indexed } = environment;
  const first = [
    schema.put(SCHEMA_VERSION),
    counters.put({ nextOrderId: 1, nextTradeId: 1, stretches: [], latestTs: 0 }),
    ...(indexed === undefined ? [] : [indexed.put({ orderId: 0, tradeId: 0, finishedTs: 0 })]),
  ];
  await Promise.all(first.map(({ write }) => write()));
  await environment.close();
  await rename(join(draft, DATA_FILE), join(dir, DATA_FILE));
  await syncDirectory(dir);
  await rm(draft, { recursive: true, force: true });
}
