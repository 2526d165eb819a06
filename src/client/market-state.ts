import type {
  Channel,
  Market,
  MarketId,
  OrderBook,
  PriceUpdate,
  ServerMessage,
} from "../contract/messages.js";
import { matchesFilter } from "./markets-filter.js";
import { MirrorStore } from "./mirror-store.js";
import type { Subscriptions } from "./subscriptions.js";

/** Types of messages that tell neither a market's state nor its book. */
type WithoutState =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "EpochChanged" | "Error")
  | ("OrderSnapshot" | "OrderUpdate" | "PositionSnapshot" | "PositionUpdate")
  | ("Pong" | "TradeExecution" | "SystemStatus" | "Notification" | "Heartbeat")
  | ("CandleSnapshot" | "CandleUpdate" | "ServerShutdown" | "TradePage" | "CandlePage")
  | ("OrderPage" | "FillPage" | "Fill" | "PresenceUpdate")
  | ("OrderValidated" | "OrderResults" | "OrdersCancelled" | "CancelAfterSet")
  | ("Published" | "Publication");

interface MarketStateEvents {
  /** A listener threw, or what applies the updates of books could not be loaded. */
  threw(thrown: unknown): void;
  /** A `Book` has to be told anew. */
  outOfStep(channel: Channel): void;
  /** Whether a later state of a market has been told before. */
  isStale(market: Market): boolean;
}

type BookMessage = ServerMessage<"OrderBook" | "BookUpdate">;

/** The local copies of markets and books, kept from the messages. */
export class MarketState {
  readonly markets: MirrorStore<Market>;
  readonly books: MirrorStore<OrderBook>;
  readonly #subscriptions: Subscriptions;
  #doubts = 0;
  /** Whether further parts of a snapshot follow. */
  #inSnapshot = false;
  /** Whether all else has been said since the last doubt. */
  #settling = false;

  readonly #events: MarketStateEvents;
  /** Applies the messages of `Book` channels; loaded when the first of them comes. */
  #apply: ((message: BookMessage) => void) | undefined;
  /** Those that wait while it is loaded. */
  #held: BookMessage[] = [];
  bookResyncs = 0;

  /** @param subscriptions what is wanted; what comes for others is left out */
  constructor(subscriptions: Subscriptions, events: MarketStateEvents) {
    this.#subscriptions = subscriptions;
    this.#events = events;
    this.markets = new MirrorStore(events.threw);
    this.books = new MirrorStore(events.threw);
  }

  /** Takes a message that is news. */
  take(message: ServerMessage): void {
    switch (message.type) {
      case "PriceUpdate":
        return this.#price(message.data);
      case "MarketSnapshot":
        for (const market of message.data.markets) this.#market(market);
        this.#inSnapshot = message.data.more === true;
        if (this.#settling) this.#settle();
        return;
      case "MarketUpdate": {
        const { update_type, market } = message.data;
        if (update_type === "Unmatched" && !this.#subscriptions.hasMarket(market.market_id))
          return this.markets.delete(market.market_id);
        return this.#market(market);
      }
      case "OrderBook": {
        const { market_id, depth } = message.data;
        if (depth !== undefined) return this.#takeBook(message);
        const { hasMarket, book } = this.#has(market_id);
        if (hasMarket && book === undefined) this.books.set(market_id, message.data);
        return;
      }
      case "BookUpdate":
        return this.#takeBook(message);
      default:
        message satisfies ServerMessage<WithoutState>;
    }
  }

  /** Takes a message that has been told before: what it is of is still there. */
  repeat(message: ServerMessage): void {
    if (message.type === "OrderBook") this.books.confirm(message.data.market_id);
    else if (message.type === "MarketUpdate") this.markets.confirm(message.data.market.market_id);
  }

  /** All subscriptions are about to say their first data; returns which doubt this is. */
  doubt(): number {
    this.markets.doubt();
    this.books.doubt();
    this.#settling = false;
    return ++this.#doubts;
  }

  /** All first data since a doubt have been said; nothing where there is a later one. */
  settle(doubt: number): void {
    if (doubt === this.#doubts) this.#settle();
  }

  /** A connection is gone, and with it the rest of a snapshot. */
  disconnected(): void {
    this.#inSnapshot = false;
    this.#settling = false;
    this.unsubscribed();
  }

  /** Drops what no subscription keeps up to date any more. */
  unsubscribed(): void {
    const subscribed = ({ market_id }: Market): boolean => this.#subscriptions.hasMarket(market_id);
    const filters = this.#subscriptions.filters();
    this.books.retain(({ market_id, depth }) => {
      const { hasMarket, book } = this.#has(market_id);
      return depth === undefined ? hasMarket : book !== undefined;
    });
    this.markets.retain(
      (market) => subscribed(market) || filters.some((filter) => matchesFilter(filter, market)),
    );
  }

  #has(marketId: MarketId) {
    const subscriptions = this.#subscriptions;
    return { hasMarket: subscriptions.hasMarket(marketId), book: subscriptions.book(marketId) };
  }

  #takeBook(message: BookMessage): void {
    if (this.#subscriptions.book(message.data.market_id) === undefined) return;
    if (this.#apply !== undefined) return this.#apply(message);
    if (this.#held.push(message) > 1) return;
    import("./book-keeper.js")
      .then(({ createBookKeeper }) => {
        this.#apply = createBookKeeper(this, this.#subscriptions, this.#events.outOfStep);
        this.#held.forEach(this.#apply);
      })
      // With the next message it is tried again.
      .catch(this.#events.threw)
      .finally(() => {
        this.#held = [];
      });
  }

  /** What a snapshot lacks is known with its last part. */
  #settle(): void {
    this.#settling = this.#inSnapshot;
    if (this.#inSnapshot) return;
    this.markets.settle();
    this.books.settle();
  }

  #market(market: Market): void {
    const { market_id } = market;
    if (!this.#subscriptions.hasMarket(market_id) && !this.#subscriptions.hasFilter) return;
    const held = this.markets.get(market_id);
    if (held === undefined) this.markets.set(market_id, market);
    else if (this.#events.isStale(market)) this.markets.confirm(market_id);
    // Prices may be ahead of states, which are told again after those.
    else if (held.seq <= market.seq && held.ts > market.ts) {
      const { price, best_bid, best_ask, ts } = held;
      this.markets.set(market_id, { ...market, price, best_bid, best_ask, ts });
    } else this.markets.set(market_id, market);
  }

  /**
   * A price is news to a market that is known, unless its state is newer. That the market is still one
   * of those subscribed it does not say.
   */
  #price({ market_id, price, best_bid, best_ask, ts }: PriceUpdate): void {
    const market = this.markets.get(market_id);
    if (market === undefined || ts < market.ts) return;
    this.markets.change(market_id, { ...market, price, best_bid, best_ask, ts });
  }
}
