import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candle } from "../../src/contract/messages.js";
import { CANDLES_MAX, CandleSeries, dayFigures } from "../../web/src/model/candle-series.js";

const MINUTE_US = 60_000_000;
const BEGIN = 1_790_000_040_000_000;

/** Price and quantity of a trade. */
type Traded = readonly [price: number, quantity: number];

const at = (minute: number): number => BEGIN + minute * MINUTE_US;

/** The candle of trades, computed from all of them. */
function candleOf(minute: number, trades: readonly Traded[]): Candle {
  const prices = trades.map(([price]) => price);
  const [open = 0, close = 0] = [prices[0], prices.at(-1)];
  const volume = trades.reduce((sum, [, quantity]) => sum + quantity, 0);
  return [at(minute), open, Math.max(...prices), Math.min(...prices), close, volume, trades.length];
}

const flat = (minute: number): Candle => candleOf(minute, [[1 + (minute % 5), 1]]);

const minutes = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5 })), {
    minLength: 1,
    maxLength: 6,
  }),
  { minLength: 1, maxLength: 12 },
);

describe("candle-series", () => {
  it("candle-series - whatever way candles come, once history has them they are those of all trades", () => {
    fc.assert(
      fc.property(minutes, fc.infiniteStream(fc.nat(5)), (told, choices) => {
        const pick = (): number => choices.next().value;
        const series = new CandleSeries("1m");
        const truth = told.map((trades, minute) => candleOf(minute, trades));
        for (const [minute, trades] of told.entries()) {
          // A server that began here, or earlier, in the candle.
          const from = Math.min(pick(), trades.length - 1);
          for (let count = from + 1; count <= trades.length; count++) {
            if (pick() > 0) series.take([candleOf(minute, trades.slice(from, count))]);
          }
          series.take([candleOf(minute, trades.slice(from))]);
          expect(series.last?.[4]).toBe(trades.at(-1)?.[0]);
          // History, which may be behind with the newest one.
          if (pick() < 2) {
            const page = truth.slice(0, minute);
            const behind = candleOf(minute, trades.slice(0, 1 + (pick() % trades.length)));
            series.merge([...page, behind].reverse().slice(0, 1 + pick()));
          }
          // A reconnect: the server tells again what it has.
          if (pick() === 0) series.take([candleOf(minute, trades.slice(from))]);
          const starts = series.candles.map(([start]) => start);
          expect(starts).toEqual(truth.slice(0, minute + 1).map(([start]) => start));
        }
        series.merge([...truth].reverse());
        expect(series.candles).toEqual(truth);
      }),
    );
  });

  it("candle-series - newer states of the last candle change no revision, everything else does", () => {
    const series = new CandleSeries("1m");
    expect(series.take([flat(3)])).toBe(true);
    expect(series.take([flat(3)])).toBe(false);
    series.take([
      candleOf(3, [
        [2, 1],
        [4, 1],
      ]),
    ]);
    series.take([flat(4)]);
    expect(series.revision).toBe(0);
    expect(series.merge([flat(4)])).toBe(false);
    expect(series.revision).toBe(0);
    series.take([
      candleOf(3, [
        [2, 1],
        [4, 1],
        [3, 1],
      ]),
    ]);
    expect(series.revision).toBe(1);
    series.merge([flat(1)]);
    expect(series.revision).toBe(2);
    expect(series.candles.map(([start]) => start)).toEqual([at(1), at(3), at(4)]);
    series.dropBefore(at(2));
    expect(series.first?.[0]).toBe(at(3));
    expect(series.revision).toBe(3);
  });

  it("candle-series - it keeps a bounded number, the newest", () => {
    const series = new CandleSeries("1m");
    const count = CANDLES_MAX + 10;
    for (let minute = 0; minute < count; minute++) {
      series.take([flat(minute)]);
      expect(series.candles.length).toBeLessThanOrEqual(CANDLES_MAX);
    }
    expect(series.candles.length).toBeGreaterThan(CANDLES_MAX / 2);
    expect(series.last?.[0]).toBe(at(count - 1));
  });

  it("candle-series - figures of a day are those of its candles alone", () => {
    const series = new CandleSeries("5m");
    expect(dayFigures(series, at(0))).toBeUndefined();
    const day = 24 * 60;
    series.merge([
      candleOf(0, [[9, 100]]),
      candleOf(5, [
        [5, 2],
        [8, 1],
      ]),
      candleOf(600, [[2, 4]]),
      candleOf(day, [
        [6, 1],
        [7, 2],
      ]),
    ]);
    // The first candle has ended just as the day begins.
    expect(dayFigures(series, at(day + 5))).toEqual({ open: 5, high: 8, low: 2, volume: 10 });
    expect(dayFigures(series, at(day + 5) - 1)).toMatchObject({ open: 9, volume: 110 });
    expect(dayFigures(series, at(3 * day))).toBeUndefined();
  });
});
