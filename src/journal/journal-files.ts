import { fdatasync, fstatSync, write } from "node:fs";
import { access, type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { makeDirectory } from "../shared/make-directory.js";
import { syncDirectory } from "../shared/sync-directory.js";

/** An open file. Every method rejects or throws with Node's error. */
export interface JournalFile {
  /** Reads into all of `into`, or to the end of the file; resolves with the bytes read. */
  read(into: Buffer, position: number): Promise<number>;
  /** Writes all of `bytes`. */
  write(bytes: Buffer, position: number): Promise<void>;
  /** Resolves when the bytes that were written are on disk. */
  datasync(): Promise<void>;
  /** Size in bytes. */
  size(): Promise<number>;
  /** Directory entries of the file: 0 when it has been removed or replaced. */
  links(): number;
  close(): Promise<void>;
}

/** All that the journal asks of a file system; a test may have it fail. Everything rejects with Node's error. */
export interface JournalFiles {
  /** One that is there is no error. */
  makeDirectory(dir: string): Promise<void>;
  list(dir: string): Promise<readonly string[]>;
  open(path: string, how: "read" | "write" | "create"): Promise<JournalFile>;
  /** Rejects where there is no such file. */
  require(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file that is not there is no error. */
  remove(path: string): Promise<void>;
  /** Resolves when names that were given or taken away in the directory are so on disk. */
  syncDirectory(dir: string): Promise<void>;
}

const FLAGS = { read: "r", write: "r+", create: "w+" } as const;
/** The most that one call of the system reads or writes. */
const CHUNK_BYTES = 1 << 20;

/** By the descriptor: a file handle's own methods take twice the time of the thread. */
const writeSome = promisify(write);
const syncData = promisify(fdatasync);

class RealFile implements JournalFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
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

  links(): number {
    return fstatSync(this.#handle.fd).nlink;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The file system of the machine. */
export const realFiles: JournalFiles = {
  makeDirectory: (dir) => makeDirectory(dir, 0o700),
  list: (dir) => readdir(dir),
  open: async (path, how) => new RealFile(await open(path, FLAGS[how], 0o600)),
  require: (path) => access(path),
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory,
};
