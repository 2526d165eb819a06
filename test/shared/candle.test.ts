import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addCandle,
  addTrade,
  beginCandle,
  CANDLE_INTERVALS,
  type Candle,
  candleStart,
} from "../../src/shared/candle.js";

interface Trade {
  readonly ts: number;
  readonly price: number;
  readonly quantity: number;
}

const trades = fc
  .array(
    fc.record({
      ts: fc.integer({ min: 0, max: 200_000_000 }),
      price: fc.integer({ min: 1, max: 100 }),
      quantity: fc.integer({ min: 1, max: 50 }),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((list) => list.sort((a, b) => a.ts - b.ts));

/** Candle by candle, as its definition says. */
function obvious(list: readonly Trade[], length: number): Candle[] {
  const starts = [...new Set(list.map(({ ts }) => Math.floor(ts / length) * length))];
  return starts.map((start) => {
    const own = list.filter(({ ts }) => ts >= start && ts < start + length);
    const prices = own.map(({ price }) => price);
    return {
      start,
      open: prices[0] as number,
      high: Math.max(...prices),
      low: Math.min(...prices),
      close: prices.at(-1) as number,
      volume: own.reduce((sum, { quantity }) => sum + quantity, 0),
      trades: own.length,
    };
  });
}

function fromTrades(list: readonly Trade[], length: number): Candle[] {
  const candles: Candle[] = [];
  for (const { ts, price, quantity } of list) {
    const start = candleStart(ts, length);
    const last = candles.at(-1);
    if (last?.start === start) addTrade(last, price, quantity);
    else candles.push(beginCandle(start, price, quantity));
  }
  return candles;
}

function fromCandles(list: readonly Candle[], length: number): Candle[] {
  const candles: Candle[] = [];
  for (const candle of list) {
    const start = candleStart(candle.start, length);
    const last = candles.at(-1);
    if (last?.start === start) addCandle(last, candle);
    else candles.push({ ...candle, start });
  }
  return candles;
}

test("candle - trades give what an obvious computation gives, in each length", () => {
  fc.assert(
    fc.property(trades, (list) => {
      for (const length of Object.values(CANDLE_INTERVALS))
        expect(fromTrades(list, length)).toEqual(obvious(list, length));
    }),
  );
});

test("candle - a longer candle is the same from trades and from shorter candles", () => {
  fc.assert(
    fc.property(trades, (list) => {
      const seconds = fromTrades(list, CANDLE_INTERVALS["1s"]);
      expect(fromCandles(seconds, CANDLE_INTERVALS["1m"])).toEqual(
        fromTrades(list, CANDLE_INTERVALS["1m"]),
      );
    }),
  );
});

test("candle - a trade exactly on a boundary begins the next candle", () => {
  expect(candleStart(59_999_999, CANDLE_INTERVALS["1m"])).toBe(0);
  expect(candleStart(60_000_000, CANDLE_INTERVALS["1m"])).toBe(60_000_000);
});
