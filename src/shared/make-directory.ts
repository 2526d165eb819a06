import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { syncDirectory } from "./sync-directory.js";

/**
 * Makes a directory and those above it that are missing, all with the same mode; one that is there
 * stays as it is. Their names are on disk when it resolves, as far as the directories above can be
 * opened and flushed. Rejects with Node's error.
 *
 * Node's own `recursive` goes round for ever where a file system says that a directory which is there
 * is not, as that of /proc does.
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  const directory = resolve(path);
  try {
    await makeOne(directory, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(directory)).isDirectory()) return;
    const above = dirname(directory);
    if (code !== "ENOENT" || above === directory) throw error;
    await makeDirectory(above, mode);
    await makeOne(directory, mode).catch((again: NodeJS.ErrnoException) => {
      // Somebody else was faster.
      if (again.code !== "EEXIST") throw again;
    });
  }
}

async function makeOne(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode });
  await syncDirectory(dirname(path)).catch(() => {});
}
