import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { ExchangeMarkets } from "../../src/exchange/exchange-markets.js";
import { orderTerms } from "../support/order-terms.js";
import { MARKET, publisherWorld } from "./exchange-world.js";

let world: ReturnType<typeof publisherWorld>;
let markets: ExchangeMarkets;
let engine: Engine;
beforeEach(() => {
  world = publisherWorld();
  markets = new ExchangeMarkets(world.publisher);
  engine = new Engine({
    maxOpenOrders: 100,
    maxClientOrderIds: 100,
    maxAllClientOrderIds: 100,
    clientOrderIdRetentionMicros: 1,
  });
});

function list(totals?: Parameters<ExchangeMarkets["list"]>[1]): void {
  markets.list({ definition: MARKET, status: "Active", maxPrice: 0.99 }, totals);
  for (const market of markets.all) engine.list(market);
}

function place(side: "Buy" | "Sell", price: number, quantity: number): void {
  engine.execute({ type: "place", terms: orderTerms({ marketId: 1, side, price, quantity }) }, 1);
}

async function published() {
  await turn();
  world.truth.read();
  return world.truth.of(MARKET.marketId);
}

it("exchange markets - a market is found by its id, with its scales and its highest price", () => {
  list();
  const market = markets.get(1);
  expect(market).toBe(markets.listed(1));
  expect(market).toMatchObject({ marketId: 1, status: "Active", maxPrice: 0.99 });
  expect(market?.priceScale.toCount(0.5)).toBe(50);
  expect([...markets.all]).toEqual([market]);
  expect(markets.get(2)).toBeUndefined();
  expect(() => markets.listed(2)).toThrow("market 2 is not listed");
});

it("exchange markets - a market's own bounds stand in the place of those of all, 0 as well", () => {
  const all = { priceBandPercent: 5, maxPosition: 10, maxOrderValue: 100 };
  markets = new ExchangeMarkets(world.publisher, all);
  const bounds = { priceBandPercent: 0, maxPosition: 20, maxOrderValue: undefined };
  markets.list({ definition: MARKET, status: "Active", maxPrice: 1, bounds }, undefined);
  const other = { ...MARKET, marketId: 2 };
  markets.list({ definition: other, status: "Active", maxPrice: 1 }, undefined);
  expect([...markets.all].map((market) => market.bounds)).toEqual([
    { priceBandPercent: 0, maxPosition: 20, maxOrderValue: 100 },
    all,
  ]);
});

it("exchange markets - is listed with what trading has made of it before", async () => {
  list({ marketId: 1, lastPrice: 42, volume: 7 });
  expect((await published()).states).toMatchObject([{ price: 42, volume: 7, bestBid: null }]);
});

it("exchange markets - quote and book are published as they stand in the engine, and again only where they changed", async () => {
  list();
  place("Buy", 40, 3);
  place("Buy", 41, 2);
  place("Sell", 50, 1);
  markets.publishBook(1, engine);
  const first = await published();
  expect(first.states.at(-1)).toMatchObject({ bestBid: 41, bestAsk: 50, price: 45 });
  expect(first.orderBook(1)).toEqual({
    market_id: 1,
    seq: 1,
    bids: [
      [0.41, 2],
      [0.4, 3],
    ],
    asks: [[0.5, 1]],
  });
  // An order below the best changes the book and not the quote.
  place("Buy", 39, 1);
  const states = first.states.length;
  markets.publishBook(1, engine);
  const second = await published();
  expect(second.states).toHaveLength(states);
  expect(second.books.at(-1)?.bids.length).toBe(3);
});

it("exchange markets - the published book is a copy, whatever the engine does until it goes out", async () => {
  list();
  place("Buy", 40, 3);
  markets.publishBook(1, engine);
  const { book } = markets.listed(1);
  place("Buy", 41, 2);
  expect([book.bids.length, book.bids.price[0]]).toEqual([1, 40]);
});

it("exchange markets - a trade goes out with the id and the ts that it has in the store", async () => {
  list();
  const ts = world.position.now();
  markets.publishTrade({
    tradeId: 12,
    marketId: 1,
    price: 50,
    quantity: 3,
    takerSide: "Sell",
    makerOrderId: 1,
    takerOrderId: 2,
    makerWallet: "a",
    takerWallet: "b",
    makerClientOrderId: undefined,
    takerClientOrderId: undefined,
    ts,
  });
  expect((await published()).trades).toMatchObject([
    { tradeId: "12", price: 50, quantity: 3, takerSide: "Sell", seq: 1, ts },
  ]);
});
