import { SIDES } from "../shared/market.js";
import { parseMarketId } from "../shared/market-id.js";
import { ORDER_STATUSES, ORDER_TYPES, TIMES_IN_FORCE } from "../shared/order.js";

/** Fields of an order's record without its rare end. */
const FIELDS = 17;

/**
 * Whether the fields of an order's record are right, and have no rare end: a start reads a million of them,
 * and the schema takes longer for one than all the rest. It never takes what the schema does not; what it
 * does not take is the schema's to judge.
 */
export function isUsualOrder(fields: unknown): boolean {
  if (!Array.isArray(fields) || fields.length !== FIELDS) return false;
  const of: readonly unknown[] = fields;
  return (
    isId(of[0]) &&
    parseMarketId(of[1]) === of[1] &&
    typeof of[2] === "string" &&
    isTextOrNull(of[3]) &&
    isOneOf(SIDES, of[4]) &&
    isOneOf(ORDER_TYPES, of[5]) &&
    isOneOf(TIMES_IN_FORCE, of[6]) &&
    typeof of[7] === "boolean" &&
    (of[8] === null || isId(of[8])) &&
    isId(of[9]) &&
    isTextOrNull(of[10]) &&
    isCount(of[11]) &&
    isBig(of[12]) &&
    isOneOf(ORDER_STATUSES, of[13]) &&
    isTextOrNull(of[14]) &&
    isCount(of[15]) &&
    isCount(of[16])
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === "string";
}

function isOneOf(words: readonly string[], value: unknown): boolean {
  return words.includes(value as string);
}

/** An order that has not traded has none. */
function isBig(value: unknown): boolean {
  return value === "0" || (typeof value === "string" && /^-?[1-9][0-9]*$/.test(value));
}
