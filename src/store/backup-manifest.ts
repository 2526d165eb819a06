import { createHash } from "node:crypto";
import { z } from "zod";
import { SCHEMA_VERSION } from "./records.js";
import { StoreError } from "./store-error.js";

/*
 * A backup is a directory, or a tar file of the same files:
 *
 *   data.mdb                    the trees, an LMDB file
 *   journal/0000000001.journal  what the journal had behind them
 *   backup.json                 the manifest: what the others must be. It is written last, so one that was cut
 *                               short has none
 */

/** The manifest's name in a backup. */
export const MANIFEST_FILE = "backup.json";

/** Version of this form. A backup that says another number is not restored. */
const FORM_VERSION = 1;
/** What may be in a backup, beside the manifest. */
const FILE_NAME = /^(data\.mdb|journal\/\d{10}\.journal)$/;

const file = z.strictObject({
  name: z.string().regex(FILE_NAME),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const content = z.strictObject({
  backup: z.literal(FORM_VERSION),
  /** Of the data file. */
  schema: z.int().positive(),
  taken_at: z.iso.datetime(),
  /** Number of the last commit that is in it. */
  commits: z.int().nonnegative(),
  files: z.array(file).min(1),
});

/** What a backup says of itself. */
export type BackupContent = z.infer<typeof content>;

const manifest = content.extend({ sha256: z.string() });

/** Whether a file of a backup may have a name. */
export function isBackupFile(name: string): boolean {
  return FILE_NAME.test(name);
}

/** The text of the manifest. */
export function manifestText(of: Omit<BackupContent, "backup">): string {
  const all: BackupContent = content.parse({ backup: FORM_VERSION, ...of });
  return `${JSON.stringify({ ...all, sha256: checksum(all) }, undefined, 2)}\n`;
}

/**
 * What the manifest of a backup says. Throws StoreError: STORE_VERSION where it is of a version of this form, or
 * of the store's, that is not known here, STORE_DAMAGED where it is not what was written.
 */
export function readManifest(path: string, text: string): BackupContent {
  const json = parsed(text);
  const { backup, schema } = versions.safeParse(json).data ?? {};
  if (backup !== undefined && backup !== FORM_VERSION)
    throw foreign(path, `is a backup of form ${backup}`, `${FORM_VERSION} alone`);
  if (schema !== undefined && schema > SCHEMA_VERSION)
    throw foreign(path, `has schema version ${schema}`, `none above ${SCHEMA_VERSION}`);
  const read = manifest.safeParse(json);
  if (!read.success) throw notWhole(path, `${MANIFEST_FILE}: ${z.prettifyError(read.error)}`);
  const { sha256, ...rest } = read.data;
  if (sha256 !== checksum(rest))
    throw notWhole(path, `the checksum of ${MANIFEST_FILE} does not fit`);
  return rest;
}

/** The error for a backup that is not as it was made. */
export function notWhole(path: string, what: string, options?: ErrorOptions): StoreError {
  const message = `${path} is no whole backup: ${what}; use another one`;
  return new StoreError("STORE_DAMAGED", message, options);
}

const versions = z.object({ backup: z.int().optional(), schema: z.int().optional() });

function foreign(path: string, what: string, known: string): StoreError {
  return new StoreError(
    "STORE_VERSION",
    `${path} ${what}, and this version of Marketcast knows ${known}; run the version that made it`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checksum(of: BackupContent): string {
  return createHash("sha256")
    .update(JSON.stringify(content.parse(of)))
    .digest("hex");
}
