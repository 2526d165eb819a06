import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { FeedConfigurationError } from "./feed-configuration-error.js";
import { type Line, LineSplitter } from "./lines.js";

const GZIP_MAGIC = [0x1f, 0x8b];
const CHUNK_BYTES = 65_536;

/** Throws {@link FeedConfigurationError} where `path` is no regular file that can be read. */
export async function requireFile(path: string): Promise<void> {
  const fail = (rule: string, cause?: unknown) =>
    new FeedConfigurationError("--feed-file", path, rule, { cause });
  const stats = await stat(path).catch((error: Error) => {
    throw fail(`must be a file that can be read: ${error.message}`, error);
  });
  if (!stats.isFile()) throw fail("must be a regular file (pipe data into --feed stdin instead)");
  const file = await open(path).catch((error: Error) => {
    throw fail(`must be a file that can be read: ${error.message}`, error);
  });
  await file.close();
}

/**
 * The lines of a file, plain or gzip (told by its first bytes), in batches of one chunk, read no
 * faster than they are taken. Rejects with an Error that names the file.
 */
export async function* readLines(path: string): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of await openBytes(path)) yield splitter.push(chunk as Buffer);
    yield splitter.end();
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function openBytes(path: string): Promise<AsyncIterable<unknown>> {
  const gzip = await isGzip(path);
  const bytes = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  if (!gzip) return bytes;
  // The callback has nothing to do: an error of either stream reaches the reader of the last one.
  return pipeline(bytes, createGunzip({ chunkSize: CHUNK_BYTES }), () => {});
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(GZIP_MAGIC.length), { position: 0 });
    return bytesRead === GZIP_MAGIC.length && GZIP_MAGIC.every((byte, i) => buffer[i] === byte);
  } finally {
    await file.close();
  }
}
