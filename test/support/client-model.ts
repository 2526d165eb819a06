import type { CanonicalFilter } from "../../src/contract/canonical-filter.js";
import { channelKey, isNamed, isPrivate } from "../../src/contract/channel-kinds.js";
import type { Channel } from "../../src/contract/channels-schema.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { PublishedTruth } from "./published-truth.js";

type Message<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;
type Market = Message<"MarketUpdate">["data"]["market"];
type Stream = "state" | "price" | "book" | "trade";

/** What a client may compare itself with at the moment a message reaches it. */
export interface Surroundings {
  /** What was published in the epoch that the client is in. */
  readonly truth: PublishedTruth;
  /** Markets that the shard's mirror has listed, by slot, with where their states stand. */
  readonly mirrored: () => Iterable<MirroredMarket>;
  /** The number of the last trade that the shard has read. */
  readonly lastTrade: (marketId: MarketId) => number;
  /** From which `ts` on everything of the epoch can be told again. */
  readonly firstTs: number;
  /** The number of the last trade of before the epoch that the client is in. */
  readonly tradesBefore: (marketId: MarketId) => number;
}

export interface MirroredMarket {
  readonly marketId: MarketId;
  readonly stateSeq: number;
  readonly priceSeq: number;
  readonly topBook: { readonly seq: number } | undefined;
}

type MarketsDue = Extract<Due, { readonly what: "Markets" }>;

/** First data that must come next; of a snapshot in parts, the markets that were in none yet. */
type Due =
  | { readonly what: "Markets"; readonly filter: CanonicalFilter | null; from: number }
  | {
      readonly what: "Market" | "book" | "price";
      readonly id: MarketId;
      /** The market was not listed; if it still is not when its turn comes, nothing comes. */
      readonly optional: boolean;
    };

export function matchesFilter(filter: CanonicalFilter | null, market: Market): boolean {
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
  readonly filters = new Map<string, CanonicalFilter | null>();
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
  /** In their order, but for prices, which come last. */
  readonly #due: Due[] = [];
  readonly #toldAt = new Map<MarketId, number>();
  readonly #around: () => Surroundings;

  /** @param around of the epoch that the model is in */
  constructor(around: (epoch: string) => Surroundings) {
    this.#around = () => around(this.epoch);
  }

  /** All first data have been sent: what is still due had nothing to be told of. */
  firstDataDone(): void {
    if (this.#due.length === 0) return;
    const mirrored = new Map([...this.#around().mirrored()].map((one) => [one.marketId, one]));
    for (const due of this.#due.splice(0)) {
      if (due.what === "price" && mirrored.get(due.id)?.priceSeq === 0)
        this.#last.set(`price ${due.id}`, 0);
      else require(due.what !== "Markets" && due.optional, "first data are missing", due);
    }
  }

  last(stream: Stream, marketId: MarketId): number | undefined {
    return this.#last.get(`${stream} ${marketId}`);
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "Subscribed":
        // Replies come in the order of their requests, with first data behind each, and name channels
        // in canonical form.
        this.firstDataDone();
        for (const channel of message.data.channels) this.#subscribe(channel as Channel);
        return;
      case "Unsubscribed":
        this.firstDataDone();
        for (const channel of message.data.channels) this.#unsubscribe(channel as Channel);
        this.#judgeView();
        return;
      case "EpochChanged":
        this.#requireAllTrades();
        return this.#restart(message.data.epoch);
      case "MarketSnapshot":
        return this.#takeSnapshot(message.data.markets, message.data.more === true);
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

  /** An epoch has ended: every trade of it that the client was due has come before. */
  #requireAllTrades(): void {
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

  #subscribe(channel: Channel & { readonly recovered?: boolean }): void {
    // What is private, and what users publish, are other models'.
    if (isPrivate(channel) || isNamed(channel)) return;
    const { lastTrade, truth, firstTs } = this.#around();
    const { trade, state, book, price } = this.subscribed;
    const { since, recovered } = channel;
    if (since !== undefined)
      require(recovered === since >= firstTs, `recovered, and ${firstTs} is the first`, channel);
    if (since !== undefined && recovered === true) this.#goBack(channel, since);
    if (recovered === true) return;
    if (channel.type === "Markets") {
      const filter = channel.params?.filter ?? null;
      this.filters.set(channelKey(channel), filter);
      this.#due.push({ what: "Markets", filter, from: 0 });
    } else if (channel.type === "Market") {
      const id = channel.params.market_id;
      state.add(id);
      book.add(id);
      this.#expectMarket(id);
    } else if (channel.type === "PriceFeed") {
      for (const id of channel.params.market_ids) {
        price.add(id);
        this.#expectPrice(id);
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

  /** What comes next of a channel is the first message that is not before `since`. */
  #goBack(channel: Channel, since: number): void {
    const { lastTrade, truth, mirrored } = this.#around();
    const before = (all: readonly { readonly ts: number }[], read: number): number =>
      Math.min(read, all.filter(({ ts }) => ts < since).length);
    const stands = (id: MarketId) => [...mirrored()].find(({ marketId }) => marketId === id);
    const { subscribed } = this;
    if (channel.type === "Trades") {
      const ids = channel.params === null ? truth.markets.keys() : [channel.params.market_id];
      for (const id of ids) {
        const first = before(truth.of(id).trades, lastTrade(id));
        const isNew = !this.allTrades && !subscribed.trade.has(id);
        const last = isNew ? first : Math.min(first, this.last("trade", id) ?? 0);
        this.#last.set(`trade ${id}`, last);
        if (channel.params !== null) subscribed.trade.add(id);
      }
      if (channel.params === null) this.allTrades = true;
    } else if (channel.type === "PriceFeed") {
      for (const id of channel.params.market_ids) {
        const told = truth.of(id).states.filter(({ ts }) => ts < since);
        const last = Math.min(told.at(-1)?.priceSeq ?? 0, stands(id)?.priceSeq ?? 0);
        this.#last.set(`price ${id}`, last);
        subscribed.price.add(id);
      }
    } else if (channel.type === "Market") {
      const id = channel.params.market_id;
      const { states, books } = truth.of(id);
      const at = stands(id);
      this.#last.set(`state ${id}`, before(states, at?.stateSeq ?? 0));
      this.#last.set(`book ${id}`, before(books, at?.topBook?.seq ?? 0));
      this.#newest.delete(id);
      subscribed.state.add(id);
      subscribed.book.add(id);
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
    for (const filter of this.filters.values())
      this.#due.push({ what: "Markets", filter, from: 0 });
    const { tradesBefore, truth } = this.#around();
    for (const id of truth.markets.keys()) this.#last.set(`trade ${id}`, tradesBefore(id));
    for (const id of this.subscribed.state) this.#expectMarket(id);
    for (const id of this.subscribed.price) this.#expectPrice(id);
  }

  #expectMarket(id: MarketId): void {
    const optional = !this.#isListed(id);
    this.#due.push({ what: "Market", id, optional }, { what: "book", id, optional });
  }

  /** Where several channels name a market, it comes once. */
  #expectPrice(id: MarketId): void {
    if (this.#isDue("price", id)) return;
    // Of one that was asked for before and had no quote, what comes may be its first update instead.
    const optional = !this.#isListed(id) || this.last("price", id) === 0;
    this.#due.push({ what: "price", id, optional });
  }

  #isListed(id: MarketId): boolean {
    return [...this.#around().mirrored()].some(({ marketId }) => marketId === id);
  }

  /** After a change of subscriptions: what it still hears of, and shows, follows from what it knows. */
  #judgeView(): void {
    this.view.clear();
    for (const [id, market] of this.known) {
      if (this.matches(market)) this.view.add(id);
      else if (!this.subscribed.state.has(id)) this.known.delete(id);
    }
  }

  // --- Data ---------------------------------------------------------------------------------------

  #takeSnapshot(markets: readonly Market[], more: boolean): void {
    const snapshots = this.#due.filter(({ what }) => what === "Markets" || what === "Market");
    const [next] = snapshots.filter((due) => due.what === "Markets" || !due.optional);
    if (next?.what === "Markets") this.#takeMarkets(markets, more);
    else {
      const id = markets[0]?.market_id;
      require(!more && markets.length === 1, "a Market in parts", markets);
      const due = snapshots.find((one) => one.what === "Market" && one.id === id);
      require(due !== undefined, "a snapshot that nothing asked for", markets);
      this.#due.splice(this.#due.indexOf(due as Due), 1);
    }
    for (const market of markets) {
      const id = market.market_id;
      this.#checkState(market);
      this.known.set(id, market);
      if (next?.what === "Markets") this.view.add(id);
      if (!this.subscribed.state.has(id)) continue;
      const last = this.last("state", id);
      // What was due was sent before it.
      require(last === undefined || last === market.seq, `first data past ${last}`, market);
      if (last !== undefined || next?.what !== "Markets") this.#last.set(`state ${id}`, market.seq);
    }
  }

  /**
   * Takes a part of a snapshot: the next of the matching markets as they stand now, all that are left
   * if it is the last. It tells as well how those stand between them that are not in it.
   */
  #takeMarkets(markets: readonly Market[], more: boolean): void {
    const { truth, mirrored } = this.#around();
    const ids = markets.map(({ market_id }) => market_id);
    const all = [...mirrored()];
    const to = more ? all.findIndex(({ marketId }) => marketId === ids.at(-1)) + 1 : all.length;
    const rangeOf = (due: MarketsDue) =>
      all.slice(due.from, to).map(({ marketId, stateSeq }) => ({
        id: marketId,
        stateSeq,
        matches: matchesFilter(due.filter, truth.of(marketId).market(stateSeq)),
      }));
    const waiting = this.#due.filter((due) => due.what === "Markets");
    const begun = waiting.filter((due) => due.from > 0);
    const due = (begun.length > 0 ? begun : waiting).find((one) => {
      const matching = rangeOf(one).filter(({ matches }) => matches);
      return JSON.stringify(matching.map(({ id }) => id)) === JSON.stringify(ids);
    });
    require(due !== undefined, "a part of no snapshot that is due", { ids, more, waiting });
    require(!more || ids.length > 0, "an empty part before the last", due);
    for (const { id, stateSeq, matches } of rangeOf(due as MarketsDue)) {
      if (!matches && !this.view.has(id)) this.#newest.set(id, stateSeq);
    }
    if (more) (due as MarketsDue).from = to;
    else this.#due.splice(this.#due.indexOf(due as Due), 1);
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
    const waits = this.#due.some(
      (due) => due.what === "Markets" || (due.what !== "price" && !due.optional),
    );
    const again = this.last("price", id) !== undefined;
    require(!waits || again || !this.#isDue("price", id), "a price before snapshots", price);
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
  #advanceOrStart(stream: "book" | "price", id: MarketId, seq: number): void {
    const last = this.last(stream, id);
    // What a live stream is due comes before its first data, if those come again.
    const isUpdate = last !== undefined && seq !== last;
    if (isUpdate || !this.#takeDue(stream, id)) return this.#advance(stream, id, seq);
    this.#last.set(`${stream} ${id}`, seq);
  }

  #isDue(what: "Market" | "book" | "price", id: MarketId): boolean {
    return this.#due.some((due) => due.what === what && due.id === id);
  }

  #takeDue(what: "book" | "price", id: MarketId): boolean {
    const at = this.#due.findIndex((due) => due.what === what && due.id === id);
    if (at >= 0) this.#due.splice(at, 1);
    return at >= 0;
  }

  #advance(stream: Stream, id: MarketId, seq: number): void {
    const at = { stream, id, seq };
    require(this.subscribed[stream].has(id), "a stream not subscribed to", at);
    const last = this.last(stream, id);
    const isDue = this.#due.some(
      (due) =>
        due.what === (stream === "state" ? "Market" : stream) && due.id === id && !due.optional,
    );
    require(last !== undefined || !isDue, "first data are due", at);
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
