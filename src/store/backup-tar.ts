import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";

/*
 * Files in one, in the form of tar (POSIX ustar), which any tool unpacks. For each a header of 512 bytes, its
 * bytes, and zeros up to a multiple of 512; at the end two blocks of zeros.
 *
 *   0      100    108    116    124    136     148        156    157      257     263      265       512
 *   ├──────┼──────┼──────┼──────┼──────┼───────┼──────────┼──────┼────────┼───────┼────────┼─────────┤
 *   │ name │ mode │ user │ group│ size │ time  │ checksum │ type │ link   │ magic │ version│ unused  │
 *   └──────┴──────┴──────┴──────┴──────┴───────┴──────────┴──────┴────────┴───────┴────────┴─────────┘
 *
 * Numbers are octal digits; a size beyond eleven of them is a byte 0x80 and eleven bytes, the highest first.
 */
const BLOCK_BYTES = 512;
const OCTAL_MAX = 8 ** 11 - 1;
const TYPE_FILE = "0";
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/** A file within a tar, whose `chunks` are to be read to their end before the next one. */
interface TarEntry {
  readonly name: string;
  readonly chunks: AsyncIterable<Buffer>;
}

/** Thrown for what is not the form of tar; the message says what is wrong. */
export class TarError extends Error {}

/** Writes some files of a directory to a new tar, compressed where its name says so. Rejects with Node's error. */
export async function writeTar(
  path: string,
  dir: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const bytes = Readable.from(tarOf(dir, names), { objectMode: false });
  const compressed = /\.(gz|tgz)$/i.test(path) ? [createGzip()] : [];
  const file = createWriteStream(path, { flags: "wx", mode: 0o600, flush: true });
  await pipeline([bytes, ...compressed, file], { ...(signal !== undefined && { signal }) });
}

async function* tarOf(dir: string, names: readonly string[]): AsyncGenerator<Buffer, void> {
  for (const name of names) {
    const path = join(dir, name);
    const { size, mtimeMs } = await stat(path);
    yield headerOf(name, size, Math.floor(mtimeMs / 1000));
    for await (const chunk of createReadStream(path)) yield chunk as Buffer;
    yield Buffer.alloc(paddingOf(size));
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

function headerOf(name: string, size: number, seconds: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  };
  header.write(name, 0, "latin1");
  octal(0o600, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  if (size <= OCTAL_MAX) octal(size, 124, 11);
  else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(seconds, 136, 11);
  header.write(TYPE_FILE, 156, "latin1");
  header.write("ustar\0" + "00", 257, "latin1");
  octal(checksumOf(header), 148, 6);
  header.write("\0 ", 154, "latin1");
  return header;
}

/** The sum of a header's bytes, where those of the sum itself count as spaces. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte;
  return sum;
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

/**
 * The files of a tar, compressed or not, in their order. Throws TarError where it is not whole, or has anything
 * but files, and Node's error where it cannot be read.
 */
export async function* readTar(path: string): AsyncGenerator<TarEntry, void> {
  const source = new Source(await bytesOf(path));
  for (;;) {
    const header = await source.take(BLOCK_BYTES);
    if (header.every((byte) => byte === 0)) break;
    const { name, size } = readHeader(header);
    const left = { bytes: size };
    yield { name, chunks: source.some(left) };
    if (left.bytes > 0) throw new Error(`${name} was not read to its end`);
    if ((await source.take(paddingOf(size))).some((byte) => byte !== 0))
      throw new TarError(`what is behind ${name} is not what was written`);
  }
  if ((await source.take(BLOCK_BYTES)).some((byte) => byte !== 0))
    throw new TarError("there is more behind its end");
  // Some tools fill up a whole number of records.
  for (let rest = await source.next(); rest !== undefined; rest = await source.next())
    if (rest.some((byte) => byte !== 0)) throw new TarError("there is more behind its end");
}

function readHeader(header: Buffer): { readonly name: string; readonly size: number } {
  const text = (at: number, end: number): string =>
    header.toString("latin1", at, end).replace(/\0.*$/s, "");
  if (text(257, 263) !== "ustar") throw new TarError("it is no tar file");
  if (Number.parseInt(text(148, 156), 8) !== checksumOf(header))
    throw new TarError("the checksum of a header does not fit");
  const name = text(0, 100);
  const type = text(156, 157);
  if (type !== TYPE_FILE) throw new TarError(`${name} is no file`);
  const isLarge = header[124] === 0x80;
  const size = isLarge ? Number(header.readBigUInt64BE(128)) : Number.parseInt(text(124, 136), 8);
  if (!Number.isSafeInteger(size)) throw new TarError(`${name} has no size`);
  return { name, size };
}

async function bytesOf(path: string): Promise<AsyncIterator<Buffer>> {
  const start = createReadStream(path, { end: GZIP_MAGIC.length - 1 });
  let magic = Buffer.alloc(0);
  for await (const chunk of start) magic = Buffer.concat([magic, chunk as Buffer]);
  // Whoever asked for it reads it at once, and hears of an error.
  const file = createReadStream(path);
  if (!magic.equals(GZIP_MAGIC)) return file[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const unpacked = createGunzip();
  pipeline(file, unpacked).catch(() => undefined);
  return unpacked[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
}

/** Bytes of a stream, so many at a time. */
class Source {
  readonly #chunks: AsyncIterator<Buffer>;
  /** What has been read of the stream and not been taken. */
  #rest = Buffer.alloc(0);

  constructor(chunks: AsyncIterator<Buffer>) {
    this.#chunks = chunks;
  }

  /** Whatever comes next; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = Buffer.alloc(0);
      return rest;
    }
    try {
      const { value, done } = await this.#chunks.next();
      return done === true ? undefined : value;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code?.startsWith("Z_") === true) throw new TarError(`it cannot be unpacked: ${message}`);
      throw error;
    }
  }

  async take(bytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.some({ bytes })) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** The next bytes, as many as are `left`. */
  async *some(left: { bytes: number }): AsyncGenerator<Buffer, void> {
    while (left.bytes > 0) {
      const chunk = await this.next();
      if (chunk === undefined) throw new TarError("it is cut off");
      const taken = chunk.subarray(0, left.bytes);
      this.#rest = chunk.subarray(taken.length) as Buffer<ArrayBuffer>;
      left.bytes -= taken.length;
      yield taken;
    }
  }
}
