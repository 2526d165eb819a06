// A module feed whose market ids are at the borders of what encodings can hold.
import { setTimeout as sleep } from "node:timers/promises";

const IDS = [1001, 2 ** 53 - 1, `${2n ** 53n}`, `${2n ** 128n - 1n}`];
const STEP_MS = 10;

const level = (price) => ({
  price: Float64Array.of(price),
  quantity: Float64Array.of(5),
  length: 1,
});

export function createFeed() {
  let markets = [];
  return {
    open(sink) {
      markets = IDS.map((marketId) =>
        sink.list({ marketId, title: `Märket ${marketId}`, tickSize: 0.01, lotSize: 1 }),
      );
    },
    async run(sink, { signal }) {
      for (let step = 1; !signal.aborted; step++) {
        for (const market of markets) {
          const bid = 100 * (1 + (step % 50));
          sink.trade(market, {
            price: bid,
            quantity: 1,
            takerSide: step % 2 === 0 ? "Buy" : "Sell",
          });
          sink.quote(market, bid, step % 7 === 0 ? null : bid + 1);
          sink.book(market, { bids: level(bid), asks: level(bid + 1) });
        }
        await sleep(STEP_MS, undefined, { signal }).catch(() => {});
      }
    },
  };
}
