/** Digits of a decimal that its double always gives back. */
export const EXACT_DIGITS = 15;
const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;
const DECIMAL = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/;
const INTEGER = /^-?[0-9]+$/;
const SHOWN_DIGITS_MAX = 40;

/** Exact as doubles, so that a quotient of two exact numbers is rounded once, and thus rightly. */
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

/**
 * The number that a decimal text stands for: digits with or without a sign, a point and an exponent.
 * Undefined where the text is no decimal, and where no double stands for exactly that one: a double
 * stands for the shortest decimal that leads to it, 0.1 for 0.1 and not for 0.1000000000000000055.
 */
export function exactNumber(text: string): number | undefined {
  return shortDecimal(text) ?? longDecimal(text);
}

/** As {@link exactNumber}, and undefined for more than {@link EXACT_DIGITS} digits or an exponent, too. */
export function shortDecimal(text: string): number | undefined {
  const signed = text.startsWith("-") || text.startsWith("+");
  let mantissa = 0;
  let digits = 0;
  let decimals = -1;
  for (let at = signed ? 1 : 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code <= NINE) {
      mantissa = 10 * mantissa + (code - ZERO);
      digits += 1;
      if (decimals >= 0) decimals += 1;
    } else if (code === POINT && decimals < 0) decimals = 0;
    else return undefined;
  }
  if (digits === 0 || digits > EXACT_DIGITS) return undefined;
  const value = decimals > 0 ? mantissa / (POWERS_OF_TEN[decimals] as number) : mantissa;
  return text.startsWith("-") ? -value : value;
}

function longDecimal(text: string): number | undefined {
  const canonical = canonicalDecimal(text);
  if (canonical === undefined) return undefined;
  const number = Number(text);
  return Number.isFinite(number) && canonicalDecimal(String(number)) === canonical
    ? number
    : undefined;
}

/**
 * One text for all spellings of a decimal: its digits without outer zeros, and its exponent. Undefined
 * for what is no decimal.
 */
export function canonicalDecimal(text: string): string | undefined {
  const [match, sign, whole = "", fraction = "", exponent = "0"] = DECIMAL.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  if (match === undefined || whole + fraction === "") return undefined;
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  if (end === 0) return "0";
  const power = Number(exponent) - fraction.length + (digits.length - end);
  return `${sign === "-" ? "-" : ""}${digits.slice(0, end)}e${power}`;
}

/** The very decimal that a finite number is printed as, as a fraction. */
export function fractionOf(number: number): readonly [numerator: bigint, denominator: bigint] {
  const [digits, exponent = "0"] = canonicalDecimal(String(number))?.split("e") ?? [];
  if (digits === undefined) throw new RangeError(`${number} is no decimal`);
  const power = 10n ** BigInt(Math.abs(Number(exponent)));
  return Number(exponent) < 0 ? [BigInt(digits), power] : [BigInt(digits) * power, 1n];
}

/** Says what is wrong with a text that is no {@link exactNumber}. */
export function inexactReason(text: string): string {
  if (canonicalDecimal(text) !== undefined) return "has more digits than can be kept exactly";
  return /^[+-]?[0-9]+[,' _]/.test(text)
    ? "is no number: it may have no thousands separator, and a point for its decimals"
    : "is no number";
}

/**
 * A number of a JSON text as it was written, where a double could stand for another one: any that is no
 * {@link exactNumber}, and any integer beyond 2^53−1.
 */
export class LongNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The double that stands for exactly this number, if there is one, as for 1e18. */
  toExact(): number | undefined {
    return exactNumber(this.text);
  }

  /** For messages, bounded. */
  toString(): string {
    const { text } = this;
    return text.length > SHOWN_DIGITS_MAX ? `${text.slice(0, SHOWN_DIGITS_MAX)}…` : text;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** The number of a JSON text. */
export function jsonNumber(text: string): number | LongNumber {
  const number = shortDecimal(text) ?? (INTEGER.test(text) ? Number(text) : longDecimal(text));
  if (number === undefined) return new LongNumber(text);
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? new LongNumber(text) : number;
}
