/**
 * A market id as it stands on the wire: an unsigned 128-bit integer, as a number up to 2^53−1 and as
 * a decimal string beyond. The form is canonical, so that a `MarketId` is its own map key.
 */
export type MarketId = number | string;

const MARKET_ID_MAX = (1n << 128n) - 1n;
const DECIMAL = /^(0|[1-9][0-9]{0,38})$/;

/** The canonical form of an id, or undefined where `value` is no unsigned 128-bit integer. */
export function parseMarketId(value: unknown): MarketId | undefined {
  if (typeof value === "number")
    return Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0) ? value : undefined;
  if (typeof value === "bigint")
    return value >= 0n && value <= MARKET_ID_MAX ? fromBigInt(value) : undefined;
  if (typeof value !== "string" || !DECIMAL.test(value)) return undefined;
  const number = Number(value);
  if (number <= Number.MAX_SAFE_INTEGER) return number;
  return BigInt(value) <= MARKET_ID_MAX ? value : undefined;
}

/** The canonical id of an integer in [0, 2^128). */
export function fromBigInt(id: bigint): MarketId {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id.toString();
}

/** Orders ids by value; for sorting into canonical form. */
export function compareMarketIds(a: MarketId, b: MarketId): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  if (typeof b === "number") return 1;
  // Both without leading zeros: the longer one is larger, and of two as long the later in the alphabet.
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
