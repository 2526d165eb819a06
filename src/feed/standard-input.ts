import { createReadStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { isatty, ReadStream } from "node:tty";

const STDIN = 0;

/**
 * Opens the process's standard input in any thread (`process.stdin` of a worker is a copy that the
 * main thread pumps). Throws where it is closed.
 */
export function openStandardInput(): Readable {
  if (isatty(STDIN)) return new ReadStream(STDIN);
  const stats = fstatSync(STDIN);
  if (stats.isFIFO() || stats.isSocket()) {
    return new Socket({ fd: STDIN, readable: true, writable: false });
  }
  return createReadStream("", { fd: STDIN, autoClose: false });
}
