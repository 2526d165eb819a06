import { exactNumber, LongNumber, shortDecimal } from "../shared/exact-number.js";

const DECIMAL = /^([+-]?)([0-9]*)(?:\.([0-9]*))?$/;

/** A time in parts, as the distance of two large times is exact only so. */
interface Instant {
  readonly whole: number | bigint;
  /** Below 1, of the sign of the whole. */
  readonly fraction: number;
}

/**
 * Turns the times of a recording into ms since its first one. They may be too large for a double, as
 * nanoseconds since 1970 are: only what lies between them goes into one.
 */
export class RowClock {
  readonly #unitMs: number;
  #first: Instant | undefined;

  /** @param unitMs what one unit of the recorded times is */
  constructor(unitMs: number) {
    this.#unitMs = unitMs;
  }

  /** Undefined where `time`, of a cell, is no decimal. */
  elapsedMs(time: number | string | LongNumber): number | undefined {
    const instant = instantOf(time);
    if (instant === undefined) return undefined;
    this.#first ??= instant;
    return distance(this.#first, instant) * this.#unitMs;
  }
}

function instantOf(time: number | string | LongNumber): Instant | undefined {
  if (typeof time === "number") {
    const whole = Math.trunc(time);
    return Number.isSafeInteger(whole) ? { whole, fraction: time - whole } : undefined;
  }
  const text = time instanceof LongNumber ? time.text : time;
  return shortInstant(text) ?? longInstant(text);
}

/** The usual case, quickly: neither part has more digits than a double keeps. */
function shortInstant(text: string): Instant | undefined {
  const point = text.indexOf(".");
  const whole = shortDecimal(point === -1 ? text : text.slice(0, point));
  const fraction = point === -1 ? 0 : shortDecimal(text.slice(point));
  if (whole === undefined || fraction === undefined) return undefined;
  return { whole, fraction: text.startsWith("-") ? -fraction : fraction };
}

function longInstant(text: string): Instant | undefined {
  const [match, sign = "", whole = "", fraction = ""] = DECIMAL.exec(text) ?? [];
  if (match === undefined) {
    // It may have an exponent.
    const number = exactNumber(text);
    return number === undefined ? undefined : instantOf(number);
  }
  if (whole + fraction === "") return undefined;
  const integer = BigInt(whole);
  return {
    whole: sign === "-" ? -integer : integer,
    fraction: Number(`${sign}0.${fraction}`),
  };
}

function distance(from: Instant, to: Instant): number {
  const whole =
    typeof from.whole === "number" && typeof to.whole === "number"
      ? to.whole - from.whole
      : Number(BigInt(to.whole) - BigInt(from.whole));
  return whole + (to.fraction - from.fraction);
}
