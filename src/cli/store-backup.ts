import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { archiveDirectory } from "../config/data-directory.js";
import { backUpStore } from "../store/backup.js";
import { restoreStore } from "../store/restore.js";
import { DATA_FILE, storeDirectory } from "../store/store-file.js";
import { StoreLock } from "../store/store-lock.js";
import { loadCommandConfig } from "./config-flags.js";
import { interruptible } from "./interruptible.js";
import { print } from "./output.js";

async function backUp(target: string, program: Command): Promise<void> {
  const dir = storeDirectory(loadCommandConfig(program).config.dataDir);
  const { files, commits } = await interruptible((signal) => backUpStore(dir, target, signal));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  await print(`${target}: ${dir} up to commit ${commits}, ${bytes} bytes\n`);
}

async function restore(source: string, program: Command): Promise<void> {
  const { dataDir } = loadCommandConfig(program).config;
  const dir = storeDirectory(dataDir);
  const archive = archiveDirectory(dataDir);
  const isArchived = existsSync(join(archive, DATA_FILE));
  // A server that has no exchange may archive there, and one that finds the store must not before it is gone.
  const lock = isArchived ? await StoreLock.acquire(archive) : undefined;
  // It knows trades by their numbers, and those behind the backup will be given again.
  const aside = `${archive}-before-restore-${Date.now()}`;
  try {
    const { commits, taken_at: takenAt } = await interruptible((signal) =>
      restoreStore(source, dir, signal),
    );
    if (isArchived) await rename(archive, aside);
    await print(`${dir}: restored from ${source}, taken at ${takenAt}, up to commit ${commits}\n`);
  } finally {
    await lock?.release();
  }
  if (isArchived)
    await print(`${archive}: may have later trades, and was moved to ${aside}; it is made anew\n`);
}

/** `marketcast store backup` and `marketcast store restore`. */
export function addBackupCommands(store: Command, program: Command): void {
  store
    .command("backup")
    .description(
      "copy the store to a directory, or to a .tar or .tar.gz file, beside a running server",
    )
    .argument("<DIR|FILE>", "where to; must not be there, or be an empty directory")
    .action((target: string) => backUp(target, program));
  store
    .command("restore")
    .description("make the store of a data directory that has none from a backup")
    .argument("<DIR|FILE>", "what store backup made")
    .action((source: string) => restore(source, program));
}
