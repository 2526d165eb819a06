import type { Channel, ChannelType, MarketId, MarketsFilter } from "../codec/wire/messages.js";

/** Most markets in one `PriceFeed`, and most channels in one request. */
const PRICE_FEED_MARKETS_MAX = 1000;
const CHANNELS_PER_REQUEST_MAX = 100;

/**
 * What is subscribed, and is to be again after a reconnect. Channels are in canonical form; all
 * `PriceFeed`s are one set of markets, as they are for the server.
 */
export class Subscriptions {
  /** All but `PriceFeed`, by their JSON. */
  readonly #channels = new Map<string, Channel>();
  readonly #prices = new Set<MarketId>();
  /** Markets of `Market` channels, whose states and books are contiguous. */
  readonly #markets = new Set<MarketId>();

  add(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (channel.type === "PriceFeed") {
        for (const id of channel.params.market_ids) this.#prices.add(id);
      } else {
        this.#channels.set(JSON.stringify(channel), channel);
        if (channel.type === "Market") this.#markets.add(channel.params.market_id);
      }
    }
  }

  remove(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (channel.type === "PriceFeed") {
        for (const id of channel.params.market_ids) this.#prices.delete(id);
      } else {
        this.#channels.delete(JSON.stringify(channel));
        if (channel.type === "Market") this.#markets.delete(channel.params.market_id);
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
    const prices = [...this.#prices];
    const feeds = Array.from(
      { length: Math.ceil(prices.length / PRICE_FEED_MARKETS_MAX) },
      (_, part): Channel => {
        const start = part * PRICE_FEED_MARKETS_MAX;
        const market_ids = prices.slice(start, start + PRICE_FEED_MARKETS_MAX);
        return { type: "PriceFeed", params: { market_ids } };
      },
    );
    return [...this.#channels.values(), ...feeds].filter(
      (channel) => type === undefined || channel.type === type,
    );
  }

  /** The filters of `Markets` channels. */
  filters(): (MarketsFilter | null)[] {
    return [...this.#channels.values()].flatMap((channel) =>
      channel.type === "Markets" ? [channel.params?.filter ?? null] : [],
    );
  }

  /** Whether there is a `Market` channel of a market. */
  hasMarket(marketId: MarketId): boolean {
    return this.#markets.has(marketId);
  }

  /** Whether trades of a market are subscribed, by itself or with all. */
  hasTrades(marketId: MarketId): boolean {
    return [null, { market_id: marketId }].some((params) =>
      this.#channels.has(JSON.stringify({ type: "Trades", params })),
    );
  }

  hasPrices(marketId: MarketId): boolean {
    return this.#prices.has(marketId);
  }

  #partition(channels: readonly Channel[], inside: boolean): Channel[] {
    return channels.flatMap((channel): Channel[] => {
      if (channel.type !== "PriceFeed")
        return this.#channels.has(JSON.stringify(channel)) === inside ? [channel] : [];
      const ids = channel.params.market_ids.filter((id) => this.#prices.has(id) === inside);
      return ids.length === 0 ? [] : [{ type: "PriceFeed", params: { market_ids: ids } }];
    });
  }
}

/** Channels in as many lists as it takes requests to name them. */
export function batchesOf(channels: readonly Channel[]): Channel[][] {
  return Array.from({ length: Math.ceil(channels.length / CHANNELS_PER_REQUEST_MAX) }, (_, part) =>
    channels.slice(part * CHANNELS_PER_REQUEST_MAX, (part + 1) * CHANNELS_PER_REQUEST_MAX),
  );
}

/**
 * Two halves of what one request names, as requests are taken whole or not at all; undefined where
 * it is a single subscription.
 */
export function halvesOf(channels: readonly Channel[]): [Channel[], Channel[]] | undefined {
  const [only] = channels;
  if (channels.length > 1) {
    const middle = channels.length >> 1;
    return [channels.slice(0, middle), channels.slice(middle)];
  }
  if (only?.type !== "PriceFeed" || only.params.market_ids.length < 2) return undefined;
  const { market_ids } = only.params;
  const middle = market_ids.length >> 1;
  const feed = (ids: readonly MarketId[]): Channel[] => [
    { type: "PriceFeed", params: { market_ids: ids } },
  ];
  return [feed(market_ids.slice(0, middle)), feed(market_ids.slice(middle))];
}
