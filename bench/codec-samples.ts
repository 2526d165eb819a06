import type { BookView, MarketView } from "../src/codec/push-encoder.js";
import { DecimalScale } from "../src/shared/decimal-scale.js";
import { BOOK_LEVELS_MAX, type BookSide, createBook } from "../src/shared/market.js";

/** Enough different values that no message is encoded from a cache of the last one. */
export const SAMPLE_COUNT = 64;

/** A market with a price on both sides, and its book. */
export interface Sample {
  readonly market: MarketView & {
    readonly price: number;
    readonly bestBid: number;
    readonly bestAsk: number;
  };
  readonly book: BookView;
}

/** Made-up markets of usual sizes: ids of four digits, prices of three decimals, full books. */
export function samples(): Sample[] {
  const priceScale = scale(0.001);
  const quantityScale = scale(1);
  return Array.from({ length: SAMPLE_COUNT }, (_, index) => {
    const ts = 1_782_345_678_901_234 + index * 1009;
    const price = 401 + index * 3;
    const market = {
      marketId: 1001 + index,
      title: `Will it rain in city ${index} on the first of May?`,
      priceScale,
      quantityScale,
      status: "Active" as const,
      price,
      bestBid: price - 1,
      bestAsk: price + 1,
      volume: 10_000 + index * 97,
      stateSeq: 20_000 + index,
      priceSeq: 10_000 + index,
      ts,
    };
    const { bids, asks } = createBook();
    fill(bids, price - 1, -1, index);
    fill(asks, price + 1, 1, index);
    return { market, book: { bids, asks, seq: 5000 + index, ts } };
  });
}

function scale(step: number): DecimalScale {
  const made = DecimalScale.of(step);
  if (made === undefined) throw new RangeError(`${step} is no step`);
  return made;
}

function fill(side: BookSide, best: number, direction: 1 | -1, seed: number): void {
  side.length = BOOK_LEVELS_MAX;
  for (let level = 0; level < BOOK_LEVELS_MAX; level++) {
    side.price[level] = best + direction * level;
    side.quantity[level] = 100 + ((seed * 31 + level * 17) % 900);
  }
}
