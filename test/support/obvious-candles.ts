import type { Candle } from "../../src/contract/messages.js";
import { CANDLE_INTERVALS, type CandleInterval } from "../../src/shared/candle.js";

/** A trade of which candles are made, its price in hundredths. */
export interface CandleTrade {
  readonly ts: number;
  readonly price: number;
  readonly quantity: number;
}

/** The obvious candles of trades: all of an interval looked at together. Prices as the contract has them. */
export function obviousCandles(trades: readonly CandleTrade[], interval: CandleInterval): Candle[] {
  const length = CANDLE_INTERVALS[interval];
  const starts = [...new Set(trades.map(({ ts }) => Math.floor(ts / length) * length))];
  return starts.map((start): Candle => {
    const inside = trades.filter(({ ts }) => ts >= start && ts < start + length);
    const prices = inside.map(({ price }) => price / 100);
    const volume = inside.reduce((sum, { quantity }) => sum + quantity, 0);
    const [open = 0] = prices;
    const close = prices.at(-1) ?? 0;
    return [start, open, Math.max(...prices), Math.min(...prices), close, volume, inside.length];
  });
}
