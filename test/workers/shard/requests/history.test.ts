import { describe, expect, it } from "vitest";
import type { TradeHead } from "../../../../src/archive/archive-reader.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import { closedTo } from "../../../../src/workers/shard/requests/history.js";

const NOW = 100_000_000;

/** Up to where candles are closed, by how far the archive has come and what the shard knows. */
function closed(
  head: TradeHead | undefined,
  newest: number | undefined,
  position = 98_000_000,
): number {
  const mirror = {
    epoch: "b",
    position,
    find: () => ({}),
    newestTradeSeq: () => newest,
  } as unknown as Mirror;
  return closedTo({ tradeHead: () => head }, 1001, mirror, NOW);
}

const head = (epoch: string, seq: number): TradeHead => ({
  epoch: "b",
  lastTs: 97_000_000,
  place: { epoch, seq },
});

describe("history", () => {
  it("history - a candle is closed as far as the shard has read where the archive has the market's newest trade", () => {
    expect(closed(head("b", 7), 7)).toBe(99_000_000);
    expect(closed(head("b", 7), 7, 99_500_000)).toBe(99_500_000);
    // No trade in this epoch.
    expect(closed(head("a", 7), 0, 99_500_000)).toBe(99_500_000);
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
