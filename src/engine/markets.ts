import type { MarketId } from "../shared/market-id.js";
import type { Instrument, Market } from "./market.js";
import { integerBounds } from "./market-bounds.js";
import type { MarketTotals } from "./order.js";
import type { OrderBook } from "./order-book.js";

/** The markets that are listed, each with its book. */
export class Markets {
  readonly #createBook: () => OrderBook;
  readonly #byId = new Map<MarketId, Market>();

  constructor(createBook: () => OrderBook) {
    this.#createBook = createBook;
  }

  /** Throws where it is listed already. */
  list(instrument: Instrument): Market {
    const { marketId, status, bounds: given = {} } = instrument;
    if (this.#byId.has(marketId)) throw new Error(`market ${marketId} is listed already`);
    const totals: MarketTotals = { marketId, lastPrice: undefined, volume: 0 };
    const book = this.#createBook();
    const bounds = integerBounds(given, instrument);
    const market: Market = { instrument, book, bounds, status, administered: undefined, totals };
    this.#byId.set(marketId, market);
    return market;
  }

  get(marketId: MarketId): Market | undefined {
    return this.#byId.get(marketId);
  }

  /** A market that is known to be listed. */
  listed(marketId: MarketId): Market {
    const market = this.#byId.get(marketId);
    if (market === undefined) throw new Error(`market ${marketId} is not listed`);
    return market;
  }
}
