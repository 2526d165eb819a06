import type { FeedOptions } from "../config/thread-options.js";
import type { Side } from "../shared/market.js";
import { Random } from "../shared/random.js";
import type { Feed, FeedContext, FeedSink, ListedMarket } from "./feed.js";
import { Pacer, systemTiming, type Timing } from "./pacer.js";
import { makeInstrument } from "./synthetic-instruments.js";
import {
  createSyntheticMarket,
  moveQuote,
  nextMoveRises,
  type SyntheticMarket,
  tradeAtBest,
} from "./synthetic-market.js";

const FIRST_MARKET_ID = 1001;

/** One update in so many comes from a trade. */
const UPDATES_PER_TRADE = 4;

/** Mean time between two halts, over all markets, and mean time that a halt lasts. */
const HALT_INTERVAL_S = 30;
const HALT_DURATION_S = 4;

/**
 * Made-up markets that move at random, from a seed: `feedRate` `PriceUpdate`s a second over all
 * markets, about a quarter of them by trades, the books always in step with the quotes. At times one
 * market is halted for a few seconds, during which the others get its updates.
 *
 * Equal seed, rate and number of markets give an equal sequence of calls; it allocates nothing per
 * update.
 */
export class SyntheticFeed implements Feed {
  readonly #options: Pick<FeedOptions, "feedMarkets" | "feedRate" | "feedSeed">;
  readonly #timing: Timing;
  readonly #random: Random;
  readonly #markets: SyntheticMarket[] = [];
  readonly #trade = { price: 0, quantity: 0, takerSide: "Buy" as Side };
  #halted: SyntheticMarket | undefined;
  #updatesToStatusChange: number;

  constructor(
    options: Pick<FeedOptions, "feedMarkets" | "feedRate" | "feedSeed">,
    timing: Timing = systemTiming,
  ) {
    this.#options = options;
    this.#timing = timing;
    this.#random = new Random(options.feedSeed);
    this.#updatesToStatusChange = this.#updatesIn(HALT_INTERVAL_S);
  }

  open(sink: FeedSink): void {
    for (let position = 0; position < this.#options.feedMarkets; position++) {
      const instrument = makeInstrument(position, this.#random);
      const { title, tickSize, lotSize } = instrument;
      const marketId = FIRST_MARKET_ID + position;
      const listed = sink.list({ marketId, title, tickSize, lotSize });
      const market = createSyntheticMarket(listed, instrument, this.#random);
      this.#markets.push(market);
      publishQuote(sink, listed, market);
      sink.book(listed, market.book);
    }
  }

  async run(sink: FeedSink, { signal }: FeedContext): Promise<void> {
    const pacer = new Pacer(this.#options.feedRate, signal, this.#timing);
    for (let due = await pacer.due(); due > 0; due = await pacer.due()) {
      for (let i = 0; i < due; i++) this.#update(sink);
    }
  }

  /** Publishes exactly one `PriceUpdate`. */
  #update(sink: FeedSink): void {
    this.#updatesToStatusChange -= 1;
    if (this.#updatesToStatusChange <= 0) this.#changeStatus(sink);

    const market = this.#pickActive();
    const rises = nextMoveRises(market, this.#random);
    if (this.#random.below(UPDATES_PER_TRADE) === 0) {
      const trade = this.#trade;
      trade.price = rises ? market.ask : market.bid;
      trade.takerSide = rises ? "Buy" : "Sell";
      trade.quantity = tradeAtBest(market, rises, this.#random);
      sink.trade(market.listed, trade);
    } else {
      moveQuote(market, rises, this.#random);
    }
    publishQuote(sink, market.listed, market);
    sink.book(market.listed, market.book);
  }

  #pickActive(): SyntheticMarket {
    const index = this.#random.below(this.#markets.length);
    const market = this.#markets[index] as SyntheticMarket;
    if (market !== this.#halted) return market;
    return this.#markets[(index + 1) % this.#markets.length] as SyntheticMarket;
  }

  /** Halts one market, or resumes the halted one. A single market is never halted. */
  #changeStatus(sink: FeedSink): void {
    if (this.#halted !== undefined) {
      sink.setStatus(this.#halted.listed, "Active");
      this.#halted = undefined;
      this.#updatesToStatusChange = this.#updatesIn(HALT_INTERVAL_S);
      return;
    }
    if (this.#markets.length > 1) {
      this.#halted = this.#pickActive();
      sink.setStatus(this.#halted.listed, "Halted");
    }
    this.#updatesToStatusChange = this.#updatesIn(HALT_DURATION_S);
  }

  /** How many updates a random time of this mean takes. */
  #updatesIn(meanSeconds: number): number {
    return 1 + this.#random.below(Math.ceil(2 * meanSeconds * this.#options.feedRate));
  }
}

function publishQuote(
  sink: FeedSink,
  listed: ListedMarket,
  { bid, ask, book }: SyntheticMarket,
): void {
  const [bidQuantity = null] = book.bids.quantity;
  const [askQuantity = null] = book.asks.quantity;
  sink.quote(listed, bid, ask, bidQuantity, askQuantity);
}
