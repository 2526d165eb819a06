import type { Command } from "../engine/commands.js";
import { SIDES } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { Random } from "../shared/random.js";
import { cancelOf, MarketMaker, QUOTE_LEVELS_MAX } from "./market-maker.js";
import { drawTakerOrder } from "./taker.js";
import type { Venue } from "./venue.js";

/** Most traders there can be, now or in an earlier run. */
export const SIM_TRADERS_MAX = 1000;

/** One visit of a market in so many is a taker's, the others are its maker's. */
const VISITS_PER_TAKER = 2;

/** Markets that are looked at for something to do before {@link SimulatedTraders.next} gives up. */
const VISITS_MAX = 32;

/** First prices, in ticks, of a market without a highest price. */
const START_MIN = 1000;
const START_MAX = 10_000;

export interface SimMarket {
  readonly marketId: MarketId;
  /** Highest price in ticks, a price no order has; undefined for none. */
  readonly priceMax: number | undefined;
}

export interface SimulatedTradersOptions {
  /** Wallets `sim-1` to `sim-N`, at most {@link SIM_TRADERS_MAX}. */
  readonly traders: number;
  /** Equal seeds on equal venues give equal commands. */
  readonly seed: number;
  readonly markets: readonly SimMarket[];
  /** Open orders of each wallet. */
  readonly maxOpenOrders: number;
}

/**
 * Traders that make up a market for users to trade in. Each market has one of them as its maker,
 * dealt out in turn; the others take from it. One trader alone makes all markets and takes from none,
 * so that only users trade; with none, all that earlier ones left is withdrawn.
 *
 * It has no clock and is told nothing: the caller executes what {@link next} gives out, at the pace it
 * wants, before it asks again. A rejected command does no harm; neither does asking for several before
 * executing them, except that a market may be quoted twice until its next visit.
 *
 * Orders that are open at the start are kept where they are of the same maker, else cancelled first.
 */
export class SimulatedTraders {
  readonly #venue: Venue;
  readonly #random: Random;
  readonly #traders: number;
  readonly #makers: readonly MarketMaker[];
  #plan: Iterator<Command>;

  constructor(options: SimulatedTradersOptions, venue: Venue) {
    this.#venue = venue;
    this.#random = new Random(options.seed);
    this.#traders = options.traders;
    this.#makers = options.traders === 0 ? [] : this.#appointMakers(options);
    this.#plan = this.#withdrawal().values();
  }

  /**
   * The next order or cancel; undefined where there is nothing to do at present, because markets are
   * halted, say. Costs a look at the open orders of one wallet at most once in a few commands.
   */
  next(): Command | undefined {
    for (let visits = 0; visits < VISITS_MAX; visits++) {
      const planned = this.#plan.next();
      if (!planned.done) return planned.value;
      this.#plan = this.#visit().values();
    }
    return undefined;
  }

  #appointMakers({ traders, markets, maxOpenOrders }: SimulatedTradersOptions): MarketMaker[] {
    const marketsPerMaker = Math.ceil(markets.length / traders);
    const share = Math.floor(maxOpenOrders / marketsPerMaker / SIDES.length);
    const levels = Math.min(QUOTE_LEVELS_MAX, Math.max(1, share));
    return markets.map(({ marketId, priceMax = Number.POSITIVE_INFINITY }, position) => {
      const wallet = walletOf(position % traders);
      const start = startOf(marketId, priceMax, this.#venue, this.#random);
      const terms = { marketId, wallet, start, priceMax, levels, maxOpenOrders };
      return new MarketMaker(terms, this.#random);
    });
  }

  /** Cancels of what earlier traders left in markets that they do not make now. */
  #withdrawal(): Command[] {
    const makerOf = new Map(this.#makers.map(({ marketId, wallet }) => [marketId, wallet]));
    const commands: Command[] = [];
    for (let position = 0; position < SIM_TRADERS_MAX; position++) {
      const wallet = walletOf(position);
      for (const order of this.#venue.openOrders(wallet)) {
        if (makerOf.get(order.marketId) !== wallet) commands.push(cancelOf(order));
      }
    }
    return commands;
  }

  /** What one trader does in one market. */
  #visit(): Command[] {
    const index = this.#random.below(this.#makers.length);
    const maker = this.#makers[index];
    if (maker === undefined || this.#venue.marketStatus(maker.marketId) !== "Active") return [];
    if (this.#traders > 1 && this.#random.below(VISITS_PER_TAKER) === 0) {
      const wallet = this.#takerIn(index);
      const terms = drawTakerOrder(maker, wallet, this.#venue, this.#random);
      return terms === undefined ? [] : [{ type: "place", terms }];
    }
    maker.reconsider();
    return maker.requote(this.#venue.openOrders(maker.wallet));
  }

  /** Any wallet but the maker's: an order never trades with its own wallet. */
  #takerIn(index: number): string {
    return walletOf((index + 1 + this.#random.below(this.#traders - 1)) % this.#traders);
  }
}

function walletOf(position: number): string {
  return `sim-${position + 1}`;
}

/** Where the fair value starts: at the last price, else in the middle of the quote, else anywhere. */
function startOf(marketId: MarketId, priceMax: number, venue: Venue, random: Random): number {
  const drawn = Number.isFinite(priceMax)
    ? Math.round((priceMax * (200 + random.below(601))) / 1000)
    : START_MIN + random.below(START_MAX - START_MIN);
  const book = venue.book(marketId);
  const bid = book?.best("Buy");
  const ask = book?.best("Sell");
  const middle = bid === undefined || ask === undefined ? undefined : Math.floor((bid + ask) / 2);
  return venue.totals(marketId)?.lastPrice ?? middle ?? drawn;
}
