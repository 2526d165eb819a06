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
  /** All but `PriceFeed`, each by what a connection has one of. */
  readonly #channels = new Map<string, Channel>();
  /** Markets of `PriceFeed`, with how they are told: the JSON of all params but the markets. */
  readonly #prices = new Map<MarketId, string>();

  constructor(channels: readonly Channel[] = []) {
    this.add(channels);
  }

  add(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (isPriceFeed(channel)) {
        const terms = termsOf(channel);
        for (const id of channel.params.market_ids) this.#prices.set(id, terms);
      } else {
        this.#channels.set(placeOf(channel), channel);
      }
    }
  }

  remove(channels: readonly Channel[]): void {
    for (const channel of channels) {
      if (isPriceFeed(channel)) {
        const terms = termsOf(channel);
        for (const id of channel.params.market_ids)
          if (this.#prices.get(id) === terms) this.#prices.delete(id);
      } else if (this.#has(channel)) {
        this.#channels.delete(placeOf(channel));
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
    const feeds = [...new Set(this.#prices.values())].flatMap((terms) => {
      const ids = [...this.#prices.keys()].filter((id) => this.#prices.get(id) === terms);
      return partsOf(ids, PRICE_FEED_MARKETS_MAX).map((part) => priceFeed(part, JSON.parse(terms)));
    });
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

  /** Whether there is a `Markets` channel. */
  get hasFilter(): boolean {
    return this.filters().length > 0;
  }

  /** Whether there is a `Market` channel of a market. */
  hasMarket(marketId: MarketId): boolean {
    return this.#channels.has(`Market ${marketId}`);
  }

  /** The `Book` channel of a market. */
  book(marketId: MarketId): Channel | undefined {
    return this.#channels.get(`Book ${marketId}`);
  }

  /** Whether numbers of a market's streams may be left out: it has an interval. */
  isMerged(type: "Market" | "PriceFeed", marketId: MarketId): boolean {
    const asked =
      type === "Market"
        ? JSON.stringify(this.#channels.get(`Market ${marketId}`))
        : this.#prices.get(marketId);
    return asked?.includes("interval_ms") === true;
  }

  /** Whether trades of a market are subscribed, by itself or with all. */
  hasTrades(marketId: MarketId): boolean {
    return [null, { market_id: marketId }].some((params) =>
      this.#channels.has(channelKey({ type: "Trades", params })),
    );
  }

  hasPrices(marketId: MarketId): boolean {
    return this.#prices.has(marketId);
  }

  #partition(channels: readonly Channel[], inside: boolean): Channel[] {
    return channels.flatMap((channel): Channel[] => {
      if (!isPriceFeed(channel)) return this.#has(channel) === inside ? [channel] : [];
      const terms = termsOf(channel);
      const ids = channel.params.market_ids.filter(
        (id) => (this.#prices.get(id) === terms) === inside,
      );
      return ids.length === 0 ? [] : [priceFeed(ids, channel.params)];
    });
  }

  #has(channel: Channel): boolean {
    const own = this.#channels.get(placeOf(channel));
    return own !== undefined && channelKey(own) === channelKey(channel);
  }
}

/** What a connection has one of: a `Market` and a `Book` of a market, a `Markets` of a filter. */
function placeOf(channel: Channel): string {
  if (channel.type === "Market" || channel.type === "Book")
    return `${channel.type} ${channel.params.market_id}`;
  if (channel.type !== "Markets") return channelKey(channel);
  return `Markets ${JSON.stringify(channel.params?.filter ?? null)}`;
}

function termsOf({ params }: PriceFeed): string {
  return JSON.stringify({ ...params, market_ids: undefined });
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
  const parts = channels.flatMap((channel) =>
    isPriceFeed(channel)
      ? partsOf(channel.params.market_ids, PRICE_FEED_PART).map((ids) =>
          priceFeed(ids, channel.params),
        )
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
  if (only === undefined || !isPriceFeed(only) || only.params.market_ids.length < 2)
    return undefined;
  const { market_ids } = only.params;
  const middle = market_ids.length >> 1;
  return [
    [priceFeed(market_ids.slice(0, middle), only.params)],
    [priceFeed(market_ids.slice(middle), only.params)],
  ];
}

/** Whether it is a `PriceFeed` with markets; one without is for the server to refuse. */
function isPriceFeed(channel: Channel): channel is PriceFeed {
  return channel.type === "PriceFeed" && Array.isArray(channel.params.market_ids);
}

function priceFeed(market_ids: readonly MarketId[], terms: object): Channel {
  return { type: "PriceFeed", params: Object.assign({ market_ids }, terms, { market_ids }) };
}

function partsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, part) =>
    items.slice(part * size, (part + 1) * size),
  );
}
