import { addCandle, CANDLE_INTERVALS, type Candle, candleStart } from "../shared/candle.js";

/** Records that one query reads at most, so that it keeps its thread for some milliseconds. */
export const RECORDS_MAX = 2000;
/** Trades that a query for candles reads at most, but for those of one candle. */
const TRADES_MAX = 10_000;

export interface CandleHistoryPage {
  readonly candles: readonly Candle[];
  /** The start that all candles of the next page are before; undefined where there is no more. */
  readonly next: number | undefined;
  /** Records and trades that were read for it. */
  readonly read: number;
}

/** Makes candles of pieces that come newest first. */
export function collect(
  pieces: Iterable<Candle>,
  length: number,
  { from, end, limit }: { readonly from: number; readonly end: number; readonly limit: number },
): CandleHistoryPage {
  const candles: Candle[] = [];
  let records = 0;
  let work = 0;
  for (const piece of pieces) {
    const start = candleStart(piece.start, length);
    if (start < from) break;
    records++;
    work += length === CANDLE_INTERVALS["1s"] ? piece.trades : 0;
    if (start >= end) continue;
    const last = candles.at(-1);
    if (last?.start !== start) {
      const isFull = candles.length === limit || records > RECORDS_MAX || work > TRADES_MAX;
      if (last !== undefined && isFull) return { candles, next: last.start, read: records + work };
      candles.push({ ...piece, start });
    } else {
      const later = { ...last };
      const merged = { ...piece, start };
      addCandle(merged, later);
      candles[candles.length - 1] = merged;
    }
  }
  return { candles, next: undefined, read: records + work };
}
