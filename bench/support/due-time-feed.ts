// The feed of Marketcast under test: bare quotes, paced as the baselines pace themselves.
import type { Feed, ListedMarket } from "../../src/feed/feed.js";
import { nowMicros } from "../../src/shared/clock.js";
import { BATCH_MAX, pace } from "../baselines/pacer.js";
import { stampOf } from "./due-time.js";

export const FIRST_MARKET_ID = 1001;
/** Markets that are listed and say nothing. */
export const FIRST_SILENT_MARKET_ID = 1_000_001;
const SILENT_MARKETS = 500;

/**
 * Makes a feed of a quote for each market at once, and of `rate` a second from then on, market after market,
 * whose best bid is the due time's stamp.
 */
export function createFeed({ rate, markets: count }: { rate: number; markets: number }): Feed {
  const markets: ListedMarket[] = [];
  return {
    open(sink) {
      for (let index = 0; index < count; index++) {
        const marketId = FIRST_MARKET_ID + index;
        markets.push(sink.list({ marketId, title: `Market ${index}`, tickSize: 1, lotSize: 1 }));
      }
      for (let index = 0; index < SILENT_MARKETS; index++) {
        const marketId = FIRST_SILENT_MARKET_ID + index;
        sink.list({ marketId, title: `Silent ${index}`, tickSize: 1, lotSize: 1 });
      }
    },
    run(sink, { signal }) {
      let next = 0;
      const quote = (dueMicros: number): void => {
        const bid = stampOf(dueMicros);
        sink.quote(markets[next++ % count] as ListedMarket, bid, bid + 1);
      };
      while (next < count) quote(nowMicros());
      const end = pace(rate, BATCH_MAX, quote);
      return new Promise((resolve) => {
        signal.addEventListener(
          "abort",
          () => {
            end();
            resolve();
          },
          { once: true },
        );
      });
    },
  };
}
