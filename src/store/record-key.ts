import type { Key } from "lmdb";

/** LMDB's bound on a key, with pages of 4 KiB, less what lmdb may put before a text. */
const KEY_BYTES_MAX = 1976;

/** Throws Error for a key that LMDB would not take, or give back as another; a number it always does. */
export function requireKey(key: Key): void {
  if (typeof key !== "string") return;
  if (!key.isWellFormed()) throw new Error("its key would be read as another");
  const bytes = Buffer.byteLength(key);
  if (bytes > KEY_BYTES_MAX)
    throw new Error(`its key has ${bytes} bytes; at most ${KEY_BYTES_MAX} are allowed`);
}
