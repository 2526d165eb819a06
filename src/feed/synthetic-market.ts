import type { Random } from "../shared/random.js";
import { type Book, type BookSide, createBook, type ListedMarket } from "./feed.js";
import type { Instrument } from "./synthetic-instruments.js";

/** Widest difference of best ask and best bid, in ticks. */
const SPREAD_MAX = 4;

/** Levels a side of a book. */
const LEVELS = 20;

/** Largest quantity of a book level, in lots. */
const LEVEL_QUANTITY_MAX = 500;

/**
 * A market that moves at random. Prices are in ticks, quantities in lots.
 *
 * Invariants, after every function of this file:
 *   priceMin ≤ bid < ask ≤ priceMax and ask − bid ≤ SPREAD_MAX;
 *   the book has 20 levels a side at consecutive prices, the best ones at `bid` and `ask`.
 */
export interface SyntheticMarket {
  readonly listed: ListedMarket;
  readonly priceMin: number;
  readonly priceMax: number;
  readonly book: Book;
  bid: number;
  ask: number;
  /** 0 before the first trade. */
  lastTradePrice: number;
}

export function createSyntheticMarket(
  listed: ListedMarket,
  { priceMin, priceMax }: Instrument,
  random: Random,
): SyntheticMarket {
  const bid = priceMin + random.below(priceMax - priceMin - SPREAD_MAX);
  const ask = bid + 1 + random.below(SPREAD_MAX);
  const book = createBook(LEVELS);
  fillSide(book.bids, bid, -1, random);
  fillSide(book.asks, ask, 1, random);
  return { listed, priceMin, priceMax, book, bid, ask, lastTradePrice: 0 };
}

/** Whether the next move goes up: by chance, but back from the ends of the market's range. */
export function nextMoveRises(market: SyntheticMarket, random: Random): boolean {
  if (market.bid <= market.priceMin) return true;
  if (market.ask >= market.priceMax) return false;
  return random.nextInt32() < 0;
}

/** Moves best bid or best ask, or both, by a tick. */
export function moveQuote(market: SyntheticMarket, rises: boolean, random: Random): void {
  const narrows = market.ask - market.bid > 1 && random.nextInt32() < 0;
  if (rises) {
    if (narrows) improveBid(market, random);
    else raiseAsk(market, random);
  } else {
    if (narrows) improveAsk(market, random);
    else lowerBid(market, random);
  }
}

/**
 * Executes an order that takes from the best ask (`buys`) or the best bid and returns the quantity
 * traded. It takes the whole level, and the quote moves on by a tick; or a part of it where the
 * trade moves the last price already.
 */
export function tradeAtBest(market: SyntheticMarket, buys: boolean, random: Random): number {
  const price = buys ? market.ask : market.bid;
  const quantities = (buys ? market.book.asks : market.book.bids).quantity;
  const available = quantities[0] as number;
  const movesLast = market.lastTradePrice !== 0 && market.lastTradePrice !== price;
  market.lastTradePrice = price;
  if (movesLast && available > 1 && random.nextInt32() < 0) {
    const quantity = 1 + random.below(available - 1);
    quantities[0] = available - quantity;
    return quantity;
  }
  if (buys) raiseAsk(market, random);
  else lowerBid(market, random);
  return available;
}

function raiseAsk(market: SyntheticMarket, random: Random): void {
  market.ask += 1;
  removeBest(market.book.asks, market.ask, 1, random);
  if (market.ask - market.bid > SPREAD_MAX) improveBid(market, random);
}

function lowerBid(market: SyntheticMarket, random: Random): void {
  market.bid -= 1;
  removeBest(market.book.bids, market.bid, -1, random);
  if (market.ask - market.bid > SPREAD_MAX) improveAsk(market, random);
}

function improveBid(market: SyntheticMarket, random: Random): void {
  market.bid += 1;
  addBest(market.book.bids, market.bid, -1, random);
}

function improveAsk(market: SyntheticMarket, random: Random): void {
  market.ask -= 1;
  addBest(market.book.asks, market.ask, 1, random);
}

/** @param deeper the direction, +1 or −1, in which the prices of a side get worse */
function fillSide(side: BookSide, best: number, deeper: 1 | -1, random: Random): void {
  side.length = LEVELS;
  setPrices(side, best, deeper);
  for (let i = 0; i < LEVELS; i++) side.quantity[i] = levelQuantity(random);
}

function removeBest(side: BookSide, best: number, deeper: 1 | -1, random: Random): void {
  setPrices(side, best, deeper);
  const { quantity } = side;
  for (let i = 1; i < LEVELS; i++) quantity[i - 1] = quantity[i] as number;
  quantity[LEVELS - 1] = levelQuantity(random);
}

function addBest(side: BookSide, best: number, deeper: 1 | -1, random: Random): void {
  setPrices(side, best, deeper);
  const { quantity } = side;
  for (let i = LEVELS - 1; i > 0; i--) quantity[i] = quantity[i - 1] as number;
  quantity[0] = levelQuantity(random);
}

function setPrices(side: BookSide, best: number, deeper: 1 | -1): void {
  for (let i = 0; i < LEVELS; i++) side.price[i] = best + deeper * i;
}

function levelQuantity(random: Random): number {
  return 1 + random.below(LEVEL_QUANTITY_MAX);
}
