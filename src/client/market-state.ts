import type { Market, OrderBook, PriceUpdate, ServerMessage } from "../codec/wire/messages.js";
import { matchesFilter } from "./markets-filter.js";
import { MirrorStore } from "./mirror-store.js";
import type { Subscriptions } from "./subscriptions.js";

/** The local copies of markets and books, kept from the messages. */
export class MarketState {
  readonly markets: MirrorStore<Market>;
  readonly books: MirrorStore<OrderBook>;
  readonly #subscriptions: Subscriptions;

  constructor(subscriptions: Subscriptions, onThrow: (thrown: unknown) => void) {
    this.#subscriptions = subscriptions;
    this.markets = new MirrorStore(onThrow);
    this.books = new MirrorStore(onThrow);
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "PriceUpdate":
        return this.#price(message.data);
      case "MarketSnapshot":
        for (const market of message.data.markets) this.markets.set(market.market_id, market);
        return;
      case "MarketUpdate": {
        const { update_type, market } = message.data;
        if (update_type === "Unmatched" && !this.#subscriptions.hasMarket(market.market_id))
          return this.markets.delete(market.market_id);
        return this.markets.set(market.market_id, market);
      }
      case "OrderBook":
        return this.books.set(message.data.market_id, message.data);
    }
  }

  /** All subscriptions are about to say their first data. */
  doubt(): void {
    this.markets.doubt();
    this.books.doubt();
  }

  /** All first data have been said. */
  settle(): void {
    this.markets.settle();
    this.books.settle();
  }

  /** Drops what no subscription keeps up to date any more. */
  unsubscribed(): void {
    const subscribed = ({ market_id }: Market | OrderBook): boolean =>
      this.#subscriptions.hasMarket(market_id);
    const filters = this.#subscriptions.filters();
    this.books.retain(subscribed);
    this.markets.retain(
      (market) => subscribed(market) || filters.some((filter) => matchesFilter(filter, market)),
    );
  }

  /** A price is news to a market that is known, unless its state is newer. */
  #price({ market_id, price, best_bid, best_ask, ts }: PriceUpdate): void {
    const market = this.markets.get(market_id);
    if (market === undefined || ts < market.ts) return;
    this.markets.set(market_id, { ...market, price, best_bid, best_ask, ts });
  }
}
