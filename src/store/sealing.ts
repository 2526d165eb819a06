import { inspect } from "node:util";
import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";

const CHECKSUM_BYTES = 4;

const packr = new Packr({ useRecords: false });

/** What is read of a text that is written. */
export function asRead(text: string): string {
  return packr.unpack(packr.pack(text));
}

/** Fields as bytes, with a checksum in front. Throws Error for what would be read as something else. */
export function seal(fields: readonly unknown[]): Buffer {
  const packed = packr.pack(fields);
  if (!fields.every(isPlain)) requireSame(fields, packr.unpack(packed));
  const bytes = Buffer.allocUnsafe(CHECKSUM_BYTES + packed.length);
  bytes.writeUInt32LE(crc32(packed), 0);
  bytes.set(packed, CHECKSUM_BYTES);
  return bytes;
}

/** What is read as it was written, without a look: most fields are. */
function isPlain(field: unknown): boolean {
  if (typeof field === "string") return field.isWellFormed();
  if (typeof field === "number") return Number.isSafeInteger(field) && !Object.is(field, -0);
  return typeof field === "boolean" || field === null;
}

function requireSame(written: readonly unknown[], read: readonly unknown[]): void {
  // A lone surrogate, say: there is no UTF-8 for it.
  for (const [index, field] of written.entries())
    if (!isSame(field, read[index]))
      throw new Error(`${inspect(field)} would be read as ${inspect(read[index])}`);
}

function isSame(written: unknown, read: unknown): boolean {
  if (!Array.isArray(written)) return Object.is(written, read);
  return Array.isArray(read) && written.every((one, index) => isSame(one, read[index]));
}

/** What {@link seal} has written. Throws Error where it is not. */
export function unseal(bytes: Buffer): unknown {
  if (bytes.length <= CHECKSUM_BYTES) throw new Error("it is too short");
  const packed = bytes.subarray(CHECKSUM_BYTES);
  if (crc32(packed) !== bytes.readUInt32LE(0)) throw new Error("its checksum does not fit");
  return packr.unpack(packed);
}
