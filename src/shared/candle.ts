/** Lengths of candles, in microseconds; all of them begin at multiples of their length since the epoch. */
export const CANDLE_INTERVALS = {
  "1s": 1_000_000,
  "1m": 60_000_000,
  "5m": 300_000_000,
  "15m": 900_000_000,
  "1h": 3_600_000_000,
  "1d": 86_400_000_000,
} as const;
export type CandleInterval = keyof typeof CANDLE_INTERVALS;

/** What trades made of a market in one interval that had any. Prices in ticks, volume in lots. */
export interface Candle {
  /** Microseconds since the Unix epoch; its trades have a `ts` from here on. */
  readonly start: number;
  readonly open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  /** How many. */
  trades: number;
}

/** The start of the candle, `length` microseconds long, that a moment belongs to. */
export function candleStart(ts: number, length: number): number {
  return ts - (ts % length);
}

/** The candle of a first trade. */
export function beginCandle(start: number, price: number, quantity: number): Candle {
  return { start, open: price, high: price, low: price, close: price, volume: quantity, trades: 1 };
}

/** Adds a trade that comes after all that are in a candle. */
export function addTrade(candle: Candle, price: number, quantity: number): void {
  candle.high = Math.max(candle.high, price);
  candle.low = Math.min(candle.low, price);
  candle.close = price;
  candle.volume = Math.min(candle.volume + quantity, Number.MAX_SAFE_INTEGER);
  candle.trades++;
}

/** Adds a shorter candle, whose trades come after all that are in the longer one. */
export function addCandle(longer: Candle, shorter: Candle): void {
  longer.high = Math.max(longer.high, shorter.high);
  longer.low = Math.min(longer.low, shorter.low);
  longer.close = shorter.close;
  longer.volume = Math.min(longer.volume + shorter.volume, Number.MAX_SAFE_INTEGER);
  longer.trades += shorter.trades;
}
