import type { CandleQuery, MarketcastClient } from "marketcast/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Candle } from "../../src/contract/messages.js";
import { CandleFeed, type CandleFill } from "../../web/src/candle-feed.js";

const MINUTE_US = 60_000_000;
const BEGIN = 1_790_000_040_000_000;

/** Closed candles that the history has, oldest first; undefined where it gives no answer. */
let stored: Candle[] | undefined;
let asked: CandleQuery[];
let followed: (readonly [marketId: unknown, timeframes: readonly string[]])[];
let feed: CandleFeed;

const candle = (minute: number, trades = 2): Candle => [
  ...([BEGIN + minute * MINUTE_US, 1, 1 + minute, 1, 1 + minute, trades, trades] as const),
];
const span = (from: number, to: number): Candle[] =>
  Array.from({ length: to - from }, (_, index) => candle(from + index));

async function* history(query: CandleQuery): AsyncGenerator<Candle> {
  asked.push(query);
  if (stored === undefined) throw new Error("no answer");
  const { interval, from = 0, to = Number.POSITIVE_INFINITY, limit = 0 } = query;
  if (interval !== "1m") return;
  const found = stored.filter(([start]) => start >= from && start < to);
  yield* found.reverse().slice(0, limit);
}

const minutes = ({ series }: CandleFill): number[] =>
  series.candles.map(([start]) => (start - BEGIN) / MINUTE_US);
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const told = (...candles: Candle[]) => ({ market_id: 7, interval: "1m" as const, candles });

describe("candle-feed", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    [stored, asked, followed] = [[], [], []];
    const client = { history: { candles: history } } as unknown as MarketcastClient;
    feed = new CandleFeed(() => client, {
      follow: (...what) => void followed.push(what),
      changed: () => {},
    });
  });
  afterEach(() => void vi.useRealTimers());

  it("candle-feed - history is asked at once and when it has caught up, from where it came to", async () => {
    stored = span(0, 3);
    const { chart } = feed.show(7, "1m");
    feed.snapshot(told(candle(4, 1)));
    await vi.advanceTimersByTimeAsync(0);
    expect(chart.history).toBe("there");
    expect(minutes(chart)).toEqual([0, 1, 2, 4]);
    stored = span(0, 4);
    await vi.advanceTimersByTimeAsync(5000);
    expect(minutes(chart)).toEqual([0, 1, 2, 3, 4]);
    const queries = asked.filter(({ interval }) => interval === "1m");
    expect(queries.map(({ from }) => from)).toEqual([undefined, candle(2)[0]]);
    stored = span(0, 5);
    feed.update({ market_id: 7, interval: "1m", candle: candle(4, 1), closed: true });
    await vi.advanceTimersByTimeAsync(5000);
    expect(chart.series.last).toEqual(candle(4));
    expect(asked.filter(({ interval }) => interval === "1m")).toHaveLength(3);
  });

  it("candle-feed - of more than a page that was missed nothing is left out in the middle", async () => {
    stored = span(0, 10);
    const { chart } = feed.show(7, "1m");
    await vi.advanceTimersByTimeAsync(5000);
    expect(minutes(chart)).toEqual(range(0, 10));
    stored = span(0, 400);
    feed.refresh();
    await vi.advanceTimersByTimeAsync(5000);
    expect(minutes(chart)).toEqual(range(0, 400));
    stored = span(0, 2000);
    feed.refresh();
    await vi.advanceTimersByTimeAsync(5000);
    expect(minutes(chart)).toEqual(range(1500, 2000));
    await chart.older();
    expect(minutes(chart)).toEqual(range(1000, 2000));
    await chart.older();
    await chart.older();
    const { length } = asked;
    await chart.older();
    expect(minutes(chart)).toEqual(range(0, 2000));
    await chart.older();
    expect(asked.length).toBeLessThanOrEqual(length + 1);
  });

  it("candle-feed - without an answer it goes on with what is told, and asks later", async () => {
    stored = undefined;
    const { chart } = feed.show(7, "1m");
    feed.snapshot(told(candle(4)));
    await vi.advanceTimersByTimeAsync(2000);
    expect(chart.history).toBe("none");
    expect(minutes(chart)).toEqual([4]);
    const { length } = asked;
    await chart.older();
    expect(asked).toHaveLength(length);
    stored = span(0, 4);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(chart.history).toBe("there");
    expect(minutes(chart)).toEqual([0, 1, 2, 3, 4]);
  });

  it("candle-feed - what nobody looks at any more is neither followed nor asked for", async () => {
    const { chart, day } = feed.show(7, "1m");
    expect(day).not.toBe(chart);
    await vi.advanceTimersByTimeAsync(0);
    const five = feed.show(7, "5m");
    expect(five.chart).toBe(day);
    expect(five.day).toBe(day);
    feed.show(8, "1m");
    feed.snapshot(told(candle(4)));
    expect(minutes(chart)).toEqual([]);
    asked = [];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(new Set(asked.map(({ market_id }) => market_id))).toEqual(new Set([8]));
    expect(followed).toEqual([
      [7, ["1m", "5m"]],
      [7, ["5m"]],
      [8, ["1m", "5m"]],
    ]);
  });
});
