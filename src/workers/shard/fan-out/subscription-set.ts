import type { CanonicalFilter } from "../../../contract/canonical-filter.js";
import { channelKey } from "../../../contract/channel-kinds.js";
import type { PublicChannel } from "../../../contract/channels-schema.js";
import { MERGE_INTERVALS_MS } from "../../../contract/limits.js";
import type { ChannelType, MergeInterval } from "../../../contract/messages.js";
import type { CandleInterval } from "../../../shared/candle.js";
import { compareMarketIds, type MarketId } from "../../../shared/market-id.js";
import type { BookTerms } from "./stream-terms.js";

/** How the prices of a market are told. */
export interface PriceTerms {
  readonly sizes: boolean;
  readonly intervalMs: MergeInterval;
}

/** How the books of a market are told. */
interface BookChannelTerms extends BookTerms {
  readonly intervalMs: MergeInterval;
}

/** The key of a `Markets` channel's filter, whatever its interval is. */
export function filterKey(filter: CanonicalFilter | null): string {
  return channelKey({ type: "Markets", params: filter === null ? null : { filter } });
}

/** A series of candles as a subscription names it. */
export interface CandleRequest {
  readonly marketId: MarketId;
  readonly interval: CandleInterval;
  /** How many candles come at once. */
  readonly limit: number;
}

/** What sets a series apart from others. */
export function seriesKey(marketId: MarketId, interval: CandleInterval): string {
  return `${marketId} ${interval}`;
}

/**
 * The public channels of a connection, as sets. Shared by all connections with the same ones and never
 * changed once it is; a change starts with a copy.
 */
export class SubscriptionSet {
  /** Filters of `Markets`, by their key; null asks for every market. */
  readonly filters: Map<string, CanonicalFilter | null>;
  /** Intervals of those filters that have one, in ms. */
  readonly filterIntervals: Map<string, MergeInterval>;
  /** Markets of `Market` channels, with their intervals in ms. */
  readonly states: Map<MarketId, MergeInterval>;
  /** Markets of `PriceFeed`. */
  readonly prices: Map<MarketId, PriceTerms>;
  /** Markets of `Book` channels. */
  readonly books: Map<MarketId, BookChannelTerms>;
  /** Markets of `Trades` channels that name one. */
  readonly trades: Set<MarketId>;
  /** Series of `Candles`, by their key; a series is asked for with one limit. */
  readonly candles: Map<string, CandleRequest>;
  allTrades: boolean;
  systemStatus: boolean;
  /** Milliseconds between two heartbeats; undefined for none. There is one such channel at most. */
  heartbeatMs: number | undefined;
  #key: string | undefined;

  constructor(from?: SubscriptionSet) {
    this.filters = new Map(from?.filters);
    this.filterIntervals = new Map(from?.filterIntervals);
    this.states = new Map(from?.states);
    this.prices = new Map(from?.prices);
    this.books = new Map(from?.books);
    this.trades = new Set(from?.trades);
    this.candles = new Map(from?.candles);
    this.allTrades = from?.allTrades ?? false;
    this.systemStatus = from?.systemStatus ?? false;
    this.heartbeatMs = from?.heartbeatMs;
  }

  /**
   * What somebody begins with who is told these part by part, beside what was told before: `Markets`,
   * told nothing until they have their snapshots, and trades and heartbeats, which have no first data.
   */
  beginning(before: SubscriptionSet | undefined): SubscriptionSet {
    const begun = new SubscriptionSet(before);
    for (const [key, filter] of this.filters) begun.filters.set(key, filter);
    begun.filterIntervals.clear();
    for (const [key, intervalMs] of this.filterIntervals)
      begun.filterIntervals.set(key, intervalMs);
    for (const id of this.trades) begun.trades.add(id);
    begun.allTrades ||= this.allTrades;
    begun.heartbeatMs = this.heartbeatMs;
    return begun;
  }

  /** How many there are; each market of `PriceFeed` counts as one. */
  get size(): number {
    return Object.values(this.countByChannel()).reduce((sum, count) => sum + count, 0);
  }

  /** Whether one of them names a market; those of all markets, and filters, name none. */
  names(id: MarketId): boolean {
    const { prices, states, books, trades, candles } = this;
    if (prices.has(id) || states.has(id) || books.has(id) || trades.has(id)) return true;
    for (const { marketId } of candles.values()) if (marketId === id) return true;
    return false;
  }

  /** The markets that they name. */
  namedMarkets(): Set<MarketId> {
    const named = new Set(this.trades);
    for (const id of this.prices.keys()) named.add(id);
    for (const id of this.states.keys()) named.add(id);
    for (const id of this.books.keys()) named.add(id);
    for (const { marketId } of this.candles.values()) named.add(marketId);
    return named;
  }

  countByChannel(): Readonly<Partial<Record<ChannelType, number>>> {
    return {
      Markets: this.filters.size,
      Market: this.states.size,
      PriceFeed: this.prices.size,
      Book: this.books.size,
      Trades: this.trades.size + (this.allTrades ? 1 : 0),
      SystemStatus: this.systemStatus ? 1 : 0,
      Candles: this.candles.size,
      Heartbeat: this.heartbeatMs === undefined ? 0 : 1,
    };
  }

  add(channel: PublicChannel): void {
    switch (channel.type) {
      case "Markets":
        this.#addFilter(channel.params?.filter ?? null, intervalOf(channel));
        break;
      case "Market":
        this.states.set(channel.params.market_id, intervalOf(channel));
        break;
      case "PriceFeed": {
        const terms = priceTermsOf(channel);
        for (const id of channel.params.market_ids) this.prices.set(id, terms);
        break;
      }
      case "Book":
        this.books.set(channel.params.market_id, bookTermsOf(channel));
        break;
      case "Trades":
        if (channel.params === null) this.allTrades = true;
        else this.trades.add(channel.params.market_id);
        break;
      case "SystemStatus":
        this.systemStatus = true;
        break;
      case "Candles": {
        const { market_id: marketId, interval, limit } = channel.params;
        this.candles.set(seriesKey(marketId, interval), { marketId, interval, limit });
        break;
      }
      case "Heartbeat":
        this.heartbeatMs = channel.params.interval_ms;
        break;
      default:
        channel satisfies never;
    }
  }

  remove(channel: PublicChannel): void {
    switch (channel.type) {
      case "Markets":
        this.#removeFilter(filterKey(channel.params?.filter ?? null), intervalOf(channel));
        break;
      case "Market": {
        const { market_id } = channel.params;
        if (this.states.get(market_id) === intervalOf(channel)) this.states.delete(market_id);
        break;
      }
      case "PriceFeed": {
        const terms = priceTermsOf(channel);
        for (const id of channel.params.market_ids)
          if (this.prices.get(id) === terms) this.prices.delete(id);
        break;
      }
      case "Book": {
        const { market_id } = channel.params;
        if (keyOf(this.books.get(market_id)) === keyOf(bookTermsOf(channel)))
          this.books.delete(market_id);
        break;
      }
      case "Trades":
        if (channel.params === null) this.allTrades = false;
        else this.trades.delete(channel.params.market_id);
        break;
      case "SystemStatus":
        this.systemStatus = false;
        break;
      case "Candles":
        this.candles.delete(seriesKey(channel.params.market_id, channel.params.interval));
        break;
      case "Heartbeat":
        if (this.heartbeatMs === channel.params.interval_ms) this.heartbeatMs = undefined;
        break;
      default:
        channel satisfies never;
    }
  }

  #addFilter(filter: CanonicalFilter | null, intervalMs: MergeInterval): void {
    const key = filterKey(filter);
    this.filters.set(key, filter);
    if (intervalMs === 0) this.filterIntervals.delete(key);
    else this.filterIntervals.set(key, intervalMs);
  }

  #removeFilter(key: string, intervalMs: MergeInterval): void {
    if ((this.filterIntervals.get(key) ?? 0) !== intervalMs) return;
    this.filters.delete(key);
    this.filterIntervals.delete(key);
  }

  /** A text that equal sets share; once it is asked for, the set does not change any more. */
  key(): string {
    this.#key ??= this.#makeKey();
    return this.#key;
  }

  #makeKey(): string {
    const ids = (set: Set<MarketId>): string => [...set].sort(compareMarketIds).join(",");
    const withTerms = <Terms>(map: Map<MarketId, Terms>, text: (terms: Terms) => string): string =>
      [...map]
        .sort(([a], [b]) => compareMarketIds(a, b))
        .map(([id, terms]) => `${id}${text(terms)}`)
        .join(",");
    return [
      [...this.filters.keys()].sort().join(";"),
      [...this.filterIntervals].sort().join(";"),
      withTerms(this.states, (intervalMs) => (intervalMs === 0 ? "" : `:${intervalMs}`)),
      withTerms(this.prices, (terms) => (terms === PLAIN_PRICES ? "" : `:${keyOf(terms)}`)),
      withTerms(this.books, (terms) => `:${keyOf(terms)}`),
      ids(this.trades),
      this.allTrades ? "t" : "",
      this.systemStatus ? "s" : "",
      this.heartbeatMs ?? "",
      [...this.candles]
        .map(([key, { limit }]) => `${key} ${limit}`)
        .sort()
        .join(","),
    ].join("|");
  }
}

type ChannelOf<T extends PublicChannel["type"]> = Extract<PublicChannel, { readonly type: T }>;

/** Equal terms of prices are one object. */
const PRICE_TERMS: readonly PriceTerms[] = [false, true].flatMap((sizes) =>
  MERGE_INTERVALS_MS.map((intervalMs) => ({ sizes, intervalMs })),
);
const PLAIN_PRICES = PRICE_TERMS[0] as PriceTerms;

function intervalOf({ params }: ChannelOf<"Markets" | "Market" | "PriceFeed" | "Book">) {
  return params?.interval_ms ?? 0;
}

/** The terms of a `PriceFeed`; equal ones are one object. */
export function priceTermsOf(channel: ChannelOf<"PriceFeed">): PriceTerms {
  const { sizes = false } = channel.params;
  const intervalMs = intervalOf(channel);
  return PRICE_TERMS.find(
    (terms) => terms.sizes === sizes && terms.intervalMs === intervalMs,
  ) as PriceTerms;
}

function bookTermsOf(channel: ChannelOf<"Book">): BookChannelTerms {
  const { depth, checksum = false } = channel.params;
  return { depth, checksum, intervalMs: intervalOf(channel) };
}

function keyOf(terms: object | undefined): string {
  return terms === undefined ? "" : Object.values(terms).join(" ");
}
