import type { CanonicalFilter } from "../../../contract/canonical-filter.js";
import { channelKey } from "../../../contract/channel-kinds.js";
import type { PublicChannel } from "../../../contract/channels-schema.js";
import type { ChannelType } from "../../../contract/messages.js";
import type { CandleInterval } from "../../../shared/candle.js";
import { compareMarketIds, type MarketId } from "../../../shared/market-id.js";

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
  /** Markets of `Market` channels. */
  readonly states: Set<MarketId>;
  /** Markets of `PriceFeed`. */
  readonly prices: Set<MarketId>;
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
    this.states = new Set(from?.states);
    this.prices = new Set(from?.prices);
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
    for (const id of this.trades) begun.trades.add(id);
    begun.allTrades ||= this.allTrades;
    begun.heartbeatMs = this.heartbeatMs;
    return begun;
  }

  /** How many there are; each market of `PriceFeed` counts as one. */
  get size(): number {
    return Object.values(this.countByChannel()).reduce((sum, count) => sum + count, 0);
  }

  countByChannel(): Readonly<Partial<Record<ChannelType, number>>> {
    return {
      Markets: this.filters.size,
      Market: this.states.size,
      PriceFeed: this.prices.size,
      Trades: this.trades.size + (this.allTrades ? 1 : 0),
      SystemStatus: this.systemStatus ? 1 : 0,
      Candles: this.candles.size,
      Heartbeat: this.heartbeatMs === undefined ? 0 : 1,
    };
  }

  add(channel: PublicChannel): void {
    switch (channel.type) {
      case "Markets":
        this.filters.set(channelKey(channel), channel.params?.filter ?? null);
        break;
      case "Market":
        this.states.add(channel.params.market_id);
        break;
      case "PriceFeed":
        for (const id of channel.params.market_ids) this.prices.add(id);
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
        this.filters.delete(channelKey(channel));
        break;
      case "Market":
        this.states.delete(channel.params.market_id);
        break;
      case "PriceFeed":
        for (const id of channel.params.market_ids) this.prices.delete(id);
        break;
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

  /** A text that equal sets share; once it is asked for, the set does not change any more. */
  key(): string {
    this.#key ??= this.#makeKey();
    return this.#key;
  }

  #makeKey(): string {
    const ids = (set: Set<MarketId>): string => [...set].sort(compareMarketIds).join(",");
    return [
      [...this.filters.keys()].sort().join(";"),
      ids(this.states),
      ids(this.prices),
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
