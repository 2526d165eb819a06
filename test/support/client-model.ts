import type { Channel, MarketsFilter } from "../../src/codec/channels.js";
import { channelKey } from "../../src/codec/channels.js";
import type { ServerMessage } from "../../src/codec/server-messages.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { PublishedTruth } from "./published-truth.js";

type Message<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;
type Market = Message<"MarketUpdate">["data"]["market"];
type Stream = "state" | "price" | "book" | "trade";

/** What a client may compare itself with at the moment a message reaches it. */
export interface Surroundings {
  readonly truth: PublishedTruth;
  /** Markets that the shard's mirror has listed, with where their states stand. */
  readonly mirrored: () => Iterable<{ marketId: MarketId; stateSeq: number; priceSeq: number }>;
  /** The number of the last trade that the shard has read. */
  readonly lastTrade: (marketId: MarketId) => number;
}

export function matchesFilter(filter: MarketsFilter | null, market: Market): boolean {
  if (filter === null) return true;
  const { status, search, min_volume, max_volume } = filter;
  if (status !== undefined && !status.includes(market.status)) return false;
  if (search !== undefined && !market.title.toLowerCase().includes(search)) return false;
  if (min_volume !== undefined && market.volume < min_volume) return false;
  return max_volume === undefined || market.volume <= max_volume;
}

/**
 * An obvious client that holds the server to its contract: it throws at the first message that it
 * should not have been sent, or that says something else than was published.
 */
export class ClientModel {
  readonly filters = new Map<string, MarketsFilter | null>();
  readonly subscribed: Record<Stream, Set<MarketId>> = {
    state: new Set(),
    price: new Set(),
    book: new Set(),
    trade: new Set(),
  };
  allTrades = false;
  epoch = "";
  /** Moves when `Markets` channels may be told again. */
  interval = 0;
  /** Messages may be conflated for it: it was congested, or the shard was behind. */
  conflated = false;
  /** Messages that were left out. */
  skipped = 0;
  /** Markets that its `Markets` channels show, and the latest state it has of any market. */
  readonly view = new Set<MarketId>();
  readonly known = new Map<MarketId, Market>();
  readonly #newest = new Map<MarketId, number>();
  readonly #last = new Map<string, number>();
  /** First data that must come next. */
  readonly #due: string[] = [];
  readonly #toldAt = new Map<MarketId, number>();
  readonly #around: () => Surroundings;

  constructor(around: () => Surroundings) {
    this.#around = around;
  }

  get firstDataDue(): readonly string[] {
    return this.#due;
  }

  last(stream: Stream, marketId: MarketId): number | undefined {
    return this.#last.get(`${stream} ${marketId}`);
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "Subscribed":
        for (const channel of message.data.channels) this.#subscribe(channel);
        return;
      case "Unsubscribed":
        for (const channel of message.data.channels) this.#unsubscribe(channel);
        this.#judgeView();
        return;
      case "EpochChanged":
        return this.#restart(message.data.epoch);
      case "MarketSnapshot":
        return this.#takeSnapshot(message.data.markets);
      case "MarketUpdate":
        return this.#takeUpdate(message.data);
      case "PriceUpdate":
        return this.#takePrice(message.data);
      case "OrderBook":
        return this.#takeBook(message.data);
      case "TradeExecution":
        return this.#takeTrade(message.data.trade);
      default:
        return;
    }
  }

  /** To be called when an epoch ends: every trade of it that the client was due has come. */
  requireAllTrades(): void {
    for (const [id, { trades }] of this.#around().truth.markets) {
      if (!this.allTrades && !this.subscribed.trade.has(id)) continue;
      const last = this.last("trade", id) ?? 0;
      require(last === trades.length, `of ${trades.length} trades the last were lost`, {
        id,
        last,
      });
    }
  }

  /** Whether a state matches any of its `Markets` filters. */
  matches(market: Market): boolean {
    return [...this.filters.values()].some((filter) => matchesFilter(filter, market));
  }

  // --- Subscriptions ------------------------------------------------------------------------------

  #subscribe(channel: Channel): void {
    const { lastTrade, truth } = this.#around();
    const { trade, state, book, price } = this.subscribed;
    if (channel.type === "Markets") {
      const filter = channel.params?.filter ?? null;
      this.filters.set(channelKey(channel), filter);
      this.#expectMarkets(filter);
    } else if (channel.type === "Market") {
      const id = channel.params.market_id;
      state.add(id);
      book.add(id);
      this.#due.push(`Market ${id}`, `book ${id}`);
    } else if (channel.type === "PriceFeed") {
      for (const id of channel.params.market_ids) {
        price.add(id);
        this.#expectPrice(id, this.#mirrored(id)?.priceSeq as number);
      }
    } else if (channel.type === "Trades") {
      const ids = channel.params === null ? truth.markets.keys() : [channel.params.market_id];
      for (const id of ids) {
        if (this.allTrades || trade.has(id)) continue;
        this.#last.set(`trade ${id}`, lastTrade(id));
      }
      if (channel.params === null) this.allTrades = true;
      else trade.add(channel.params.market_id);
    }
  }

  #unsubscribe(channel: Channel): void {
    const forget = (stream: Stream, id: MarketId): void => {
      this.subscribed[stream].delete(id);
      this.#last.delete(`${stream} ${id}`);
    };
    if (channel.type === "Markets") this.filters.delete(channelKey(channel));
    else if (channel.type === "PriceFeed")
      for (const id of channel.params.market_ids) forget("price", id);
    else if (channel.type === "Market") {
      forget("state", channel.params.market_id);
      forget("book", channel.params.market_id);
    } else if (channel.type === "Trades" && channel.params === null) this.allTrades = false;
    else if (channel.type === "Trades")
      this.subscribed.trade.delete(channel.params?.market_id as MarketId);
  }

  #restart(epoch: string): void {
    this.epoch = epoch;
    this.view.clear();
    this.known.clear();
    this.#newest.clear();
    this.#last.clear();
    this.#due.length = 0;
    this.#toldAt.clear();
    for (const filter of this.filters.values()) this.#expectMarkets(filter);
    const { lastTrade, mirrored, truth } = this.#around();
    for (const id of truth.markets.keys()) this.#last.set(`trade ${id}`, lastTrade(id));
    for (const { marketId: id, priceSeq } of mirrored()) {
      if (this.subscribed.state.has(id)) this.#due.push(`Market ${id}`, `book ${id}`);
      if (this.subscribed.price.has(id)) this.#expectPrice(id, priceSeq);
    }
  }

  /** First data comes only where there is a price; where several channels name it, once. */
  #expectPrice(id: MarketId, priceSeq: number): void {
    const due = `price ${id}`;
    if (priceSeq === 0) this.#last.set(due, 0);
    else if (!this.#due.includes(due)) this.#due.push(due);
  }

  /** After a change of subscriptions: what it still hears of, and shows, follows from what it knows. */
  #judgeView(): void {
    this.view.clear();
    for (const [id, market] of this.known) {
      if (this.matches(market)) this.view.add(id);
      else if (!this.subscribed.state.has(id)) this.known.delete(id);
    }
  }

  #mirrored(id: MarketId) {
    return [...this.#around().mirrored()].find(({ marketId }) => marketId === id);
  }

  /** A snapshot tells of all markets how they stand, also of those that are not in it. */
  #expectMarkets(filter: MarketsFilter | null): void {
    const { truth, mirrored } = this.#around();
    const matching: MarketId[] = [];
    for (const { marketId: id, stateSeq } of mirrored()) {
      if (matchesFilter(filter, truth.of(id).market(stateSeq))) matching.push(id);
      else if (!this.view.has(id)) this.#newest.set(id, stateSeq);
    }
    this.#due.push(`Markets ${matching}`);
  }

  // --- Data ---------------------------------------------------------------------------------------

  #takeSnapshot(markets: readonly Market[]): void {
    const [only] = markets;
    // Where a Market and a Markets have the same markets, they have the same snapshot.
    const wanted = [`Markets ${markets.map(({ market_id }) => market_id)}`];
    if (markets.length === 1) wanted.push(`Market ${only?.market_id}`);
    const due = wanted.find((key) => this.#takeDue(key));
    require(due !== undefined, "a snapshot that nothing asked for", markets);
    for (const market of markets) {
      const id = market.market_id;
      this.#checkState(market);
      this.known.set(id, market);
      if (due?.startsWith("Markets")) this.view.add(id);
      if (!this.subscribed.state.has(id)) continue;
      const last = this.last("state", id);
      // What was due was sent before it.
      require(last === undefined || last === market.seq, `first data past ${last}`, market);
      this.#last.set(`state ${id}`, market.seq);
    }
  }

  #takeUpdate({ update_type, market }: Message<"MarketUpdate">["data"]): void {
    const id = market.market_id;
    const newest = this.#newest.get(id) ?? 0;
    this.#checkState(market);
    if (update_type === "Unmatched") return this.#takeUnmatched(market, newest);
    if (this.subscribed.state.has(id)) {
      const last = this.last("state", id);
      this.#advance("state", id, market.seq);
      if (last !== undefined) this.#checkType(update_type, market, last);
    } else {
      require(this.matches(market), "a market that matches no filter", market);
      require(market.seq > newest, `nothing new after ${newest}`, market);
      if (this.view.has(id)) this.#checkType(update_type, market, newest);
      this.#checkCadence(id, market);
      this.view.add(id);
    }
    this.known.set(id, market);
  }

  #takeUnmatched(market: Market, newest: number): void {
    const id = market.market_id;
    require(this.filters.size > 0, "Unmatched without a filter", market);
    require(!this.matches(market), "Unmatched, but it matches", market);
    const shown = this.view.delete(id);
    // From here on it is told nothing about it, unless by a Market channel.
    if (this.subscribed.state.has(id)) this.known.set(id, market);
    else this.known.delete(id);
    if (shown || this.subscribed.state.has(id)) return;
    // Not shown: then it must have matched for a moment.
    const history = this.#around().truth.of(id);
    const matched = history.states
      .slice(newest, market.seq)
      .some(({ stateSeq }) => this.matches(history.market(stateSeq)));
    require(matched, "Unmatched, but it never matched", market);
  }

  #checkCadence(id: MarketId, market: Market): void {
    const again = this.#toldAt.get(id) === this.interval;
    require(this.conflated || !again, "told twice in one interval", market);
    this.#toldAt.set(id, this.interval);
  }

  #checkType(type: string, market: Market, from: number): void {
    const expected = this.#around().truth.of(market.market_id).updateType(from, market.seq);
    require(type === expected, `update type is not ${expected}`, { type, market });
  }

  #takePrice({ ts, ...price }: Message<"PriceUpdate">["data"]): void {
    const id = price.market_id;
    const history = this.#around().truth.of(id);
    same(price, history.price(price.seq));
    const times = history.states.filter(({ priceSeq }) => priceSeq === price.seq);
    require(times.some((state) => state.ts === ts), "a ts of another price", price);
    this.#advanceOrStart("price", id, price.seq);
  }

  #takeBook({ ts, ...book }: Message<"OrderBook">["data"]): void {
    const id = book.market_id;
    const history = this.#around().truth.of(id);
    same(book, history.orderBook(book.seq));
    if (book.seq > 0) require(ts === history.books[book.seq - 1]?.ts, "a ts of another book", book);
    this.#advanceOrStart("book", id, book.seq);
  }

  #takeTrade(trade: Message<"TradeExecution">["data"]["trade"]): void {
    const id = trade.market_id;
    same(trade, this.#around().truth.of(id).trade(trade.seq));
    require(this.allTrades || this.subscribed.trade.has(id), "a trade not subscribed to", trade);
    const last = this.last("trade", id) ?? 0;
    require(trade.seq === last + 1, `a trade lost or repeated after ${last}`, trade);
    this.#last.set(`trade ${id}`, trade.seq);
  }

  #checkState(market: Market): void {
    const { market_id: id, seq } = market;
    same(market, this.#around().truth.of(id).market(seq));
    const newest = this.#newest.get(id) ?? 0;
    require(seq >= newest, `goes back from ${newest}`, market);
    this.#newest.set(id, seq);
  }

  /** Takes first data, which stands where the stream stood, or the stream's next number. */
  #advanceOrStart(stream: Stream, id: MarketId, seq: number): void {
    if (!this.#takeDue(`${stream} ${id}`)) return this.#advance(stream, id, seq);
    const last = this.last(stream, id);
    require(last === undefined || last === seq, `first data past ${last}`, { stream, id, seq });
    this.#last.set(`${stream} ${id}`, seq);
  }

  #takeDue(key: string): boolean {
    const at = this.#due.indexOf(key);
    if (at >= 0) this.#due.splice(at, 1);
    return at >= 0;
  }

  #advance(stream: Stream, id: MarketId, seq: number): void {
    const at = { stream, id, seq };
    require(this.subscribed[stream].has(id), "a stream not subscribed to", at);
    require(this.#due.length === 0, `first data is due: ${this.firstDataDue}`, at);
    const last = this.last(stream, id);
    this.#last.set(`${stream} ${id}`, seq);
    if (last === undefined) return;
    require(seq > last, `repeated, or back from ${last}`, at);
    require(this.conflated || seq === last + 1, `a jump from ${last}`, at);
    this.skipped += seq - last - 1;
  }
}

function require(holds: boolean, what: string, context: unknown): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(context)}`);
}

function same(actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`not what was published: ${one} is not ${other}`);
}
