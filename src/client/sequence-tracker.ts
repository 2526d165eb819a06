import type { Channel, Market, MarketId, ServerMessage } from "../contract/messages.js";
import type { Gap, Stream } from "./events.js";
import type { OrderPlaces } from "./order-places.js";
import type { Subscriptions } from "./subscriptions.js";

/** Types of messages without a number of these streams. */
type Unnumbered =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "EpochChanged" | "Error")
  | ("PositionSnapshot" | "PositionUpdate")
  | ("Pong" | "SystemStatus" | "Notification" | "ServerShutdown")
  | ("Heartbeat" | "CandleSnapshot" | "CandleUpdate" | "TradePage" | "CandlePage")
  | ("OrderValidated" | "OrderResults" | "OrdersCancelled" | "CancelAfterSet")
  | ("OrderPage" | "FillPage" | "BookUpdate" | "Published" | "PresenceUpdate");

/** Types of channels that have no streams with a place. */
type WithoutPlaces =
  | ("Markets" | "Orders" | "Positions" | "SystemStatus")
  | ("Heartbeat" | "Candles" | "Book" | "Presence");

/** How much later than its `ts` says a trade or an order may be told, as it is on disk first, in microseconds. */
const LATE_US_MAX = 900_000;

/** That of publications, whose numbers go on over the producers. */
const EVERY_EPOCH = "";

/** How far one stream of a market has been told. */
interface Place {
  /** Of `seq`. */
  epoch: string | undefined;
  /** 0 where only the position is known, from which on nothing may be missed. */
  seq: number;
  ts: number;
  /** Trades told with this `ts`: by those they are known in another epoch. */
  ids: string[];
  /** What a jump to the next number means; undefined where the next one may stand anywhere. */
  jump: Gap["kind"] | undefined;
  /** Messages that have been told may come again. */
  resumed: boolean;
}

/**
 * Knows how far the streams have been told, over connections and epochs: what has been missed, what comes
 * for a second time, and from where on a subscription goes on. It follows the streams that the contract
 * promises to be contiguous: prices of `PriceFeed`, trades, publications, and states and books of `Market` channels;
 * not the states of `Markets`. A private channel's stream has its name where others have their market.
 *
 * - A stream has a place of its own, as a connection may end between a price and its trade.
 * - The `seq` and `ts` of a place never decrease within an epoch, but for a server that does not resume.
 * - A trade is told once. Other messages that have been told already are kept from the program where the
 *   server was asked to go on from a position; else they are first data.
 */
export class SequenceTracker {
  readonly #subscriptions: Subscriptions;
  readonly #onGap: (gap: Gap) => void;
  readonly #places: Readonly<Record<Stream, Map<MarketId, Place>>> = {
    state: new Map(),
    price: new Map(),
    book: new Map(),
    trade: new Map(),
    publication: new Map(),
  };
  /**
   * How far the trades of all markets have been told, by those of markets without a `Trades` channel of
   * their own, which may be ahead.
   */
  #allTradesTs: number | undefined;
  /** There where there is a token, without which there are no orders. */
  orders: OrderPlaces | undefined;
  #epoch: string | undefined;
  /** Whether the server on this connection knows positions, so that `ts` never decreases. */
  #positional = false;

  constructor(subscriptions: Subscriptions, onGap: (gap: Gap) => void) {
    this.#subscriptions = subscriptions;
    this.#onGap = onGap;
  }

  /** Takes a message; returns whether it is news to the program. */
  take(message: ServerMessage): boolean {
    switch (message.type) {
      case "PriceUpdate":
        return this.#follow("price", message.data, this.#isMerged("PriceFeed", message.data));
      case "TradeExecution": {
        const { trade } = message.data;
        const news = this.#follow("trade", trade, false, trade.epoch, trade.trade_id);
        if (this.#subscriptions.hasOnlyAllTrades(trade.market_id)) this.#allTradesTs = trade.ts;
        return news;
      }
      case "Publication": {
        const { channel: market_id, seq, ts } = message.data;
        // While connected nothing is left out: a number that is its own time is where the channel has begun anew.
        const begins = seq === ts && this.#places.publication.get(market_id)?.jump === "lost";
        return this.#follow("publication", { market_id, seq, ts }, begins, EVERY_EPOCH);
      }
      case "OrderBook":
        // Books of a `Book` channel say themselves what they follow.
        if (message.data.depth !== undefined) return true;
        return this.#follow("book", message.data, this.#isMerged("Market", message.data));
      case "MarketUpdate": {
        const { market, update_type } = message.data;
        if (!this.#subscriptions.hasMarket(market.market_id)) return true;
        return (
          this.#follow("state", market, this.#isMerged("Market", market)) ||
          update_type === "Unmatched"
        );
      }
      case "MarketSnapshot":
        for (const market of message.data.markets) {
          const { market_id } = market;
          if (!this.#subscriptions.hasMarket(market_id)) continue;
          const place = this.#places.state.get(market_id);
          if (place?.resumed === false) restart(place);
          this.#follow("state", market, this.#isMerged("Market", market));
        }
        return true;
      case "OrderSnapshot":
        this.orders?.begun(message.data.wallet);
        return true;
      case "Fill":
      case "OrderUpdate":
        return this.orders?.take(message) ?? true;
      default:
        message satisfies ServerMessage<Unnumbered>;
        return true;
    }
  }

  /** Whether a later state of the market than this one has been told. */
  isStale({ market_id, seq }: Market): boolean {
    const place = this.#places.state.get(market_id);
    return place?.resumed === true && place.epoch === this.#epoch && seq < place.seq;
  }

  /** The streams of a channel, each with its market; undefined is every one. */
  streamsOf(channel: Channel): [Stream, MarketId | undefined][] {
    switch (channel.type) {
      case "PriceFeed":
        return channel.params.market_ids.map((id) => ["price", id]);
      case "Market":
        return [
          ["state", channel.params.market_id],
          ["book", channel.params.market_id],
        ];
      case "Trades":
        return [["trade", channel.params?.market_id]];
      case "Private":
        return [["publication", channel.params.channel]];
      default:
        channel.type satisfies WithoutPlaces;
        return [];
    }
  }

  /** Where a channel of orders is to go on, if that is known, in microseconds. */
  ordersSince(channel: Extract<Channel, { readonly type: "Orders" }>): number | undefined {
    return this.orders?.since(channel);
  }

  /** The `ts` up to which a stream has been told, if that is known; that of the trades of all markets. */
  tsOf(stream: Stream, marketId: MarketId | undefined): number | undefined {
    return marketId === undefined ? this.#allTradesTs : this.#places[stream].get(marketId)?.ts;
  }

  /**
   * First data of these channels come next, behind what was missed where they say `recovered`.
   * @param asked what the program asked for, where it was the program
   * @param fromTs what was told before need not be told, where nothing is known of a channel
   */
  subscribed(channels: readonly Channel[], asked: readonly Channel[] = [], fromTs?: number): void {
    for (const channel of asked) {
      // Whoever names a position wants all from there on, be it a second time.
      if (channel.since !== undefined) this.#forget(channel);
      // Of others the first data are all there is.
      const isWhole = ["Trades", "Orders", "Private"].includes(channel.type);
      const ts =
        channel.since ?? (isWhole && fromTs ? Math.max(0, fromTs - LATE_US_MAX) : undefined);
      if (ts === undefined) continue;
      this.#begin(channel, ts);
      if (channel.type === "Orders") this.orders?.begin(channel, ts, channel.since !== undefined);
    }
    for (const channel of channels) {
      const { recovered } = channel;
      if (recovered !== undefined) this.#positional = true;
      if (channel.type === "Orders") this.orders?.subscribed(channel);
      for (const [places, id] of this.streamsOf(channel)) this.#resume(places, recovered, id);
    }
  }

  /** Forgets the streams that are not subscribed any more, so that their memory is bounded. */
  unsubscribed(): void {
    const { price, trade, state, book, publication } = this.#places;
    const subscriptions = this.#subscriptions;
    retain(price, (id) => subscriptions.hasPrices(id));
    retain(trade, (id) => subscriptions.hasTrades(id));
    retain(state, (id) => subscriptions.hasMarket(id));
    retain(book, (id) => subscriptions.hasMarket(id));
    retain(publication, (name) => subscriptions.hasPrivate(name));
    if (!subscriptions.hasAllTrades) this.#allTradesTs = undefined;
    this.orders?.retain(subscriptions.orderWallets());
  }

  /** The connection is gone: the next one is compared with where it stood. */
  disconnected(): void {
    this.#positional = false;
    this.orders?.reset();
    for (const places of Object.values(this.#places)) {
      for (const place of places.values()) {
        place.jump = "disconnected";
        place.resumed = false;
      }
    }
  }

  /** Every number starts again at 1, but for trades that say the epoch of theirs, and publications, whose go on higher. */
  reset(epoch: string): void {
    this.#epoch = epoch;
    for (const place of this.#places.publication.values()) restart(place);
    this.orders?.reset();
  }

  #forget(channel: Channel): void {
    for (const [stream, id] of this.streamsOf(channel)) {
      if (id !== undefined) this.#places[stream].delete(id);
      else {
        this.#places[stream].clear();
        this.#allTradesTs = undefined;
      }
    }
  }

  /**
   * Nothing of a channel may be missed from a position on, though nothing has been told of it; what is told
   * first may be from before that.
   */
  #begin(channel: Channel, ts: number): void {
    for (const [stream, id] of this.streamsOf(channel)) {
      if (id === undefined) this.#allTradesTs ??= ts;
      else if (!this.#places[stream].has(id))
        this.#places[stream].set(id, newPlace(this.#epoch, 0, ts));
    }
  }

  #resume(stream: Stream, recovered: boolean | undefined, marketId: MarketId | undefined): void {
    const places = this.#places[stream];
    const concerned = marketId === undefined ? places.values() : [places.get(marketId)];
    for (const place of concerned) {
      if (place === undefined) continue;
      place.resumed = recovered !== undefined;
      if (recovered === true) place.jump = ordinaryJump(stream);
      else if (stream !== "trade") restart(place);
    }
  }

  /** Whether numbers of a market's streams may be left out, as they are told at an interval. */
  #isMerged(type: "Market" | "PriceFeed", { market_id }: { market_id: MarketId }): boolean {
    return this.#subscriptions.isMerged(type, market_id);
  }

  /**
   * A message of a stream; returns whether it is news.
   * @param merged jumps mean nothing
   */
  #follow(
    stream: Stream,
    { market_id: id, seq, ts }: { market_id: MarketId; seq: number; ts: number },
    merged: boolean,
    epoch = this.#epoch,
    tradeId?: string,
  ): boolean {
    const place = this.#places[stream].get(id);
    if (place === undefined) {
      const first = newPlace(epoch, seq, ts, tradeId);
      first.jump = ordinaryJump(stream);
      this.#places[stream].set(id, first);
      return true;
    }
    const from = place.seq;
    if (from > 0 && epoch === place.epoch) {
      if (seq <= from && (tradeId !== undefined || place.resumed)) return false;
      if (seq > from + 1 && place.jump !== undefined && !merged)
        this.#onGap({
          stream,
          marketId: id,
          from,
          to: seq,
          missed: seq - from - 1,
          kind: place.jump,
        });
    } else if (from > 0 && tradeId !== undefined && this.#positional) {
      if (ts < place.ts || (ts === place.ts && place.ids.includes(tradeId))) return false;
    }
    if (tradeId !== undefined) {
      if (ts !== place.ts) place.ids = [];
      place.ids.push(tradeId);
    }
    place.epoch = epoch;
    place.seq = seq;
    place.ts = ts;
    place.jump = ordinaryJump(stream);
    return true;
  }
}

function newPlace(epoch: string | undefined, seq: number, ts: number, tradeId?: string): Place {
  const ids = tradeId === undefined ? [] : [tradeId];
  return { epoch, seq, ts, ids, jump: undefined, resumed: false };
}

/** First data come next: on the connection that the place is of they may stand anywhere. */
function restart(place: Place): void {
  if (place.jump !== "disconnected") place.jump = undefined;
}

function ordinaryJump(stream: Stream): Gap["kind"] {
  return stream === "trade" || stream === "publication" ? "lost" : "conflated";
}

function retain(places: Map<MarketId, Place>, keep: (id: MarketId) => boolean): void {
  for (const id of places.keys()) if (!keep(id)) places.delete(id);
}
