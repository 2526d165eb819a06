/** Largest power of ten that a double holds exactly. */
const EXPONENT_MAX = 22;

/**
 * A step size (tick or lot) as the exact fraction `multiplier / divisor`, `divisor` a power of ten.
 *
 * Inside the server a price is an integer count of ticks. A count times `multiplier` stays an exact
 * integer and one IEEE division rounds correctly, so the number given out is the very double that
 * the decimal literal parses to: 5853 ticks of 0.01 are 58.53, not 58.530000000000001.
 */
export class DecimalScale {
  readonly step: number;
  readonly multiplier: number;
  readonly divisor: number;

  private constructor(step: number, multiplier: number, divisor: number) {
    this.step = step;
    this.multiplier = multiplier;
    this.divisor = divisor;
  }

  /** The scale of a step such as 0.01, 5 or 1e-8; undefined where it is not positive and exact. */
  static of(step: number): DecimalScale | undefined {
    if (!Number.isFinite(step) || step <= 0) return undefined;
    const match = /^([0-9]+)(?:\.([0-9]+))?(?:e([+-][0-9]+))?$/.exec(String(step));
    if (match === null) return undefined;
    const [, whole = "", fraction = "", exponent = "0"] = match;
    const decimals = fraction.length - Number(exponent);
    if (decimals > EXPONENT_MAX || decimals < -EXPONENT_MAX) return undefined;
    const multiplier = Number(whole + fraction) * (decimals < 0 ? 10 ** -decimals : 1);
    if (!Number.isSafeInteger(multiplier)) return undefined;
    return new DecimalScale(step, multiplier, decimals > 0 ? 10 ** decimals : 1);
  }

  /** The number that `count` steps stand for. `count` × multiplier must be a safe integer. */
  toNumber(count: number): number {
    return (count * this.multiplier) / this.divisor;
  }

  /** How many steps `value` is, or undefined where it is no exact multiple or out of range. */
  toCount(value: number): number | undefined {
    const count = Math.round((value * this.divisor) / this.multiplier);
    if (!Number.isSafeInteger(count * this.multiplier)) return undefined;
    return this.toNumber(count) === value ? count + 0 : undefined;
  }

  /** The largest count of steps that converts exactly. */
  get countMax(): number {
    return Math.floor(Number.MAX_SAFE_INTEGER / this.multiplier);
  }
}
