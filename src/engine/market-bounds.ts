import type { DecimalScale } from "../shared/decimal-scale.js";
import { fractionOf } from "../shared/exact-number.js";

/** What protects a market and its wallets, in numbers of the contract; 0, and what is not given, is none. */
export interface MarketBounds {
  /** How far a price may be from the last trade's, in per cent of that. */
  readonly priceBandPercent?: number | undefined;
  /** Largest position of a wallet, either way. */
  readonly maxPosition?: number | undefined;
  /** Largest value of an order, price × quantity. */
  readonly maxOrderValue?: number | undefined;
}

/** The same as the engine compares with it; undefined is none. */
export interface IntegerBounds {
  readonly band: Ratio | undefined;
  /** In lots. */
  readonly maxPosition: Bound<number> | undefined;
  /** In ticks × lots. */
  readonly maxOrderValue: Bound<bigint> | undefined;
}

/** A bound as messages have it, and in integers: rounded down, which no whole count can tell. */
interface Bound<T> {
  readonly given: number;
  readonly most: T;
}

/** A share of a price. */
interface Ratio {
  readonly percent: number;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Prices that orders may have, in ticks; `low` may be below all prices. */
export interface PriceBand {
  readonly percent: number;
  readonly low: number;
  readonly high: number;
}

interface Scales {
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
}

/** A market's bounds in integers; undefined where it has none, so that orders pay nothing for them. */
export function integerBounds(
  { priceBandPercent, maxPosition, maxOrderValue }: MarketBounds,
  { priceScale, quantityScale }: Scales,
): IntegerBounds | undefined {
  if (!priceBandPercent && !maxPosition && !maxOrderValue) return undefined;
  return {
    band: priceBandPercent ? ratioOf(priceBandPercent) : undefined,
    maxPosition: maxPosition
      ? { given: maxPosition, most: Number(stepsIn(maxPosition, [quantityScale])) }
      : undefined,
    maxOrderValue: maxOrderValue
      ? { given: maxOrderValue, most: stepsIn(maxOrderValue, [priceScale, quantityScale]) }
      : undefined,
  };
}

/**
 * The band about a last price in ticks, exact to the tick; undefined where the market has none, and before
 * its first trade.
 */
export function priceBand(
  { band }: IntegerBounds,
  lastPrice: number | undefined,
): PriceBand | undefined {
  if (band === undefined || lastPrice === undefined) return undefined;
  const { percent, numerator, denominator } = band;
  const span = Number((BigInt(lastPrice) * numerator) / denominator);
  return { percent, low: lastPrice - span, high: lastPrice + span };
}

function ratioOf(percent: number): Ratio {
  const [numerator, denominator] = fractionOf(percent);
  return { percent, numerator, denominator: denominator * 100n };
}

/** How often the product of the scales' steps goes into a number. */
function stepsIn(number: number, scales: readonly DecimalScale[]): bigint {
  const [numerator, denominator] = fractionOf(number);
  let dividend = numerator;
  let divisor = denominator;
  for (const scale of scales) {
    dividend *= BigInt(scale.divisor);
    divisor *= BigInt(scale.multiplier) * BigInt(scale.factor);
  }
  return dividend / divisor;
}
