import { closeSync, openSync, readSync } from "node:fs";
import { decodeUtf8, withoutMark } from "./utf8.js";

/** Largest file that is read as a whole, in bytes. */
const FILE_BYTES_MAX = 256 * 1024 * 1024;
const CHUNK_BYTES = 65_536;

/**
 * The text of a file, which may be a pipe, without a byte order mark. Throws Node's error where it
 * cannot be read, an Error where it is too large, and TextFault where it is no UTF-8.
 */
export function readTextFile(path: string, bytesMax: number = FILE_BYTES_MAX): string {
  return withoutMark(decodeUtf8(readBytes(path, bytesMax)));
}

function readBytes(path: string, bytesMax: number): Buffer {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const read = readSync(file, chunk);
      if (read === 0) return Buffer.concat(chunks);
      length += read;
      // Its size cannot be asked for first: a device or a pipe has none.
      if (length > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
      chunks.push(chunk.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
}
