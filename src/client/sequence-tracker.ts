import type { Channel, MarketId, ServerMessage } from "../contract/messages.js";
import type { Gap, Stream } from "./events.js";
import type { Subscriptions } from "./subscriptions.js";

const STREAMS = ["state", "price", "book", "trade"] as const satisfies readonly Stream[];

/** Types of messages without a number of these streams. */
type Unnumbered =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "Error" | "Pong")
  | ("OrderSnapshot" | "OrderUpdate" | "PositionSnapshot" | "PositionUpdate")
  | ("SystemStatus" | "Notification" | "BookUpdate");

/** Types of channels without first data that have numbers of these streams. */
type WithoutNumbers = "Markets" | "Book" | "Trades" | "Orders" | "Positions" | "SystemStatus";

type Positions = Readonly<Record<Stream, Map<MarketId, number>>>;

const noPositions = (): Positions => ({
  state: new Map(),
  price: new Map(),
  book: new Map(),
  trade: new Map(),
});

/**
 * Follows the sequence numbers of the streams that the contract promises to be contiguous: prices of
 * `PriceFeed`, trades, and states and books of `Market` channels; not the states of `Markets`.
 *
 * The first data after a subscription may stand anywhere. Across a reconnect they are compared with
 * where the last connection stood; within an epoch what lies between the two was missed.
 */
export class SequenceTracker {
  readonly #subscriptions: Subscriptions;
  readonly #onGap: (gap: Gap) => void;
  /** The last number received on this connection. */
  #here = noPositions();
  /** The last number of an earlier connection, where none has been received on this one. */
  #before = noPositions();

  constructor(subscriptions: Subscriptions, onGap: (gap: Gap) => void) {
    this.#subscriptions = subscriptions;
    this.#onGap = onGap;
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "PriceUpdate":
        if (this.#subscriptions.isMerged("PriceFeed", message.data.market_id)) return;
        return this.#follow("price", message.data.market_id, message.data.seq);
      case "TradeExecution":
        return this.#follow("trade", message.data.trade.market_id, message.data.trade.seq);
      case "OrderBook":
        // Books of a `Book` channel say themselves what they follow.
        if (message.data.depth !== undefined || this.#isMerged(message.data.market_id)) return;
        return this.#follow("book", message.data.market_id, message.data.seq);
      case "MarketUpdate": {
        const { market_id, seq } = message.data.market;
        if (this.#subscriptions.hasMarket(market_id) && !this.#isMerged(market_id))
          this.#follow("state", market_id, seq);
        return;
      }
      case "MarketSnapshot":
        for (const { market_id, seq } of message.data.markets) {
          if (!this.#subscriptions.hasMarket(market_id) || this.#isMerged(market_id)) continue;
          this.#here.state.delete(market_id);
          this.#follow("state", market_id, seq);
        }
        return;
      case "EpochChanged":
        return this.reset();
      default:
        message satisfies ServerMessage<Unnumbered>;
    }
  }

  /** First data of these channels come next. */
  subscribed(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (channel.type === "PriceFeed") {
        for (const id of channel.params.market_ids) this.#here.price.delete(id);
      } else if (channel.type === "Market") {
        this.#here.state.delete(channel.params.market_id);
        this.#here.book.delete(channel.params.market_id);
      } else {
        channel.type satisfies WithoutNumbers;
      }
    }
  }

  /** Forgets the streams that are not subscribed any more, so that their memory is bounded. */
  unsubscribed(): void {
    const subscriptions = this.#subscriptions;
    for (const positions of [this.#here, this.#before]) {
      retain(positions.price, (id) => subscriptions.hasPrices(id));
      retain(positions.trade, (id) => subscriptions.hasTrades(id));
      retain(positions.state, (id) => subscriptions.hasMarket(id));
      retain(positions.book, (id) => subscriptions.hasMarket(id));
    }
  }

  /** The connection is gone: the next one is compared with where it stood. */
  disconnected(): void {
    for (const stream of STREAMS) {
      for (const [id, seq] of this.#here[stream]) this.#before[stream].set(id, seq);
    }
    this.#here = noPositions();
  }

  /** Another epoch: every number starts again at 1, and nothing before it can be compared. */
  reset(): void {
    this.#here = noPositions();
    this.#before = noPositions();
  }

  #isMerged(marketId: MarketId): boolean {
    return this.#subscriptions.isMerged("Market", marketId);
  }

  #follow(stream: Stream, marketId: MarketId, seq: number): void {
    const here = this.#here[stream];
    const last = here.get(marketId);
    here.set(marketId, seq);
    if (last === undefined) this.#resume(stream, marketId, seq);
    else if (seq > last + 1) {
      this.#report(stream, marketId, last, seq, stream === "trade" ? "lost" : "conflated");
    }
  }

  #resume(stream: Stream, marketId: MarketId, seq: number): void {
    const before = this.#before[stream];
    const last = before.get(marketId);
    if (last === undefined) return;
    before.delete(marketId);
    if (seq > last + 1) this.#report(stream, marketId, last, seq, "disconnected");
  }

  #report(stream: Stream, marketId: MarketId, from: number, to: number, kind: Gap["kind"]): void {
    this.#onGap({ stream, marketId, from, to, missed: to - from - 1, kind });
  }
}

function retain(positions: Map<MarketId, number>, keep: (id: MarketId) => boolean): void {
  for (const id of positions.keys()) if (!keep(id)) positions.delete(id);
}
