import { inspect } from "node:util";
import { crc32 } from "node:zlib";
import type { Key } from "lmdb";
import { Packr } from "msgpackr";
import { z } from "zod";

/*
 * The form of everything in the store. A record is a CRC-32 and a MessagePack array: a fixed order of
 * fields is compact, and plain MessagePack is read by any tool. LMDB has no checksums of its own.
 *
 *   0        4
 *   ├────────┼──────────────────────────────┐
 *   │ CRC-32 │ MessagePack array of fields  │
 *   └────────┴──────────────────────────────┘
 */
const CHECKSUM_BYTES = 4;

/** How one kind of record is written and read; it holds its key too, so that a wrong one shows. */
export interface RecordForm<K extends Key, T> {
  keyOf(value: T): K;
  /** Throws Error where the bytes would be read as something else than what they were made of. */
  encode(value: T): Buffer;
  /** Throws Error where the bytes are not what was written under the key, or break a rule of the form. */
  decode(bytes: Buffer, key: K): T;
}

export const packr = new Packr({ useRecords: false });

function seal(fields: readonly unknown[]): Buffer {
  const packed = packr.pack(fields);
  const read: readonly unknown[] = packr.unpack(packed);
  // A lone surrogate, say: there is no UTF-8 for it.
  for (const [index, field] of fields.entries())
    if (!isSame(field, read[index]))
      throw new Error(`${inspect(field)} would be read as ${inspect(read[index])}`);
  const bytes = Buffer.allocUnsafe(CHECKSUM_BYTES + packed.length);
  bytes.writeUInt32LE(crc32(packed), 0);
  bytes.set(packed, CHECKSUM_BYTES);
  return bytes;
}

function isSame(written: unknown, read: unknown): boolean {
  if (!Array.isArray(written)) return Object.is(written, read);
  return Array.isArray(read) && written.every((one, index) => isSame(one, read[index]));
}

function unseal(bytes: Buffer): unknown {
  if (bytes.length <= CHECKSUM_BYTES) throw new Error("it is too short");
  const packed = bytes.subarray(CHECKSUM_BYTES);
  if (crc32(packed) !== bytes.readUInt32LE(0)) throw new Error("its checksum does not fit");
  return packr.unpack(packed);
}

/**
 * The form of a record whose fields are a tuple.
 * @param isUsual whether fields are right at first sight; of others `fields` is asked
 */
export function form<K extends Key, F extends [unknown, ...unknown[]], T>(
  fields: z.ZodType<F>,
  keyOf: (value: T) => K,
  pack: (value: T) => NoInfer<F>,
  unpack: (fields: NoInfer<F>) => T,
  isUsual: (fields: unknown) => boolean = () => false,
): RecordForm<K, T> {
  return {
    keyOf,
    encode: (value) => seal(pack(value)),
    decode(bytes) {
      const unsealed = unseal(bytes);
      if (isUsual(unsealed)) return unpack(unsealed as F);
      const { data, error } = fields.safeParse(unsealed);
      if (error) throw new Error(z.prettifyError(error));
      return unpack(data);
    },
  };
}
