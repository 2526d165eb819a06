import type { Command } from "../engine/commands.js";
import type { Order } from "../engine/order.js";
import { SIDES } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import { Random } from "../shared/random.js";
import { cancelOf, MarketMaker, QUOTE_LEVELS_MAX } from "./market-maker.js";
import { drawTakerOrder } from "./taker.js";
import type { Venue } from "./venue.js";
import { simulatedWallet } from "./wallets.js";

/** Most traders there can be, now or in an earlier run. */
const SIM_TRADERS_MAX = 1000;

/** Looks for something to do, one after another in vain, before the traders pause. */
const IDLE_LOOKS_MAX = 64;

/** First prices, in ticks, of a market of which nobody says how far its prices range. */
const START_MIN = 1000;
const START_MAX = 10_000;
/** They wander around these, so a limit must be well beyond them to leave room. */
const FREE_PRICE_LIMIT_MIN = 2 * START_MAX;

export interface SimMarket {
  readonly marketId: MarketId;
  /** The market's own highest price, in ticks: prices range up to it, and stay below. */
  readonly priceMax: number | undefined;
  /** What all prices stay below, in ticks, whatever they range up to. */
  readonly priceLimit?: number;
  /** The largest quantity of an order, in lots. */
  readonly quantityLimit?: number;
}

interface SimulatedTradersOptions {
  /** Wallets `sim-1` to `sim-N`, at most {@link SIM_TRADERS_MAX}. */
  readonly traders: number;
  /** Equal seeds on equal venues give equal commands. */
  readonly seed: number;
  readonly markets: readonly SimMarket[];
  /** Open orders of each wallet. */
  readonly maxOpenOrders: number;
}

/**
 * Traders that make up a market for users to trade in. Each market has one of them as its maker, dealt
 * out in turn; the others take from it. One trader alone makes all markets and takes from none, so that
 * only users trade; with none, all that earlier ones left is withdrawn.
 *
 * It has no clock and is told nothing: the caller executes what {@link next} gives out, at the pace it
 * wants, before it asks again. A rejected command does no harm; neither does asking for several before
 * executing them, except that a market may be quoted twice until its maker comes back to it.
 *
 * Orders that are open at the start are kept where they are of the same maker, else cancelled first.
 */
export class SimulatedTraders {
  readonly #venue: Venue;
  readonly #random: Random;
  readonly #traders: number;
  readonly #maxOpenOrders: number;
  /** In the markets' order: that of position i is trader i mod N. */
  readonly #makers: readonly MarketMaker[];
  readonly #commands: Generator<Command | undefined, undefined>;

  constructor(options: SimulatedTradersOptions, venue: Venue) {
    this.#venue = venue;
    this.#random = new Random(options.seed);
    this.#traders = options.traders;
    this.#maxOpenOrders = options.maxOpenOrders;
    const tradable = options.markets.filter(({ quantityLimit = 1 }) => quantityLimit >= 1);
    this.#makers = options.traders === 0 ? [] : this.#appointMakers(tradable);
    this.#commands = this.#trade();
  }

  /**
   * The next order or cancel; undefined where there is nothing to do at present, because markets are
   * halted, say. A maker looks once at all its open orders and then quotes all its markets, so the cost
   * does not depend on how many there are.
   */
  next(): Command | undefined {
    return this.#commands.next().value;
  }

  #appointMakers(markets: readonly SimMarket[]): MarketMaker[] {
    const marketsPerMaker = Math.ceil(markets.length / this.#traders);
    const share = Math.floor(this.#maxOpenOrders / marketsPerMaker / SIDES.length);
    const levels = Math.min(QUOTE_LEVELS_MAX, Math.max(1, share));
    return markets.map((market, position) => {
      const { marketId, priceLimit = Infinity, quantityLimit: quantityMax = Infinity } = market;
      const wallet = simulatedWallet(position % this.#traders);
      const priceMax = Math.min(market.priceMax ?? Infinity, priceLimit);
      // A limit that leaves room for what would be drawn without it says nothing of the market.
      const isFree = market.priceMax === undefined && priceLimit >= FREE_PRICE_LIMIT_MIN;
      const start = startOf(marketId, isFree ? undefined : priceMax, this.#venue, this.#random);
      const range = isFree ? start : priceMax;
      const options = { marketId, wallet, start, priceMax, range, quantityMax, levels };
      return new MarketMaker(options, this.#random);
    });
  }

  *#trade(): Generator<Command | undefined, undefined> {
    yield* this.#withdrawal();
    let idleLooks = 0;
    for (const commands of this.#looks()) {
      yield* commands;
      idleLooks = commands.length === 0 ? idleLooks + 1 : 0;
      if (idleLooks < IDLE_LOOKS_MAX) continue;
      idleLooks = 0;
      yield undefined;
    }
  }

  /** Cancels of what earlier traders left in markets that they do not make now. */
  #withdrawal(): Command[] {
    const makerOf = new Map(this.#makers.map(({ marketId, wallet }) => [marketId, wallet]));
    const commands: Command[] = [];
    for (let trader = 0; trader < SIM_TRADERS_MAX; trader++) {
      const wallet = simulatedWallet(trader);
      for (const order of this.#venue.openOrders(wallet)) {
        if (makerOf.get(order.marketId) !== wallet) commands.push(cancelOf(order));
      }
    }
    return commands;
  }

  /** Round after round, what each maker does in each of its markets, and a taker somewhere after it. */
  *#looks(): Generator<readonly Command[], undefined> {
    const wallets = Math.min(this.#traders, this.#makers.length);
    while (wallets > 0) {
      for (let trader = 0; trader < wallets; trader++) {
        const orders = [...this.#venue.openOrders(simulatedWallet(trader))];
        const ordersIn = byMarket(orders);
        let room = this.#maxOpenOrders - orders.length;
        for (let i = trader; i < this.#makers.length; i += this.#traders) {
          const maker = this.#makers[i] as MarketMaker;
          const commands = this.#make(maker, ordersIn.get(maker.marketId) ?? [], room);
          for (const { type } of commands) room += type === "place" ? -1 : 1;
          yield commands;
          yield this.#take();
        }
      }
    }
  }

  #make(maker: MarketMaker, orders: readonly Order[], room: number): Command[] {
    if (this.#venue.marketStatus(maker.marketId) !== "Active") return [];
    maker.reconsider();
    // Some may have been filled since the maker's round began.
    const open = orders.filter(({ orderId }) => this.#venue.openOrder(orderId) !== undefined);
    return maker.requote(open, room);
  }

  /** Any wallet but the maker's takes from any market: no order trades with its own wallet. */
  #take(): Command[] {
    const index = this.#random.below(this.#makers.length);
    const maker = this.#makers[index] as MarketMaker;
    if (this.#traders < 2 || this.#venue.marketStatus(maker.marketId) !== "Active") return [];
    const other = index + 1 + this.#random.below(this.#traders - 1);
    const wallet = simulatedWallet(other % this.#traders);
    const terms = drawTakerOrder(maker, wallet, this.#venue, this.#random);
    return terms === undefined ? [] : [{ type: "place", terms }];
  }
}

function byMarket(orders: readonly Order[]): ReadonlyMap<MarketId, readonly Order[]> {
  const found = new Map<MarketId, Order[]>();
  for (const order of orders) {
    const others = found.get(order.marketId);
    if (others === undefined) found.set(order.marketId, [order]);
    else others.push(order);
  }
  return found;
}

/** Where the fair value starts: at the last price, else in the middle of the quote, else anywhere. */
function startOf(
  marketId: MarketId,
  range: number | undefined,
  venue: Venue,
  random: Random,
): number {
  const drawn =
    range === undefined
      ? START_MIN + random.below(START_MAX - START_MIN)
      : Math.round((range * (200 + random.below(601))) / 1000);
  const book = venue.book(marketId);
  const bid = book?.best("Buy");
  const ask = book?.best("Sell");
  const middle = bid === undefined || ask === undefined ? undefined : Math.floor((bid + ask) / 2);
  return venue.totals(marketId)?.lastPrice ?? middle ?? drawn;
}
