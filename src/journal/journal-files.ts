import { constants, fdatasync, type Stats, statSync, write } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { makeDirectory } from "../shared/make-directory.js";
import { syncDirectory } from "../shared/sync-directory.js";

/** An open file. Every method rejects or throws with Node's error. */
export interface JournalFile {
  /** Reads into all of `into`, or to the end of the file; resolves with the bytes read. */
  read(into: Buffer, position: number): Promise<number>;
  /** Writes all of `bytes`. To a file that was opened with "write": resolves when they are on disk. */
  write(bytes: Buffer, position: number): Promise<void>;
  /** Resolves when the bytes that were written before are on disk. */
  datasync(): Promise<void>;
  /** Size in bytes. */
  size(): Promise<number>;
  /** Whether its path still leads to it, with so many bytes: not where it was removed, moved, replaced or cut. */
  isWhole(bytes: number): boolean;
  close(): Promise<void>;
}

/** All that the journal asks of a file system; a test may have it fail. Everything rejects with Node's error. */
export interface JournalFiles {
  /** One that is there is no error. */
  makeDirectory(dir: string): Promise<void>;
  list(dir: string): Promise<readonly string[]>;
  open(path: string, how: "read" | "write" | "create"): Promise<JournalFile>;
  /** Bytes of a file; undefined where there is none. */
  sizeOf(path: string): Promise<number | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** A file that is not there is no error. */
  remove(path: string): Promise<void>;
  /** Resolves when names that were given or taken away in the directory are so on disk. */
  syncDirectory(dir: string): Promise<void>;
}

/**
 * What is written with "write" is on disk with the same call of the system: a flush of its own would cost another way
 * to a thread and back, which takes as long as the flush where processors are busy.
 */
const FLAGS = {
  read: "r",
  write: constants.O_RDWR | constants.O_DSYNC,
  create: "w+",
} as const;
/** The most that one call of the system reads or writes. */
const CHUNK_BYTES = 1 << 20;

/** By the descriptor: a file handle's own methods take twice the time of the thread. */
const writeSome = promisify(write);
const syncData = promisify(fdatasync);

class RealFile implements JournalFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  /** As it was opened. */
  readonly #stats: Stats;

  private constructor(handle: FileHandle, path: string, stats: Stats) {
    this.#handle = handle;
    this.#path = path;
    this.#stats = stats;
  }

  static async open(path: string, flags: string | number): Promise<RealFile> {
    const handle = await open(path, flags, 0o600);
    try {
      return new RealFile(handle, path, await handle.stat());
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async read(into: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const length = Math.min(CHUNK_BYTES, into.length - done);
      const { bytesRead } = await this.#handle.read(into, done, length, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Buffer, position: number): Promise<void> {
    // One call, unless the system takes less.
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await writeSome(
        this.#handle.fd,
        bytes,
        done,
        bytes.length - done,
        position + done,
      );
      if (bytesWritten === 0) throw new Error("the system took no more bytes");
      done += bytesWritten;
    }
  }

  datasync(): Promise<void> {
    return syncData(this.#handle.fd);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  isWhole(bytes: number): boolean {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    const { ino, dev } = this.#stats;
    return found?.ino === ino && found.dev === dev && found.size === bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The file system of the machine. */
export const realFiles: JournalFiles = {
  makeDirectory: (dir) => makeDirectory(dir, 0o700),
  list: (dir) => readdir(dir),
  open: (path, how) => RealFile.open(path, FLAGS[how]),
  sizeOf: async (path) => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory,
};
