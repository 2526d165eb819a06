import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { makeDirectory } from "../shared/make-directory.js";
import { verifyDataFile } from "../store/data-file.js";
import { requireRoom, reserveReadersFile } from "../store/disk-room.js";
import { isNoRoom, reasonOf, StoreError } from "../store/store-error.js";
import { ARCHIVE_FILE, ArchiveEnvironment } from "./archive-environment.js";
import { ArchiveDamage } from "./archive-form.js";
import { ArchiveWriter } from "./archive-writer.js";

/** Damaged archives that are kept, the latest. */
const DAMAGED_MAX = 3;

/** An archive that is open, and why a former one was moved aside, where it was. */
interface OpenedArchive {
  readonly writer: ArchiveWriter;
  readonly damage: { readonly reason: string; readonly movedTo: string } | undefined;
}

/**
 * Opens the archive of a directory that this process has locked, after looking through all of it; makes
 * an empty one where there is none. One that is damaged, or of another version, is moved aside first.
 * Rejects with Node's or LMDB's error where that cannot be done at the moment.
 * @param known why it is known to be damaged; undefined where it is not
 * @param now µs since the Unix epoch; from before it trades of a damaged archive are missing
 */
export async function openArchive(
  dir: string,
  known: string | undefined,
  now: number,
): Promise<OpenedArchive> {
  await makeDirectory(dir, 0o700);
  const reason = known ?? (await damageOf(dir));
  const damage = reason === undefined ? undefined : { reason, movedTo: await moveAside(dir, now) };
  await requireRoom(dir);
  await reserveReadersFile(dir);
  const environment = new ArchiveEnvironment(dir);
  try {
    return { writer: new ArchiveWriter(environment), damage };
  } catch (error) {
    await environment.close();
    if (!(error instanceof ArchiveDamage) || damage !== undefined) throw error;
    return openArchive(dir, error.message, now);
  }
}

/** What is wrong with an archive's file; undefined where LMDB can safely open it, or make it. */
async function damageOf(dir: string): Promise<string | undefined> {
  const path = join(dir, ARCHIVE_FILE);
  if (!existsSync(path)) return undefined;
  try {
    await verifyDataFile(path);
    return undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code === "STORE_DAMAGED") return reasonOf(error);
    throw error;
  }
}

/** Moves an archive's files beside it, and removes the oldest of those that are there. */
async function moveAside(dir: string, now: number): Promise<string> {
  const above = dirname(dir);
  const prefix = `${basename(dir)}-damaged-`;
  const movedTo = join(above, `${prefix}${Math.floor(now / 1000)}`);
  await makeDirectory(movedTo, 0o700);
  // The directory stays: its lock is in it.
  for (const name of [ARCHIVE_FILE, "lock.mdb"])
    if (existsSync(join(dir, name))) await rename(join(dir, name), join(movedTo, name));
  const all = (await readdir(above)).filter((name) => name.startsWith(prefix)).sort();
  for (const name of all.slice(0, -DAMAGED_MAX))
    await rm(join(above, name), { recursive: true, force: true });
  return movedTo;
}

/** Why an archive cannot be written, in words for an operator. */
export function writeFault(error: unknown): string {
  const remedy = isNoRoom(error) ? "; free or add disk space" : "";
  return `the archive cannot be written: ${reasonOf(error)}${remedy}; history is behind until it can`;
}
