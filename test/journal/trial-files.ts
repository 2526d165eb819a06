import { type JournalFile, type JournalFiles, realFiles } from "../../src/journal/journal-files.js";

type Operation = keyof JournalFiles | keyof JournalFile;

/** A write that no flush has followed. */
interface Unflushed {
  readonly path: string;
  readonly position: number;
  readonly before: Buffer;
}

export function nodeError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}

/** The real file system, of which a test holds back or breaks what it likes. */
export class TrialFiles implements JournalFiles {
  /** Asked before each operation; throws or waits. */
  before: (operation: Operation, path: string) => void | Promise<void> = () => {};
  /** Asked after each operation, which has been done. */
  after: (operation: Operation, path: string) => void | Promise<void> = () => {};
  /** What a loss of power may take back, sector by sector. */
  readonly unflushed: Unflushed[] = [];

  makeDirectory(dir: string): Promise<void> {
    return this.#trial("makeDirectory", dir, () => realFiles.makeDirectory(dir));
  }

  list(dir: string): Promise<readonly string[]> {
    return this.#trial("list", dir, () => realFiles.list(dir));
  }

  sizeOf(path: string): Promise<number | undefined> {
    return this.#trial("sizeOf", path, () => realFiles.sizeOf(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#trial("rename", to, () => realFiles.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#trial("remove", path, () => realFiles.remove(path));
  }

  syncDirectory(dir: string): Promise<void> {
    return this.#trial("syncDirectory", dir, () => realFiles.syncDirectory(dir));
  }

  async open(path: string, how: "read" | "write" | "create"): Promise<JournalFile> {
    await this.before("open", path);
    const file = await realFiles.open(path, how);
    try {
      await this.after("open", path);
    } catch (error) {
      await file.close();
      throw error;
    }
    return {
      read: (into, position) => this.#trial("read", path, () => file.read(into, position)),
      write: async (bytes, position) => {
        await this.#trial("write", path, async () => {
          if (how === "write") await this.#remember(path, bytes.length, position);
          await file.write(bytes, position);
        });
        // One call of the system, of which a test may hold back the second half.
        if (how === "write") await this.#trial("datasync", path, async () => this.#flushed(path));
      },
      datasync: () =>
        this.#trial("datasync", path, async () => {
          await file.datasync();
          this.#flushed(path);
        }),
      size: () => this.#trial("size", path, () => file.size()),
      isWhole: (bytes) => file.isWhole(bytes),
      close: () => file.close(),
    };
  }

  #flushed(path: string): void {
    const kept = this.unflushed.filter((write) => write.path !== path);
    this.unflushed.splice(0, this.unflushed.length, ...kept);
  }

  async #remember(path: string, length: number, position: number): Promise<void> {
    const before = Buffer.alloc(length);
    const file = await realFiles.open(path, "read");
    await file.read(before, position);
    await file.close();
    this.unflushed.push({ path, position, before });
  }

  async #trial<T>(operation: Operation, path: string, task: () => Promise<T>): Promise<T> {
    await this.before(operation, path);
    const result = await task();
    await this.after(operation, path);
    return result;
  }
}

/** A door that a test closes and opens. */
export class Gate {
  #open = true;
  #waiting: (() => void)[] = [];
  #arrived: (() => void)[] = [];

  close(): void {
    this.#open = false;
  }

  open(): void {
    this.#open = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves when somebody stands before the closed door. */
  arrival(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => this.#arrived.push(resolve));
  }

  async pass(): Promise<void> {
    if (this.#open) return;
    for (const tell of this.#arrived.splice(0)) tell();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
