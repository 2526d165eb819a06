import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../shared/make-directory.js";
import { syncDirectory } from "../shared/sync-directory.js";

const ID_FILE = "node-id";
const ID = /^[0-9a-f]{24}$/;

/**
 * The name of a data directory, which no other one has, whatever store is in it; made where it has none. By it an
 * exchange and its standbys know each other again. Rejects with Node's error.
 */
export async function dataDirectoryId(dataDir: string): Promise<string> {
  const path = join(dataDir, ID_FILE);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (ID.test(known.trim())) return known.trim();
  const id = randomBytes(12).toString("hex");
  await makeDirectory(dataDir, 0o700);
  await writeFile(`${path}.new`, `${id}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  await syncDirectory(dataDir);
  return id;
}
