import { fieldsFault, nestedTooDeep, VALUE_DEPTH_MAX, valuesFault } from "../../value-bounds.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE_MAX = 0x20;

/**
 * Checks the bounds of a JSON text before it is parsed, since parsing costs by them: nesting, fields of
 * objects, and at most `valuesMax` values in all, keys not counted. Returns what is wrong, or undefined;
 * that it is JSON at all the parser finds out.
 */
export function findJsonBoundsFault(bytes: Buffer, valuesMax: number): string | undefined {
  let depth = 0;
  let values = 1;
  let fields = 0;
  /** A list or an object has just been opened: whatever comes next but its end is its first value. */
  let opened = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte <= SPACE_MAX) continue;
    const closes = byte === CLOSE_LIST || byte === CLOSE_OBJECT;
    if (opened && !closes) values++;
    opened = byte === OPEN_LIST || byte === OPEN_OBJECT;
    if (opened && ++depth > VALUE_DEPTH_MAX) return nestedTooDeep();
    if (closes) depth--;
    else if (byte === COMMA) values++;
    else if (byte === COLON) fields++;
    else if (byte === QUOTE) at = endOfText(bytes, at);
    if (values > valuesMax) break;
  }
  return valuesFault(values, valuesMax) ?? fieldsFault(fields);
}

/** The offset of the quote that ends the text begun at `at`, or of the end where none does. */
function endOfText(bytes: Buffer, at: number): number {
  for (let end = bytes.indexOf(QUOTE, at + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}
