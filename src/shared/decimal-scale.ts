import { canonicalDecimal, EXACT_DIGITS } from "./exact-number.js";

/** Largest power of ten that a double holds exactly. */
const EXPONENT_MAX = 22;
/** Up to here a decimal's digits are the only ones, of so few, that lead to its double. */
const DIGITS_MAX = 10 ** EXACT_DIGITS;

/**
 * A step size (tick or lot) as the exact fraction `multiplier × factor / divisor`; `factor` and
 * `divisor` are powers of ten, at least one of them 1.
 *
 * Inside the server a price is an integer count of ticks. A count times `multiplier` stays an exact
 * integer and one IEEE operation rounds correctly, so the number given out is the very double that
 * the decimal literal parses to: 5853 ticks of 0.01 are 58.53, not 58.530000000000001.
 */
export class DecimalScale {
  readonly step: number;
  readonly multiplier: number;
  readonly factor: number;
  readonly divisor: number;

  private constructor(multiplier: number, exponent: number) {
    this.step = Number(`${multiplier}e${exponent}`);
    this.multiplier = multiplier;
    this.factor = 10 ** Math.max(0, exponent);
    this.divisor = 10 ** Math.max(0, -exponent);
  }

  /** The scale of a step such as 0.01, 5 or 1e-8; undefined where it is not positive and exact. */
  static of(step: number): DecimalScale | undefined {
    const decimal = decimalOf(step);
    if (decimal === undefined) return undefined;
    const { multiplier, exponent } = decimal;
    // A whole number is its own multiplier, so that its counts reach as far as integers do.
    return exponent > 0
      ? DecimalScale.#make(multiplier * 10 ** exponent, 0)
      : DecimalScale.#make(multiplier, exponent);
  }

  static #make(multiplier: number, exponent: number): DecimalScale | undefined {
    if (!Number.isSafeInteger(multiplier) || Math.abs(exponent) > EXPONENT_MAX) return undefined;
    return new DecimalScale(multiplier, exponent);
  }

  /** The scale of the step × `number`, such as 10,000; undefined where that is not exact. */
  times(number: number): DecimalScale | undefined {
    const own = decimalOf(this.step);
    const other = decimalOf(number);
    if (own === undefined || other === undefined) return undefined;
    return DecimalScale.#make(own.multiplier * other.multiplier, own.exponent + other.exponent);
  }

  /** The number that `count` steps stand for. `count` × multiplier must be a safe integer. */
  toNumber(count: number): number {
    return (count * this.multiplier * this.factor) / this.divisor;
  }

  /** How many steps `value` is, or undefined where it is no exact multiple or out of range. */
  toCount(value: number): number | undefined {
    const count = Math.round((value * this.divisor) / (this.multiplier * this.factor));
    if (!Number.isSafeInteger(count * this.multiplier)) return undefined;
    return this.toNumber(count) === value ? count + 0 : undefined;
  }

  /**
   * As {@link toCount}, of the very decimal that `value` is printed as: of those with more than 15
   * digits several lead to one number.
   */
  toExactCount(value: number): number | undefined {
    const count = this.toCount(value);
    if (count === undefined) return undefined;
    const product = count * this.multiplier;
    if (Math.abs(product) <= DIGITS_MAX) return count;
    const exponent = Math.round(Math.log10(this.factor / this.divisor));
    const decimal = canonicalDecimal(`${product}e${exponent}`);
    return decimal === canonicalDecimal(String(value)) ? count : undefined;
  }

  /** The largest count of steps that converts exactly. */
  get countMax(): number {
    return Math.floor(Number.MAX_SAFE_INTEGER / this.multiplier);
  }
}

/** The double nearest to `count` × the steps of the scales × 10^-decimals. */
export function countToNumber(
  count: bigint,
  scales: readonly DecimalScale[],
  decimals = 0,
): number {
  const units = scales.reduce((product, { multiplier }) => product * BigInt(multiplier), count);
  const divisors = scales.reduce((sum, { divisor }) => sum + Math.round(Math.log10(divisor)), 0);
  return Number(`${units}e-${decimals + divisors}`);
}

/** A positive number as a safe integer that does not end in 0, and an exponent of ten. */
function decimalOf(
  number: number,
): { readonly multiplier: number; readonly exponent: number } | undefined {
  const [digits, exponent] = canonicalDecimal(String(number))?.split("e") ?? [];
  const multiplier = Number(digits);
  if (exponent === undefined || !Number.isSafeInteger(multiplier) || multiplier < 0)
    return undefined;
  return { multiplier, exponent: Number(exponent) };
}
