import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** More than a batch of orders, or a new store, needs. */
const ROOM_BYTES = 1024 * 1024;
/** More than LMDB makes it for its 126 readers. */
const READERS_FILE_BYTES = 16 * 1024;

/** LMDB's table of readers; nothing in it is worth keeping. */
export const READERS_FILE = "lock.mdb";

/**
 * Rejects with Node's error where a directory has no room for a file of 1 MiB, on disk.
 *
 * LMDB takes a full disk in the middle of a transaction well, but not while it makes a file.
 */
export async function requireRoom(dir: string): Promise<void> {
  const path = join(dir, "probe");
  try {
    await writeDurably(path, ROOM_BYTES);
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Makes LMDB's table of readers, if it is not there, of bytes that are on disk. LMDB itself would
 * make it of a hole, and filling that in memory on a full disk ends the process with SIGBUS.
 */
export async function reserveReadersFile(dir: string): Promise<void> {
  const path = join(dir, READERS_FILE);
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size < READERS_FILE_BYTES) await writeDurably(path, READERS_FILE_BYTES);
}

async function writeDurably(path: string, bytes: number): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(Buffer.alloc(bytes));
    await file.sync();
  } finally {
    await file.close();
  }
}
