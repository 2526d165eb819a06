import { describe, expect, it } from "vitest";
import type { ArchiveReader } from "../../../../src/archive/archive-reader.js";
import type { CounterSection } from "../../../../src/counters/counters.js";
import { counterBlockOf, createCounterBuffer } from "../../../../src/counters/counters.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import { History } from "../../../../src/workers/shard/requests/history.js";

type TradeHead = NonNullable<ReturnType<ArchiveReader["tradeHead"]>>;

/** Later than any clock says. */
const FAR = 8e15;

/** Up to where candles are closed, by how far the archive has come and what the shard knows. */
function closed(head: TradeHead | undefined, newest: number | undefined, position = FAR): number {
  const mirror = { epoch: "b", position, find: () => ({}), newestTradeSeq: () => newest };
  let closedTo = Number.NaN;
  const reader = {
    market: () => undefined,
    tradeHead: () => head,
    candlesBefore: (...asked: Parameters<ArchiveReader["candlesBefore"]>) => {
      closedTo = asked[5];
      return { candles: [], next: undefined, read: 0 };
    },
  };
  const counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  const source = { reader: reader as unknown as ArchiveReader, generation: 1, noteFault: () => {} };
  new History(source, counters).answer(
    { type: "CandleHistory", data: { market_id: 1001, interval: "1s" } },
    mirror as unknown as Mirror,
  );
  return closedTo;
}

const head = (epoch: string, seq: number): TradeHead => ({
  epoch: "b",
  lastTs: 97_000_000,
  place: { epoch, seq },
});

describe("history", () => {
  it("history - a candle is closed as far as the shard has read where the archive has the market's newest trade", () => {
    expect(closed(head("b", 7), 7)).toBe(FAR);
    // No trade in this epoch.
    expect(closed(head("a", 7), 0)).toBe(FAR);
    // What was told last is long ago: by the clock.
    expect(closed(head("b", 7), 7, 0)).toBeGreaterThan((Date.now() - 60_000) * 1000);
  });

  it("history - while the archive lacks a trade of the market candles are closed up to its last trade", () => {
    expect(closed(head("b", 6), 7)).toBe(97_000_000);
    // Numbers of another epoch say nothing.
    expect(closed(head("a", 7), 7)).toBe(97_000_000);
    expect(closed({ ...head("a", 7), epoch: "a" }, 0)).toBe(97_000_000);
    // The producer writes there.
    expect(closed(head("b", 7), undefined)).toBe(97_000_000);
    expect(closed(undefined, 7)).toBe(0);
  });
});
