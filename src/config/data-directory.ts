import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../shared/make-directory.js";
import { ConfigurationError, problem } from "./configuration-error.js";
import type { LoadedConfig } from "./load.js";

const MODE = 0o700;
/** A disk that is full may have room again, and is no reason not to start. */
const NO_ROOM = ["ENOSPC", "EDQUOT"];

/**
 * Makes the data directory, with mode 700, where it is not there, and tries whether files can be made
 * in it. Throws ConfigurationError where not.
 */
export async function requireDataDirectory(dataDir: string): Promise<void> {
  try {
    await makeDirectory(dataDir, MODE);
    await tryToWrite(dataDir);
  } catch (error) {
    throw unusable(dataDir, error);
  }
}

/**
 * The archive's directory, in the data directory; undefined where nothing is archived. A feed that keeps
 * nothing else has an archive only where it was told where to: the default is for who trades.
 */
export function archiveDirectoryOf({ config, sources }: LoadedConfig): string | undefined {
  const { archiveSize, dataDir, feed } = config;
  if (archiveSize === 0) return undefined;
  const isNamed = feed === "exchange" || sources.get("dataDir") !== "default";
  return isNamed ? archiveDirectory(dataDir) : undefined;
}

/** Where the archive of a data directory is, if it has one. */
export function archiveDirectory(dataDir: string): string {
  return join(dataDir, "archive");
}

/** The error for a data directory in which nothing can be kept. */
function unusable(dataDir: string, error: unknown): ConfigurationError {
  const reason = error instanceof Error ? error.message : String(error);
  const rule = `nothing can be kept in ${dataDir}: ${reason}; see to its owner and mode, or choose another directory with --data-dir`;
  return new ConfigurationError([problem("data-dir", rule)], { cause: error });
}

/** By making a file: what modes and mounts allow is not all that counts. */
async function tryToWrite(dataDir: string): Promise<void> {
  const path = join(dataDir, `probe-${randomBytes(6).toString("hex")}`);
  try {
    await (await open(path, "wx", 0o600)).close();
  } catch (error) {
    if (!NO_ROOM.includes(String((error as NodeJS.ErrnoException).code))) throw error;
  }
  await rm(path, { force: true });
}
