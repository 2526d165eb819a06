import type { Key } from "lmdb";
import { z } from "zod";
import { seal, unseal } from "./sealing.js";

/*
 * The form of everything in the store. A record is a CRC-32 and a MessagePack array: a fixed order of
 * fields is compact, and plain MessagePack is read by any tool. LMDB has no checksums of its own.
 *
 *   0        4
 *   ├────────┼──────────────────────────────┐
 *   │ CRC-32 │ MessagePack array of fields  │
 *   └────────┴──────────────────────────────┘
 */

/** How one kind of record is written and read; it holds its key too, so that a wrong one shows. */
export interface RecordForm<K extends Key, T> {
  keyOf(value: T): K;
  /** Throws Error where the bytes would be read as something else than what they were made of. */
  encode(value: T): Buffer;
  /** Throws Error where the bytes are not what was written under the key, or break a rule of the form. */
  decode(bytes: Buffer, key: K): T;
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
