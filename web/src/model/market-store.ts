import type { Market, MarketId, MarketStatus, PriceUpdate } from "marketcast/client";
import { decimalsOf } from "./steps.js";

/** A market as the page shows it. Changed in place: hundreds of them change many times a second. */
export interface MarketState {
  readonly id: MarketId;
  title: string;
  /** In lower case, for the search. */
  searchText: string;
  status: MarketStatus;
  price: number | null;
  bestBid: number | null;
  bestAsk: number | null;
  volume: number;
  tickSize: number;
  lotSize: number;
  priceDecimals: number;
  quantityDecimals: number;
  /** The first price that the page has seen. */
  firstPrice: number | null;
}

/** Change of the price since the page was loaded, as a ratio; undefined without a price. */
export function changeOf({ price, firstPrice }: MarketState): number | undefined {
  if (price === null || firstPrice === null || firstPrice === 0) return undefined;
  return price / firstPrice - 1;
}

export interface MarketStoreEvents {
  /** A market that is listed has changed. */
  changed(market: MarketState): void;
  /** A market has come or gone. */
  listed(): void;
}

/** Every market that the server lists, in its latest state. */
export class MarketStore {
  readonly #markets = new Map<MarketId, MarketState>();
  readonly #listeners: Partial<MarketStoreEvents>[] = [];

  get size(): number {
    return this.#markets.size;
  }

  get all(): Iterable<MarketState> {
    return this.#markets.values();
  }

  get(id: MarketId): MarketState | undefined {
    return this.#markets.get(id);
  }

  listen(listener: Partial<MarketStoreEvents>): void {
    this.#listeners.push(listener);
  }

  /** Takes in the state of a market, whether it is known or new. */
  put(market: Market): void {
    const known = this.#markets.get(market.market_id);
    const state = known ?? newState(market);
    state.title = market.title;
    state.searchText = market.title.toLowerCase();
    state.status = market.status;
    state.volume = market.volume;
    if (known === undefined) this.#markets.set(state.id, state);
    this.#price(state, market);
    for (const listener of this.#listeners) {
      if (known === undefined) listener.listed?.();
      listener.changed?.(state);
    }
  }

  /** Takes in the price of a market; of one that is not listed there is nothing to show. */
  putPrice(update: PriceUpdate): void {
    const state = this.#markets.get(update.market_id);
    if (state === undefined) return;
    this.#price(state, update);
    for (const listener of this.#listeners) listener.changed?.(state);
  }

  /** Drops the markets that are not in the full list. */
  retain(markets: Iterable<Market>): void {
    const ids = new Set([...markets].map(({ market_id }) => market_id));
    for (const id of [...this.#markets.keys()]) if (!ids.has(id)) this.delete(id);
  }

  /** Drops a market that is no longer listed. */
  delete(id: MarketId): void {
    if (!this.#markets.delete(id)) return;
    for (const listener of this.#listeners) listener.listed?.();
  }

  #price(state: MarketState, quote: Market | PriceUpdate): void {
    state.price = quote.price;
    state.bestBid = quote.best_bid;
    state.bestAsk = quote.best_ask;
    state.firstPrice ??= quote.price;
  }
}

function newState(market: Market): MarketState {
  return {
    id: market.market_id,
    title: market.title,
    searchText: "",
    status: market.status,
    price: null,
    bestBid: null,
    bestAsk: null,
    volume: 0,
    tickSize: market.tick_size,
    lotSize: market.lot_size,
    priceDecimals: decimalsOf(market.tick_size),
    quantityDecimals: decimalsOf(market.lot_size),
    firstPrice: null,
  };
}
