import { Unpackr } from "msgpackr";
import type { PayloadDecoder } from "../../encoding.js";
import { findMessagePackFault } from "./messagepack-structure.js";

const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  // Its "auto" would give 2^53 as a number, which could be any integer next to it.
  int64AsType: "bigint",
});

/** Decodes MessagePack of the standard types. */
export const messagePackDecoder: PayloadDecoder = {
  format: "MessagePack",
  findFault(payload, valuesMax) {
    const fault = findMessagePackFault(payload, valuesMax);
    return fault === undefined ? undefined : `not valid MessagePack: ${fault}`;
  },
  decode: (payload) => withNumbers(unpackr.unpack(payload)),
};

/** The value with each BigInt in it that a number can hold exactly as that number; in place. */
function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item === "bigint" || typeof item === "object") value[index] = withNumbers(item);
    }
    return value;
  }
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const field = fields[key];
    if (typeof field === "bigint" || typeof field === "object") fields[key] = withNumbers(field);
  }
  return value;
}
