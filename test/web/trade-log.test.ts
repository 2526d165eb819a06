import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Trade } from "../../src/contract/messages.js";
import { TRADES_MAX, TradeLog } from "../../web/src/model/trade-log.js";

/** Trades in the order in which they were told; some have the same moment. */
const trade = (number: number): Trade => ({
  ...{ trade_id: `t${number}`, market_id: 7, price: 1, quantity: 1, taker_side: "Buy" },
  ...{ seq: number, ts: 1_790_000_000_000_000 + Math.floor(number / 3) },
});
const newestFirst = (numbers: readonly number[]): string[] => numbers.map((one) => `t${one}`);
const down = (from: number, count: number): number[] =>
  Array.from({ length: Math.min(count, from + 1) }, (_, index) => from - index);

describe("trade-log", () => {
  it("trade-log - joined with history that has caught up, it has the newest trades, each once", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            live: fc.nat(60),
            missed: fc.oneof(fc.constant(0), fc.nat(150)),
            behind: fc.nat(20),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        (steps) => {
          const log = new TradeLog();
          let last = -1;
          const page = (newest: number): Trade[] => down(newest, TRADES_MAX).map(trade);
          for (const { live, missed, behind } of steps) {
            last += missed;
            for (let count = 0; count < live; count++) log.put(trade(++last));
            log.merge(page(last - behind));
            log.merge(page(last));
            const ids = log.trades.map(({ trade_id }) => trade_id);
            expect(ids).toEqual(newestFirst(down(last, TRADES_MAX)));
          }
        },
      ),
    );
  });

  it("trade-log - what comes live stands on top at once", () => {
    const log = new TradeLog();
    for (let number = 0; number < TRADES_MAX + 5; number++) {
      log.put(trade(number));
      expect(log.trades[0]?.trade_id).toBe(`t${number}`);
    }
    expect(log.trades).toHaveLength(TRADES_MAX);
  });
});
