import { isUtf8 } from "node:buffer";
import { fieldsFault, nestedTooDeep, VALUE_DEPTH_MAX, valuesFault } from "../../value-bounds.js";

/**
 * Checks that `bytes` are exactly one MessagePack value made of the standard types only: nothing
 * missing, nothing after it, no extension types, string keys, valid UTF-8, bounded nesting and fields, and
 * at most `valuesMax` values in all, keys not counted. Decoders are more generous than the protocol (msgpackr
 * reads extensions and class records of its own), so this is asked first. Returns what is wrong, or
 * undefined.
 *
 * Source: the MessagePack specification's table of formats.
 */
export function findMessagePackFault(bytes: Uint8Array, valuesMax: number): string | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = skipValue({ bytes, view, values: 1, fields: 0, valuesMax }, 0, 0);
    return end === bytes.length ? undefined : `${bytes.length - end} bytes after the value`;
  } catch (error) {
    if (error instanceof RangeError) return "the value is cut off";
    if (error instanceof StructureFault) return error.message;
    throw error;
  }
}

class StructureFault extends Error {}

interface Walk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Values that are known of so far. */
  values: number;
  fields: number;
  readonly valuesMax: number;
}

/** Returns the offset after the value at `at`; reads beyond the end throw RangeError. */
function skipValue(walk: Walk, at: number, depth: number): number {
  const { bytes, view } = walk;
  const format = view.getUint8(at++);
  if (format <= 0x7f || format >= 0xe0) return at;
  if (format <= 0x8f) return skipItems(walk, at, format & 0x0f, true, depth);
  if (format <= 0x9f) return skipItems(walk, at, format & 0x0f, false, depth);
  if (format <= 0xbf) return skipText(bytes, at, format & 0x1f);
  switch (format) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return at;
    case 0xc4:
      return skipBytes(bytes, at + 1, view.getUint8(at));
    case 0xc5:
      return skipBytes(bytes, at + 2, view.getUint16(at));
    case 0xc6:
      return skipBytes(bytes, at + 4, view.getUint32(at));
    case 0xcc: // 8-bit integers
    case 0xd0:
      return skipBytes(bytes, at, 1);
    case 0xcd:
    case 0xd1:
      return skipBytes(bytes, at, 2);
    case 0xca: // float 32 and the 32-bit integers
    case 0xce:
    case 0xd2:
      return skipBytes(bytes, at, 4);
    case 0xcb: // float 64 and the 64-bit integers
    case 0xcf:
    case 0xd3:
      return skipBytes(bytes, at, 8);
    case 0xd9:
      return skipText(bytes, at + 1, view.getUint8(at));
    case 0xda:
      return skipText(bytes, at + 2, view.getUint16(at));
    case 0xdb:
      return skipText(bytes, at + 4, view.getUint32(at));
    case 0xdc:
      return skipItems(walk, at + 2, view.getUint16(at), false, depth);
    case 0xdd:
      return skipItems(walk, at + 4, view.getUint32(at), false, depth);
    case 0xde:
      return skipItems(walk, at + 2, view.getUint16(at), true, depth);
    case 0xdf:
      return skipItems(walk, at + 4, view.getUint32(at), true, depth);
    default:
      throw new StructureFault(
        format === 0xc1
          ? "0xc1 is never used"
          : `extension type at byte ${at - 1}; only standard types are taken`,
      );
  }
}

function skipBytes(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) throw new RangeError();
  return at + length;
}

function skipText(bytes: Uint8Array, at: number, length: number): number {
  const end = skipBytes(bytes, at, length);
  if (!isUtf8(bytes.subarray(at, end)))
    throw new StructureFault(`invalid UTF-8 in the string at byte ${at}`);
  return end;
}

function skipItems(walk: Walk, at: number, items: number, map: boolean, depth: number): number {
  const { view, valuesMax } = walk;
  if (depth === VALUE_DEPTH_MAX) throw new StructureFault(nestedTooDeep());
  walk.values += items;
  if (map) walk.fields += items;
  const fault = valuesFault(walk.values, valuesMax) ?? fieldsFault(walk.fields);
  if (fault !== undefined) throw new StructureFault(fault);
  for (let item = 0; item < items; item++) {
    if (map) {
      const key = view.getUint8(at);
      if (!((key >= 0xa0 && key <= 0xbf) || (key >= 0xd9 && key <= 0xdb))) {
        throw new StructureFault(`map key at byte ${at} is no string`);
      }
      at = skipValue(walk, at, depth + 1);
    }
    at = skipValue(walk, at, depth + 1);
  }
  return at;
}
