// A feed of your own: an ES module that exports createFeed. Run this one with
//
//   npm start -- --feed module --feed-module examples/module-feed.mjs
//
// It quotes two made-up stocks around a slow wave and trades now and then. It imports nothing of
// the server; the types in the comments are for editors (`import("marketcast/feed")`).

import { setTimeout as sleep } from "node:timers/promises";

const STOCKS = [
  { marketId: 2001, title: "Acme Anvils", tickSize: 0.01, lotSize: 1 },
  { marketId: 2002, title: "Zenith Zippers", tickSize: 0.05, lotSize: 10 },
];

/**
 * Is called once, with `--feed-rate`, `--feed-seed`, `--feed-markets` and `--feed-file`.
 *
 * @param {{ rate: number, seed: number, markets: number, file?: string }} options
 * @returns {import("marketcast/feed").Feed}
 */
export function createFeed({ rate }) {
  /** @type {import("marketcast/feed").ListedMarket[]} */
  let markets = [];

  return {
    // Lists what is known from the start, so that clients can subscribe before any data flows.
    open(sink) {
      markets = STOCKS.map((stock) => sink.list(stock));
    },

    // Publishes until the signal aborts. Returning earlier ends the feed, throwing fails it; either
    // way the server stays up and reports itself degraded.
    async run(sink, { signal }) {
      for (let step = 0; !signal.aborted; step++) {
        const market = markets[step % markets.length];

        // Prices are integers in ticks: round a price to one yourself, or let the market's scale
        // convert an exact one (toCount gives undefined for 100.001 at a tick size of 0.01).
        const middle = market.priceScale.toCount(100) + Math.round(50 * Math.sin(step / 40));
        const bid = middle - 1;
        const ask = middle + 1;

        // A trade first, then the quote: both go out as one PriceUpdate.
        if (step % 5 === 0) sink.trade(market, { price: ask, quantity: 3, takerSide: "Buy" });
        sink.quote(market, bid, ask);
        sink.book(market, {
          bids: levels([bid, 12], [bid - 1, 40]),
          asks: levels([ask, 9], [ask + 1, 35]),
        });

        // An abort ends the sleep at once.
        await sleep(1000 / rate, undefined, { signal }).catch(() => {});
      }
    },
  };
}

/**
 * One side of a book, best level first: prices in ticks, quantities in lots.
 *
 * @param {...[price: number, quantity: number]} side
 */
function levels(...side) {
  return {
    price: Float64Array.from(side, ([price]) => price),
    quantity: Float64Array.from(side, ([, quantity]) => quantity),
    length: side.length,
  };
}
