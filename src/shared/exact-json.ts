import { type JSONPath, visit } from "jsonc-parser";
import { jsonNumber } from "./exact-number.js";
import { describeFault, faultOffset } from "./json-fault-text.js";
import { positionAt, TextFault, type TextPosition } from "./text-fault.js";

/** Deepest nesting of objects and arrays taken; nothing that is read here comes near it. */
const DEPTH_MAX = 64;
/** In a shorter run of digits and points there is no number that a double may not stand for. */
const RUN_LENGTH_MIN = 16;
/** An exponent of three digits, by which a double may become infinite or 0. */
const LARGE_EXPONENT = /[0-9][eE][+-]?[0-9]{3}/;

/** Keys and indexes on the way to a value. */
export type JsonPath = readonly PropertyKey[];

type JsonObject = Record<string, unknown>;

/** What is told of the values of a text, in their order. Offsets are indexes of the string. */
interface JsonVisitor {
  readonly begin: (container: JsonObject | unknown[], offset: number, path: () => JSONPath) => void;
  readonly key?: (key: string, offset: number) => void;
  readonly end?: () => void;
  readonly literal: (value: unknown, offset: number, path: () => JSONPath) => void;
}

/**
 * Parses JSON as `JSON.parse` does, but that numbers which no double stands for exactly become
 * `LongNumber`s. Throws {@link TextFault}. As fast as `JSON.parse` where there are none.
 */
export function parseExactJson(text: string): unknown {
  if (!mayHaveLongNumber(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // It is read again below, which tells where the fault is.
    }
  }
  return readJson(text, false);
}

/** As {@link parseExactJson}, but a key that stands twice in an object is a fault, too. */
export function parseUniqueJson(text: string): unknown {
  return readJson(text, true);
}

/** Where the value at `path` begins, or the last on the way to it that is there. `text` is JSON. */
export function locateInJson(text: string, path: JsonPath): TextPosition {
  let found = 0;
  let depth = -1;
  const visitValue = (offset: number, pathOf: () => JSONPath) => {
    const here = pathOf();
    if (here.length <= depth || here.some((step, i) => step !== path[i])) return;
    depth = here.length;
    found = offset;
  };
  try {
    walkJson(text, {
      begin: (_, offset, pathOf) => visitValue(offset, pathOf),
      literal: (_, offset, pathOf) => visitValue(offset, pathOf),
    });
  } catch (error) {
    // It is nested too deeply; what was found until then is on the way.
    if (!(error instanceof TextFault)) throw error;
  }
  return positionAt(text, found);
}

/** Whether `text` has a run of digits so long, or an exponent so large, that its number may be inexact. */
function mayHaveLongNumber(text: string): boolean {
  // A run that is long enough covers one of these places.
  for (let at = RUN_LENGTH_MIN - 1; at < text.length; at += RUN_LENGTH_MIN) {
    if (!isOfNumber(text, at)) continue;
    let start = at;
    while (start > 0 && isOfNumber(text, start - 1)) start -= 1;
    while (at < text.length && isOfNumber(text, at)) at += 1;
    if (at - start >= RUN_LENGTH_MIN && mayBeInexact(text, start, at)) return true;
    at -= 1;
  }
  return LARGE_EXPONENT.test(text);
}

function isOfNumber(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code >= 0x30 && code <= 0x39) || code === 0x2e;
}

/** Whether the run of digits and points from `start` to `end` may be an inexact number's. */
function mayBeInexact(text: string, start: number, end: number): boolean {
  // What begins a string is no number, and some feeds have an id in a string in every line.
  if (text[start - 1] === '"') return false;
  const run = text.slice(start, end);
  // A time in microseconds has 16 digits and is below 2^53.
  const isSafe = !run.includes(".") && Number.isSafeInteger(Number(run));
  return !isSafe || text[end] === "e" || text[end] === "E";
}

function readJson(text: string, uniqueKeys: boolean): unknown {
  let root: unknown;
  const open: { readonly container: JsonObject | unknown[]; key: string }[] = [];
  const put = (value: unknown) => {
    const parent = open.at(-1);
    if (parent === undefined) root = value;
    else if (Array.isArray(parent.container)) parent.container.push(value);
    else setOwn(parent.container, parent.key, value);
  };
  walkJson(text, {
    begin: (container) => {
      put(container);
      open.push({ container, key: "" });
    },
    key: (key, offset) => {
      const parent = open.at(-1);
      if (parent === undefined) throw new Error("a key outside of every object");
      if (uniqueKeys && Object.hasOwn(parent.container, key)) {
        throw new TextFault(`found the key ${JSON.stringify(key)} again`, positionAt(text, offset));
      }
      parent.key = key;
    },
    end: () => void open.pop(),
    literal: put,
  });
  return root;
}

/** Sets a field of the object's own, also one named `__proto__`, as `JSON.parse` does. */
function setOwn(object: JsonObject, key: string, value: unknown): void {
  if (key === "__proto__") {
    const own = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(object, key, own);
  } else object[key] = value;
}

/** Visits the values of a text. Throws {@link TextFault} at the first fault. */
function walkJson(text: string, visitor: JsonVisitor): void {
  let depth = 0;
  const begin = (container: JsonObject | unknown[], offset: number, path: () => JSONPath) => {
    depth += 1;
    if (depth > DEPTH_MAX) {
      throw new TextFault(`found more than ${DEPTH_MAX} levels`, positionAt(text, offset));
    }
    visitor.begin(container, offset, path);
  };
  const end = () => {
    depth -= 1;
    visitor.end?.();
  };
  visit(
    text,
    {
      onObjectBegin: (offset, _length, _line, _column, path) => begin({}, offset, path),
      onObjectProperty: (key, offset) => visitor.key?.(key, offset),
      onObjectEnd: end,
      onArrayBegin: (offset, _length, _line, _column, path) => begin([], offset, path),
      onArrayEnd: end,
      onLiteralValue: (value, offset, length, _line, _column, path) => {
        const exact =
          typeof value === "number" ? jsonNumber(text.slice(offset, offset + length)) : value;
        visitor.literal(exact, offset, path);
      },
      onError: (code, offset, length) => {
        const at = faultOffset(code, text, offset, length);
        throw new TextFault(describeFault(code, text, at), positionAt(text, at));
      },
    },
    { disallowComments: true, allowTrailingComma: false },
  );
}
