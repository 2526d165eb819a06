import { isUtf8 } from "node:buffer";
import { positionAt, TextFault } from "./text-fault.js";

const BYTE_ORDER_MARK = "\uFEFF";
const UTF16_MARKS = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];
/** Stands in a decoded text for what is no UTF-8; a text may also have it of its own. */
const REPLACEMENT = "\uFFFD";
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** Whether a file that begins with `bytes` says that it is UTF-16. */
export function hasUtf16Mark(bytes: Buffer): boolean {
  return UTF16_MARKS.some((mark) => bytes.subarray(0, mark.length).equals(mark));
}

/** A text without the byte order mark that it may begin with. */
export function withoutMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text;
}

/**
 * Decodes the first `length` bytes of a file or a line. Throws {@link TextFault} where they are no
 * UTF-8.
 */
export function decodeUtf8(bytes: Buffer, length: number = bytes.length): string {
  const text = bytes.toString("utf8", 0, length);
  // To look for it in plain ASCII costs nothing.
  if (!text.includes(REPLACEMENT)) return text;
  const decoded = bytes.subarray(0, length);
  if (isUtf8(decoded)) return text;
  if (hasUtf16Mark(decoded)) {
    const start = positionAt(text, 0);
    throw new TextFault("found the byte order mark of UTF-16; it has to be UTF-8", start);
  }
  const fault = positionAt(text, firstReplaced(text, decoded));
  throw new TextFault("found a byte that is not UTF-8", fault);
}

/** Index of the first character of `text` that stands for what is no UTF-8. */
function firstReplaced(text: string, bytes: Buffer): number {
  let offset = 0;
  let from = 0;
  for (;;) {
    const at = text.indexOf(REPLACEMENT, from);
    offset += Buffer.byteLength(text.slice(from, at));
    const end = offset + REPLACEMENT_BYTES.length;
    if (!bytes.subarray(offset, end).equals(REPLACEMENT_BYTES)) return at;
    offset = end;
    from = at + REPLACEMENT.length;
  }
}
