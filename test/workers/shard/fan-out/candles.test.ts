import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CANDLES_MAX } from "../../../../src/contract/limits.js";
import type { Candle, ServerMessage } from "../../../../src/contract/messages.js";
import type { CandleInterval } from "../../../../src/shared/candle.js";
import { DecimalScale } from "../../../../src/shared/decimal-scale.js";
import { CLOSED_TOLD_MAX } from "../../../../src/workers/shard/fan-out/audience.js";
import { CandleSeries } from "../../../../src/workers/shard/fan-out/candle-series.js";
import { type CandleTrade, obviousCandles } from "../../../support/obvious-candles.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const SECOND = 1_000_000;
const candles = (market_id: number, interval: CandleInterval = "1s", limit = 1000) => ({
  type: "Candles",
  params: { market_id, interval, limit },
});

/** What a client has of a series, told in order: throws where an update skips or goes back. */
class Chart {
  readonly candles = new Map<number, Candle>();
  readonly closed = new Set<number>();
  snapshots = 0;
  #open: number | undefined;

  take(message: ServerMessage): void {
    if (message.type === "CandleSnapshot") {
      this.snapshots++;
      for (const candle of message.data.candles) this.candles.set(candle[0], candle);
      // Its last one may be over, or not.
      this.#open = undefined;
    } else if (message.type === "CandleUpdate") {
      const { candle, closed } = message.data;
      const [start] = candle;
      if (this.#open !== undefined && start > this.#open && !this.closed.has(this.#open))
        throw new Error(`${start} before the end of ${this.#open}`);
      if (this.#open !== undefined && start < this.#open) throw new Error(`${start} comes late`);
      this.candles.set(start, candle);
      if (closed) this.closed.add(start);
      this.#open = start;
    }
  }
}

describe("candles of a shard", () => {
  let world: ShardWorld;
  let trades: CandleTrade[];
  beforeEach(() => {
    vi.useFakeTimers();
    start();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function start(): void {
    world = new ShardWorld();
    trades = [];
    world.list(1);
    world.list(2);
    world.flush();
    world.round();
  }

  function trade(price: number, quantity = 1): void {
    world.trade(1, price, quantity);
    trades.push({ ts: world.nowMicros, price, quantity });
  }

  /** Moves the clock so that the next trade is told at a moment. */
  function at(ts: number): void {
    world.nowMicros = ts - 1;
  }

  function chartOf(client: Client): Chart {
    const chart = new Chart();
    for (const message of client.messages) chart.take(message);
    return chart;
  }

  it("candles - no trade is no candle, the first one begins one, one on a boundary the next", () => {
    const client = world.connect(0);
    world.subscribe(client, candles(1));
    expect(client.messages.find(({ type }) => type === "CandleSnapshot")?.data).toEqual({
      market_id: 1,
      interval: "1s",
      candles: [],
    });
    client.messages.length = 0;
    at(10 * SECOND + 999_999);
    trade(100, 2);
    world.flush();
    world.round();
    at(11 * SECOND);
    trade(105);
    world.flush();
    world.round();
    const update = (candle: number[], closed: boolean) => ({
      type: "CandleUpdate",
      data: { market_id: 1, interval: "1s", candle, closed },
    });
    expect(client.messages).toEqual([
      update([10 * SECOND, 1, 1, 1, 1, 2, 1], false),
      update([10 * SECOND, 1, 1, 1, 1, 2, 1], true),
      update([11 * SECOND, 1.05, 1.05, 1.05, 1.05, 1, 1], false),
    ]);
  });

  it("candles - many trades of a round are one update, encoded once for all in each encoding", () => {
    const clients = [0, 0, 1, 2].map((encoding) => world.connect(encoding));
    for (const client of clients) {
      world.subscribe(client, candles(1));
      client.messages.length = client.socket.calls.length = 0;
    }
    at(20 * SECOND);
    for (const price of [100, 130, 90, 110]) trade(price);
    world.flush();
    world.round();
    for (const { messages } of clients) {
      const [told] = messages as ServerMessage<"CandleUpdate">[];
      expect(messages).toHaveLength(1);
      expect(told?.data.candle).toEqual([20 * SECOND, 1, 1.3, 0.9, 1.1, 4, 4]);
    }
    expect(clients[0]?.socket.calls[0]?.[0]).toBe(clients[1]?.socket.calls[0]?.[0]);
  });

  it("candles - one over by the clock is told closed without another trade", () => {
    const client = world.connect(0);
    world.subscribe(client, candles(1));
    at(30 * SECOND);
    trade(100);
    world.flush();
    world.round();
    client.messages.length = 0;
    vi.advanceTimersByTime(500);
    expect(world.fanOut.candles.due).toBe(true);
    world.round();
    expect(client.messages).toMatchObject([{ type: "CandleUpdate", data: { closed: true } }]);
    expect(world.fanOut.candles.due).toBe(false);
  });

  it("candles - a limit bounds what comes at once, and a second one of a series takes the first's place", () => {
    const first = world.connect(0);
    world.subscribe(first, candles(1));
    for (let second = 1; second <= 5; second++) {
      at(second * SECOND + 40 * SECOND);
      trade(100 + second);
    }
    world.flush();
    world.round();
    const client = world.connect(0);
    for (const [limit, expected] of [
      [0, 0],
      [2, 2],
      [1000, 5],
    ] as const) {
      client.messages.length = 0;
      world.subscribe(client, candles(1, "1s", limit));
      const snapshot = client.messages.find(({ type }) => type === "CandleSnapshot");
      expect(snapshot?.data).toMatchObject({
        candles: obviousCandles(trades, "1s").slice(5 - expected),
      });
      expect(client.connection.audience?.subscriptions.size).toBe(1);
    }
    client.messages.length = 0;
    trade(99);
    world.flush();
    world.round();
    expect(client.messages).toHaveLength(1);
  });

  it("candles - they go on over a change of the epoch", () => {
    const client = world.connect(0);
    world.subscribe(client, candles(1, "1d"));
    at(50 * SECOND);
    trade(100);
    world.restartProducer(() => {
      world.list(1);
      world.list(2);
    });
    trade(101);
    world.flush();
    world.round();
    expect([...chartOf(client).candles.values()]).toEqual(obviousCandles(trades, "1d"));
  });

  it("candles - whoever falls behind misses no candle that closed, whatever the history", () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          what: fc.constant("trade" as const),
          price: fc.integer({ min: 1, max: 300 }),
          quantity: fc.integer({ min: 1, max: 9 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          what: fc.constant("later" as const),
          micros: fc.oneof(fc.constant(SECOND), fc.integer({ min: 1, max: 3 * SECOND })),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ what: fc.constant("round" as const), conflating: fc.boolean() }),
      },
      { weight: 1, arbitrary: fc.record({ what: fc.constant("look" as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({ what: fc.constantFrom("congest" as const, "drain" as const) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          what: fc.constant("many" as const),
          closings: fc.integer({ min: 1, max: 2 * CLOSED_TOLD_MAX }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        start();
        at(1000 * SECOND);
        const quick = world.connect(0);
        const slow = world.connect(1);
        for (const client of [quick, slow]) world.subscribe(client, candles(1), candles(1, "1m"));
        for (const one of steps) {
          switch (one.what) {
            case "trade":
              trade(one.price, one.quantity);
              break;
            case "later":
              world.nowMicros += one.micros;
              break;
            case "many":
              for (let n = 0; n < one.closings; n++) {
                world.nowMicros += SECOND;
                trade(n + 1);
              }
              break;
            case "round":
              world.flush();
              world.round({ conflating: one.conflating });
              break;
            case "look":
              vi.advanceTimersByTime(500);
              break;
            case "congest":
              slow.socket.congested = true;
              break;
            case "drain":
              slow.socket.congested = false;
              slow.socket.drain();
          }
        }
        world.flush();
        world.round();
        slow.socket.congested = false;
        slow.socket.drain();
        world.round();
        for (const client of [quick, slow]) {
          for (const interval of ["1s", "1m"] as const) {
            const chart = new Chart();
            for (const message of client.messages) {
              const { data } = message;
              if ("interval" in data && data.interval === interval) chart.take(message);
            }
            const truth = obviousCandles(trades, interval);
            expect([...chart.candles.values()]).toEqual(truth.slice(-CANDLES_MAX));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("candles - whoever asks for as many as may be leaves as much to others", () => {
    world = new ShardWorld({ maxCandleSeries: 4 });
    for (const id of [1, 2, 3, 4]) world.list(id);
    world.flush();
    world.round();
    const greedy = world.connect(0, { address: "192.0.2.1" });
    world.subscribe(greedy, candles(1), candles(2));
    world.subscribe(greedy, candles(3));
    expect(greedy.messages.at(-1)).toMatchObject({
      type: "Error",
      data: { code: "TOO_MANY_SUBSCRIPTIONS" },
    });
    const other = world.connect(0, { address: "192.0.2.2" });
    world.subscribe(other, candles(1), candles(3));
    expect(other.messages.map(({ type }) => type)).toContain("Subscribed");
    world.disconnect(greedy);
    world.subscribe(other, candles(2));
    expect(other.messages.at(-1)?.type).not.toBe("Error");
  });

  it("candles - what nobody has is let go when there is no room, and what is in use is not", () => {
    world = new ShardWorld({ maxCandleSeries: 4 });
    for (const id of [1, 2, 3]) world.list(id);
    world.flush();
    world.round();
    const client = world.connect(0);
    world.subscribe(client, candles(1), candles(2));
    const other = world.connect(0);
    world.subscribe(other, candles(3));
    expect(other.messages.at(-1)).toMatchObject({
      type: "Error",
      data: { code: "TOO_MANY_SUBSCRIPTIONS" },
    });
    world.subscribe(other, candles(1));
    world.unsubscribe(client, candles(2));
    other.messages.length = 0;
    world.subscribe(other, candles(3));
    expect(other.messages.map(({ type }) => type)).toContain("CandleSnapshot");
    world.unsubscribe(client, candles(1));
    world.unsubscribe(other, candles(1), candles(3));
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("series of candles", () => {
  const scale = DecimalScale.of(1) as DecimalScale;
  const series = (interval: CandleInterval) =>
    new CandleSeries(1, interval, { priceScale: scale, quantityScale: scale });
  const told = (ts: number, price: number, quantity: number) => ({ ts, seq: 1, price, quantity });

  it("candles - one is over when all before its end was read, or a second after it by the clock", () => {
    const one = series("1m");
    one.take(1, told(60 * SECOND, 5, 1));
    expect(one.closeAt(2, 120 * SECOND - 1, 121 * SECOND - 1)).toBe(false);
    expect(one.closeAt(2, 120 * SECOND, 0)).toBe(true);
    expect(one.closeAt(2, 120 * SECOND, 0)).toBe(false);
    one.take(3, told(120 * SECOND, 5, 1));
    expect(one.closeAt(4, 0, 181 * SECOND)).toBe(true);
  });

  it("candles - a trade that is told after its candle was over is not lost", () => {
    const one = series("1s");
    one.take(1, told(10 * SECOND, 5, 1));
    one.closeAt(2, 0, 12 * SECOND);
    one.take(3, told(10 * SECOND + 5, 7, 2));
    expect(one.changedSince(2)).toEqual([
      { candle: [10 * SECOND, 5, 7, 5, 7, 3, 2], closed: true },
    ]);
    one.take(4, told(11 * SECOND, 8, 1));
    expect(one.changedSince(3)).toMatchObject([{ closed: false }]);
  });

  it("candles - the last thousand are kept, and who missed one that is not gets a snapshot", () => {
    const one = series("1s");
    for (let second = 0; second <= CANDLES_MAX + 5; second++)
      one.take(second, told(second * SECOND, 1, 1));
    expect(one.newest(CANDLES_MAX)).toHaveLength(CANDLES_MAX);
    expect(one.newest(1)).toEqual([[(CANDLES_MAX + 5) * SECOND, 1, 1, 1, 1, 1, 1]]);
    expect(one.changedSince(2)).toBeUndefined();
    expect(one.changedSince(CANDLES_MAX)).toHaveLength(6);
  });

  it("candles - another producer's steps begin a series anew", () => {
    const one = series("1s");
    one.take(1, told(10 * SECOND, 5, 1));
    one.adopt({ priceScale: scale, quantityScale: scale });
    expect(one.newest(10)).toHaveLength(1);
    one.adopt({ priceScale: DecimalScale.of(0.5) as DecimalScale, quantityScale: scale });
    expect(one.newest(10)).toEqual([]);
  });
});
