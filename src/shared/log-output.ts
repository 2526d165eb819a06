import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";

export const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;
/** What may wait, of a thread, for a reader that is slow or stands still, in bytes. */
const WAITING_BYTES_MAX = 262_144;
/** How often that is tried again, in ms. */
const RETRY_MS = 50;
/** How long a thread that ends waits for it, in ms, looking every so often. */
const EXIT_WAIT_MS_MAX = 200;
const EXIT_NAP_MS = 5;
const NEWLINE = Buffer.from("\n");

/** The process has one standard output, however many servers it runs. */
let opened: number | undefined;

/**
 * The descriptor for the log on standard output: one whose writes do not wait for a reader, where that
 * is a pipe, a socket or a terminal. To be asked in the main thread; it holds for all.
 *
 * Pipes and terminals are opened anew where the system lets us, as the flag belongs to everybody who
 * has the descriptor; else Node's own stream sets it, and takes it back when the process ends.
 */
export function openLogDescriptor(): number {
  opened ??= openWithoutWaiting();
  return opened;
}

function openWithoutWaiting(): number {
  // Native code of ours writes there by itself.
  if (isPipe(STANDARD_ERROR)) void process.stderr;
  const terminal = isatty(STANDARD_OUTPUT);
  if (!terminal && !isPipe(STANDARD_OUTPUT)) return STANDARD_OUTPUT;
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${STANDARD_OUTPUT}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A socket, another user's pipe, or no Linux.
    if (!terminal) void process.stdout;
    return STANDARD_OUTPUT;
  }
}

function isPipe(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false;
  }
}

/** A line that waits, or what is left of it. */
interface WaitingLine {
  bytes: Buffer;
  begun: boolean;
}

/**
 * Writes the log lines of a thread, at once, so that those of a dying one are there. It never throws
 * and never waits for a reader: lines that a slow one does not take wait in memory, in a bounded
 * amount, and what does not fit there or cannot be written at all is dropped and counted. A line longer
 * than what a pipe takes whole, 4 KiB, may have another thread's line in it where its reader is slow.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #dropped: (lines: number) => void;
  readonly #waiting: WaitingLine[] = [];
  #waitingBytes = 0;
  /** The last line was written in part only. */
  #torn = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #atExit = (): void => this.#finish();

  /** @param dropped told how many lines were dropped just now */
  constructor(fd: number, dropped: (lines: number) => void) {
    this.#fd = fd;
    this.#dropped = dropped;
  }

  /** Writes a line, which has its line break. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#flush();
      if (this.#waiting.length > 0) return this.#dropped(1);
    }
    this.#waiting.push({ bytes, begun: false });
    this.#waitingBytes += bytes.length;
    this.#flush();
  }

  /** Writes what waits, as far as it is taken. */
  #flush(): void {
    for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) {
      if (!this.#put(line)) return this.#retryLater();
      this.#waiting.shift();
      this.#waitingBytes -= line.bytes.length;
    }
    this.#retryNoMore();
  }

  /** Writes a line; returns false where the rest of it has to wait. */
  #put(line: WaitingLine): boolean {
    try {
      if (this.#torn) {
        writeSync(this.#fd, NEWLINE);
        this.#torn = false;
      }
      while (line.bytes.length > 0) {
        const written = writeSync(this.#fd, line.bytes);
        line.bytes = line.bytes.subarray(written);
        line.begun = true;
        this.#waitingBytes -= written;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
      this.#torn ||= line.begun;
      this.#dropped(1);
    }
    return true;
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#flush(), RETRY_MS).unref();
    process.once("exit", this.#atExit);
  }

  #retryNoMore(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.off("exit", this.#atExit);
  }

  /** The thread or the process ends: a reader has one last chance. One that is terminated has none. */
  #finish(): void {
    const nap = new Int32Array(new SharedArrayBuffer(4));
    const deadline = performance.now() + EXIT_WAIT_MS_MAX;
    this.#flush();
    while (this.#waiting.length > 0 && performance.now() < deadline) {
      Atomics.wait(nap, 0, 0, EXIT_NAP_MS);
      this.#flush();
    }
    this.#dropped(this.#waiting.length);
    this.#waiting.length = 0;
  }
}
