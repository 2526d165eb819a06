import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { writeJournal } from "../journal/new-journal.js";
import { makeDirectory } from "../shared/make-directory.js";
import { syncDirectory } from "../shared/sync-directory.js";
import { type BackupContent, MANIFEST_FILE, manifestText } from "./backup-manifest.js";
import { writeTar } from "./backup-tar.js";
import { verifyDataFile } from "./data-file.js";
import { READERS_FILE, reserveReadersFile } from "./disk-room.js";
import type { Environment } from "./environment.js";
import { containedBy, readJournalTail } from "./journal-tail.js";
import { SCHEMA_KEY, SCHEMA_VERSION } from "./records.js";
import { isNoRoom, reasonOf, StoreError } from "./store-error.js";
import { DATA_FILE, openForReading, reopen } from "./store-file.js";
import { journalDirectory, storeErrorOf } from "./store-journal.js";

/**
 * Copies the store of a directory, also while a server writes to it: one state of it, with all that anybody was
 * told before this was called. To the server it is a reader. The backup is a directory, which may be there if
 * it is empty; or, where the name has an ending, a tar file, compressed with an ending of .gz or .tgz.
 *
 * Rejects with StoreError, and with the signal's reason when that aborts; what was written is removed then.
 */
export async function backUpStore(
  dir: string,
  target: string,
  signal?: AbortSignal,
): Promise<BackupContent> {
  const kind = await kindOf(target);
  const stage = kind === "file" ? `${target}.partial` : target;
  try {
    const environment = await openForReading(dir, signal);
    try {
      // One that was cut short has left it.
      if (kind === "file") await rm(stage, { recursive: true, force: true });
      await makeDirectory(stage, 0o700);
      const content = await copyStore(dir, environment, stage, signal);
      if (kind === "file") await pack(stage, content, target, signal);
      await syncDirectory(dirname(resolve(target)));
      return content;
    } finally {
      await environment.close();
    }
  } catch (error) {
    await removeStage(stage, kind).catch(() => undefined);
    signal?.throwIfAborted();
    throw failed(dir, target, storeErrorOf(error));
  }
}

/** What a backup is to be. Rejects with STORE_EXISTS where there is something already. */
async function kindOf(target: string): Promise<"file" | "new directory" | "empty directory"> {
  const stats = await stat(target).catch(() => undefined);
  // A link to nothing is something: it is somebody's, and is not to be removed with what cannot be made whole.
  const isThere = stats !== undefined || (await lstat(target).catch(() => undefined)) !== undefined;
  if (!isThere) {
    // The endings of a date are none.
    const isFile = /^\.[a-z]\w*$/i.test(extname(target)) && !/[\\/]$/.test(target);
    return isFile ? "file" : "new directory";
  }
  if (stats?.isDirectory() && (await readdir(target)).length === 0) return "empty directory";
  throw new StoreError(
    "STORE_EXISTS",
    `${target} is there already; a backup takes the place of nothing: name another path, or an empty directory`,
  );
}

async function removeStage(stage: string, kind: "file" | "new directory" | "empty directory") {
  if (kind !== "empty directory") return rm(stage, { recursive: true, force: true });
  for (const name of await readdir(stage)) await rm(join(stage, name), { recursive: true });
}

/** Writes all files of a backup to an empty directory, the manifest last. */
async function copyStore(
  dir: string,
  environment: Environment,
  stage: string,
  signal: AbortSignal | undefined,
): Promise<BackupContent> {
  // What the journal has is read first: the trees that are copied then have that, or more.
  const tail = await readJournalTail(dir, environment, { payloads: true });
  const { contained, schema } = await copyTrees(environment, stage, signal);
  const missing = tail.payloads.slice(Math.max(0, contained - tail.after));
  const segment = await writeJournal(journalDirectory(stage), contained + 1, missing);
  const files = [];
  for (const path of [join(stage, DATA_FILE), segment]) {
    signal?.throwIfAborted();
    files.push({ name: relative(stage, path).replaceAll("\\", "/"), ...(await sumOf(path)) });
  }
  const commits = contained + missing.length;
  const content = { schema, taken_at: new Date().toISOString(), commits, files };
  await writeDurably(join(stage, MANIFEST_FILE), manifestText(content));
  await syncDirectory(stage);
  return { backup: 1, ...content };
}

/** Copies the trees; tells up to which number the copy contains the journal, and its version. */
async function copyTrees(
  environment: Environment,
  stage: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly contained: number; readonly schema: number }> {
  // Others may look into the stage, and LMDB makes its file as the process's mask says.
  const copying = join(stage, "copying");
  await mkdir(copying, { mode: 0o700 });
  const path = join(copying, DATA_FILE);
  try {
    await environment.copyTo(copying, true);
  } catch (error) {
    if (isNoRoomOfLmdb(error)) throw error;
    // LMDB gives its pages new numbers then, and refuses where it has lost one that nobody uses.
    await rm(path, { force: true });
    await environment.copyTo(copying, false);
  }
  await chmod(path, 0o600);
  await flush(path);
  await verifyDataFile(path, signal);
  await reserveReadersFile(copying);
  const copy = reopen(copying, { readOnly: true });
  const contained = containedBy(copy);
  const schema = copy.schema.get(SCHEMA_KEY) ?? SCHEMA_VERSION;
  await copy.close();
  await rename(path, join(stage, DATA_FILE));
  await rm(join(copying, READERS_FILE), { force: true });
  await rm(copying, { recursive: true });
  return { contained, schema };
}

/** Makes one file of a backup. */
async function pack(
  stage: string,
  { files }: BackupContent,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const draft = join(stage, basename(target));
  await writeTar(draft, stage, [...files.map(({ name }) => name), MANIFEST_FILE], signal);
  await rename(draft, target);
  await rm(stage, { recursive: true });
}

async function sumOf(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flush: true });
}

/** LMDB's error has the system's message, and no code of Node's. */
function isNoRoomOfLmdb(error: unknown): boolean {
  return /No space left|quota exceeded/i.test(reasonOf(error));
}

/** The error for a backup that cannot be made; a StoreError as it is. */
function failed(dir: string, target: string, error: unknown): unknown {
  if (error instanceof StoreError) return error;
  const remedy =
    isNoRoom(error) || isNoRoomOfLmdb(error)
      ? "free or add disk space, or name another path"
      : "see to its owner and mode, and to the disk";
  return new StoreError(
    "STORE_WRITE_FAILED",
    `no backup of ${dir} can be made at ${target}: ${reasonOf(error)}; ${remedy}`,
    { cause: error },
  );
}
