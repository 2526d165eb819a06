import { type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { ARCHIVE_FILE } from "./archive-environment.js";
import { ArchiveDamage } from "./archive-form.js";

/**
 * The file that was opened, by what the operating system knows it by. LMDB goes on with a file that has been
 * removed or replaced, of which nothing is left when the process ends.
 */
export class ArchiveFile {
  readonly #path: string;
  readonly #opened: Stats;

  /** @param dir the archive's directory, whose archive is open */
  constructor(dir: string) {
    this.#path = join(dir, ARCHIVE_FILE);
    this.#opened = statSync(this.#path);
  }

  /** Throws ArchiveDamage where the file in the directory is not the one that is open. */
  requireThere(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found === undefined) throw new ArchiveDamage("its file was removed while it was open");
    if (found.ino !== this.#opened.ino || found.dev !== this.#opened.dev)
      throw new ArchiveDamage("its file was replaced while it was open");
  }
}
