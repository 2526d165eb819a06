import { channelKey } from "../contract/channel-kinds.js";
import { CHANNELS_PER_REQUEST_MAX, PRICE_FEED_MARKETS_MAX } from "../contract/limits.js";
import type { Channel, ChannelType, MarketId, MarketsFilter } from "../contract/messages.js";

type PriceFeed = Extract<Channel, { readonly type: "PriceFeed" }>;

/** Markets that a `PriceFeed` names at a time in requests of the client's own. */
const PRICE_FEED_PART = 64;
/** What the channels of such a request may have as JSON: a server reads 4 KiB whatever its load. */
const REQUEST_CHARACTERS_MAX = 3000;

/**
 * A set of subscriptions. Channels are in canonical form; all `PriceFeed`s are one set of markets, as
 * they are for the server.
 */
export class Subscriptions {
  /** All but `PriceFeed`, by their key. */
  readonly #channels = new Map<string, Channel>();
  /** Filters of `Markets` channels, by the key of those. */
  readonly #filters = new Map<string, MarketsFilter | null>();
  readonly #prices = new Set<MarketId>();
  /** Markets of `Market` channels, whose states and books are contiguous. */
  readonly #markets = new Set<MarketId>();
  /** Markets of `Trades` channels; null for that of all. */
  readonly #trades = new Set<MarketId | null>();

  constructor(channels: readonly Channel[] = []) {
    this.add(channels);
  }

  add(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (isPriceFeed(channel)) {
        for (const id of channel.params.market_ids) this.#prices.add(id);
      } else {
        const named = withoutPosition(channel);
        const key = channelKey(named);
        this.#replace(named);
        this.#channels.set(key, named);
        if (channel.type === "Market") this.#markets.add(channel.params.market_id);
        if (channel.type === "Trades") this.#trades.add(channel.params?.market_id ?? null);
        if (channel.type === "Markets") this.#filters.set(key, channel.params?.filter ?? null);
      }
    }
  }

  /** There is one heartbeat, and one limit of a series of candles: a further one takes its place. */
  #replace(channel: Channel): void {
    if (channel.type === "Heartbeat") this.remove(this.list("Heartbeat"));
    if (channel.type !== "Candles") return;
    const { market_id, interval } = channel.params;
    const same = ({ type, params }: Channel): boolean =>
      type === "Candles" && params.market_id === market_id && params.interval === interval;
    this.remove(this.list().filter(same));
  }

  remove(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (isPriceFeed(channel)) {
        for (const id of channel.params.market_ids) this.#prices.delete(id);
      } else {
        const key = channelKey(withoutPosition(channel));
        this.#channels.delete(key);
        this.#filters.delete(key);
        if (channel.type === "Market") this.#markets.delete(channel.params.market_id);
        if (channel.type === "Trades") this.#trades.delete(channel.params?.market_id ?? null);
      }
    }
  }

  /** The part of `channels` that is in here. */
  of(channels: readonly Channel[]): Channel[] {
    return this.#partition(channels, true);
  }

  /** The part of `channels` that is not in here. */
  without(channels: readonly Channel[]): Channel[] {
    return this.#partition(channels, false);
  }

  /** Everything, or what is of one type. */
  list(type?: ChannelType): Channel[] {
    const feeds: Channel[] = partsOf([...this.#prices], PRICE_FEED_MARKETS_MAX).map((ids) =>
      priceFeed(ids),
    );
    return [...this.#channels.values(), ...feeds].filter(
      (channel) => type === undefined || channel.type === type,
    );
  }

  /** The filters of `Markets` channels. */
  filters(): (MarketsFilter | null)[] {
    return [...this.#filters.values()];
  }

  /** Whether there is a `Markets` channel. */
  get hasFilter(): boolean {
    return this.#filters.size > 0;
  }

  /** Whether there is a `Market` channel of a market. */
  hasMarket(marketId: MarketId): boolean {
    return this.#markets.has(marketId);
  }

  /** Whether trades of a market are subscribed, by itself or with all. */
  hasTrades(marketId: MarketId): boolean {
    return this.hasAllTrades || this.#trades.has(marketId);
  }

  /** Whether the trades of all markets are subscribed. */
  get hasAllTrades(): boolean {
    return this.#trades.has(null);
  }

  /** Whether trades of a market are subscribed with all, and not by themselves. */
  hasOnlyAllTrades(marketId: MarketId): boolean {
    return this.hasAllTrades && !this.#trades.has(marketId);
  }

  hasPrices(marketId: MarketId): boolean {
    return this.#prices.has(marketId);
  }

  #partition(channels: readonly Channel[], inside: boolean): Channel[] {
    return channels.flatMap((channel): Channel[] => {
      if (!isPriceFeed(channel))
        return this.#channels.has(channelKey(withoutPosition(channel))) === inside ? [channel] : [];
      const { market_ids } = channel.params;
      const ids = market_ids.filter((id) => this.#prices.has(id) === inside);
      return ids.length === 0 ? [] : [priceFeed(ids, channel)];
    });
  }
}

/**
 * Channels in as many lists as it takes requests to name them, none of which is large.
 * @param channelsMax most channels in one
 */
export function batchesOf(
  channels: readonly Channel[],
  channelsMax = CHANNELS_PER_REQUEST_MAX,
): Channel[][] {
  const batches: Channel[][] = [];
  let characters = 0;
  const parts = channels.flatMap((channel): Channel[] =>
    isPriceFeed(channel)
      ? partsOf(channel.params.market_ids, PRICE_FEED_PART).map((ids) => priceFeed(ids, channel))
      : [channel],
  );
  for (const part of parts) {
    const { length } = JSON.stringify(part);
    const last = batches.at(-1);
    characters += length;
    if (last === undefined || last.length >= channelsMax || characters > REQUEST_CHARACTERS_MAX) {
      batches.push([part]);
      characters = length;
    } else {
      last.push(part);
    }
  }
  return batches;
}

/** Whether it is a `PriceFeed` with markets; one without is for the server to refuse. */
export function isPriceFeed(channel: Channel): channel is PriceFeed {
  return channel.type === "PriceFeed" && Array.isArray(channel.params.market_ids);
}

/** A `PriceFeed`, from the position of `like` on. */
export function priceFeed(market_ids: readonly MarketId[], like?: PriceFeed): PriceFeed {
  const since = like?.since;
  return { type: "PriceFeed", params: { market_ids }, ...(since !== undefined && { since }) };
}

/** What a channel is, which a position is no part of. */
export function withoutPosition({ type, params }: Channel): Channel {
  return { type, params } as Channel;
}

function partsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, part) =>
    items.slice(part * size, (part + 1) * size),
  );
}
