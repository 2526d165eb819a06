import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readJournal } from "../journal/journal-reader.js";
import { makeDirectory } from "../shared/make-directory.js";
import { syncDirectory } from "../shared/sync-directory.js";
import {
  type BackupContent,
  isBackupFile,
  MANIFEST_FILE,
  notWhole,
  readManifest,
} from "./backup-manifest.js";
import { readTar, TarError } from "./backup-tar.js";
import { verifyDataFile } from "./data-file.js";
import { READERS_FILE, reserveReadersFile } from "./disk-room.js";
import { containedBy } from "./journal-tail.js";
import { SCHEMA_KEY } from "./records.js";
import { reasonOf, StoreError } from "./store-error.js";
import { DATA_FILE, reopen, unreadable } from "./store-file.js";
import { journalDirectory } from "./store-journal.js";
import { decodeBatch } from "./stored-batch.js";

/** More is no manifest. */
const MANIFEST_BYTES_MAX = 1 << 20;

/** Size in bytes and SHA-256 of a file, by its name in the backup. */
type Sums = Map<string, { readonly bytes: number; readonly sha256: string }>;

/**
 * Makes the store of a directory, which must have none, of a backup: as it was when the backup was made, or not
 * at all.
 *
 * Rejects with StoreError: STORE_EXISTS where there is a store, STORE_DAMAGED where the backup is not whole,
 * STORE_VERSION where it is of another version, STORE_UNREADABLE where it, or the directory, cannot be read,
 * STORE_WRITE_FAILED where there is no room; and with the signal's reason when that aborts.
 */
export async function restoreStore(
  source: string,
  dir: string,
  signal?: AbortSignal,
): Promise<BackupContent> {
  await requireNoStore(dir);
  const above = dirname(dir);
  let draft: string | undefined;
  try {
    await makeDirectory(above, 0o700);
    // It has its name when it is whole.
    draft = await mkdtemp(`${dir}.restoring-`);
    const content = await copyBackup(source, draft, signal);
    await verify(source, draft, content, signal);
    await rename(draft, dir).catch(async (error: unknown) => {
      await requireNoStore(dir);
      throw error;
    });
    await syncDirectory(above);
    return content;
  } catch (error) {
    if (draft !== undefined) await rm(draft, { recursive: true, force: true });
    signal?.throwIfAborted();
    throw unreadable(dir, error);
  }
}

async function requireNoStore(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw unreadable(dir, error);
  });
  if (names.length === 0) return;
  throw new StoreError(
    "STORE_EXISTS",
    `${dir} has a store already; stop its server and move it away, or choose another --data-dir`,
  );
}

/** Copies a backup, and looks whether its files are those that its manifest names. */
async function copyBackup(
  source: string,
  draft: string,
  signal: AbortSignal | undefined,
): Promise<BackupContent> {
  await makeDirectory(journalDirectory(draft), 0o700);
  const stats = await stat(source).catch((error: unknown) => {
    throw cannotBeRead(source, error);
  });
  const sums: Sums = new Map();
  const content = stats.isDirectory()
    ? await copyDirectory(source, draft, sums, signal)
    : await unpack(source, draft, sums, signal);
  for (const { name, bytes, sha256 } of content.files) {
    const found = sums.get(name);
    if (found === undefined) throw notWhole(source, `${name} is missing`);
    if (found.bytes !== bytes)
      throw notWhole(source, `${name} has ${found.bytes} bytes, and had ${bytes}`);
    if (found.sha256 !== sha256) throw notWhole(source, `the checksum of ${name} does not fit`);
    sums.delete(name);
  }
  for (const name of sums.keys()) throw notWhole(source, `its manifest does not know ${name}`);
  await syncDirectory(journalDirectory(draft));
  await syncDirectory(draft);
  return content;
}

async function copyDirectory(
  source: string,
  draft: string,
  sums: Sums,
  signal: AbortSignal | undefined,
): Promise<BackupContent> {
  const text = await readFile(join(source, MANIFEST_FILE), "utf8").catch((error: unknown) => {
    throw missingOr(source, MANIFEST_FILE, error);
  });
  const content = readManifest(source, text);
  for (const { name } of content.files) {
    try {
      sums.set(name, await write(chunksOf(join(source, name)), join(draft, name), signal));
    } catch (error) {
      throw missingOr(source, name, error);
    }
  }
  return content;
}

/** The bytes of a file, which is opened by who reads them: nobody else would hear of an error. */
async function* chunksOf(path: string): AsyncGenerator<Buffer, void> {
  for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}

async function unpack(
  source: string,
  draft: string,
  sums: Sums,
  signal: AbortSignal | undefined,
): Promise<BackupContent> {
  let content: BackupContent | undefined;
  try {
    for await (const { name, chunks } of readTar(source)) {
      if (name === MANIFEST_FILE) content = readManifest(source, await textOf(source, chunks));
      else if (!isBackupFile(name) || sums.has(name)) throw new TarError(`${name} is none of it`);
      else sums.set(name, await write(chunks, join(draft, name), signal));
    }
  } catch (error) {
    if (error instanceof TarError) throw notWhole(source, error.message, { cause: error });
    throw error;
  }
  if (content === undefined) throw notWhole(source, `${MANIFEST_FILE} is missing`);
  return content;
}

async function textOf(source: string, chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MANIFEST_BYTES_MAX) throw notWhole(source, `${MANIFEST_FILE} is too large`);
    all.push(Buffer.from(chunk));
  }
  return Buffer.concat(all).toString("utf8");
}

/** Writes a new file, and resolves with what it is when it is on disk. */
async function write(
  chunks: AsyncIterable<Buffer>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      hash.update(chunk);
      bytes += chunk.length;
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** What was copied is a store, and the one that the manifest speaks of. */
async function verify(
  source: string,
  draft: string,
  { schema, commits }: BackupContent,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await lookInto(draft, signal).catch((cause: unknown) => {
    throw notWhole(source, reasonOf(cause).replaceAll(draft, source), { cause });
  });
  if (found.schema !== schema)
    throw notWhole(source, `its store has version ${found.schema}, and had ${schema}`);
  if (found.commits !== commits)
    throw notWhole(source, `it ends with commit ${found.commits}, and had ${commits}`);
}

/** The version of a store that nobody has open, and the number of its last commit. */
async function lookInto(
  dir: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly schema: number | undefined; readonly commits: number }> {
  await verifyDataFile(join(dir, DATA_FILE), signal);
  await reserveReadersFile(dir);
  const environment = reopen(dir, { readOnly: true });
  const schema = environment.schema.get(SCHEMA_KEY);
  const contained = containedBy(environment);
  await environment.close();
  await rm(join(dir, READERS_FILE), { force: true });
  let commits = contained;
  const records = readJournal(journalDirectory(dir), contained, { alone: true });
  for await (const { number, payload } of records) {
    decodeBatch(payload);
    commits = number;
  }
  return { schema, commits };
}

function missingOr(source: string, name: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return notWhole(source, `${name} is missing`);
  return error;
}

function cannotBeRead(source: string, cause: unknown): StoreError {
  return new StoreError(
    "STORE_UNREADABLE",
    `${source} cannot be read: ${reasonOf(cause)}; name a backup that store backup made`,
    { cause },
  );
}
