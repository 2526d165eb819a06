// The feed of the bench of replays: many trades at once, then quotes of another market, by due time.
import type { Feed, ListedMarket } from "../../src/feed/feed.js";
import { BATCH_MAX, pace } from "../baselines/pacer.js";
import { stampOf } from "./due-time.js";

export const TRADED_MARKET_ID = 1001;
export const QUOTED_MARKET_ID = 1002;
/** Trades that one of the feed's markets stands for: there are no more options. */
export const TRADES_PER_MARKET = 1000;
const TRADES_PER_TURN = 5000;

/** Makes a feed of so many thousand trades, and then of `rate` quotes a second. */
export function createFeed({ rate, markets }: { rate: number; markets: number }): Feed {
  let traded: ListedMarket;
  let quoted: ListedMarket;
  return {
    open(sink) {
      const list = (marketId: number): ListedMarket =>
        sink.list({ marketId, title: `Market ${marketId}`, tickSize: 1, lotSize: 1 });
      traded = list(TRADED_MARKET_ID);
      quoted = list(QUOTED_MARKET_ID);
    },
    async run(sink, { signal }) {
      const trades = markets * TRADES_PER_MARKET;
      for (let made = 0; made < trades; ) {
        for (let turn = 0; turn < TRADES_PER_TURN && made < trades; turn++, made++)
          sink.trade(traded, {
            price: 100 + (made % 50),
            quantity: 1,
            takerSide: "Buy",
            tradeId: `${made}`,
          });
        await new Promise(setImmediate);
      }
      const end = pace(rate, BATCH_MAX, (dueMicros) => {
        const bid = stampOf(dueMicros);
        sink.quote(quoted, bid, bid + 1);
      });
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      end();
    },
  };
}
