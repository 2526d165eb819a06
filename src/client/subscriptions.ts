import { channelKey } from "../contract/channel-kinds.js";
import { CHANNELS_PER_REQUEST_MAX, PRICE_FEED_MARKETS_MAX } from "../contract/limits.js";
import type { Channel, ChannelType, MarketId, MarketsFilter } from "../contract/messages.js";

export type PriceFeed = Extract<Channel, { readonly type: "PriceFeed" }>;

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
        this.#channels.set(placeOf(channel), withoutPosition(channel));
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
      const like: PriceFeed = { type: "PriceFeed", params: JSON.parse(terms) };
      return partsOf(ids, PRICE_FEED_MARKETS_MAX).map((part) => priceFeed(part, like));
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
    return this.hasAllTrades || this.#channels.has(`Trades ${marketId}`);
  }

  /** Whether the trades of all markets are subscribed. */
  get hasAllTrades(): boolean {
    return this.#channels.has("Trades *");
  }

  /** Whether trades of a market are subscribed with all, and not by themselves. */
  hasOnlyAllTrades(marketId: MarketId): boolean {
    return this.hasAllTrades && !this.#channels.has(`Trades ${marketId}`);
  }

  /** The wallets of `Orders` channels. */
  orderWallets(): ReadonlySet<string> {
    const channels = [...this.#channels.values()];
    return new Set(channels.flatMap((one) => (one.type === "Orders" ? [one.params.wallet] : [])));
  }

  /** Whether there is a `Private` channel of a name. */
  hasPrivate(channel: MarketId): boolean {
    return this.#channels.has(`Private ${JSON.stringify({ channel })}`);
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
      return ids.length === 0 ? [] : [priceFeed(ids, channel)];
    });
  }

  #has(channel: Channel): boolean {
    const own = this.#channels.get(placeOf(channel));
    return own !== undefined && channelKey(own) === channelKey(withoutPosition(channel));
  }
}

/**
 * What a connection has one of: a `Market` and a `Book` of a market, a `Markets` of a filter, a heartbeat,
 * a series of candles.
 */
function placeOf({ type, params }: Channel): string {
  switch (type) {
    case "Market":
    case "Book":
      return `${type} ${params.market_id}`;
    case "Trades":
      return `${type} ${params?.market_id ?? "*"}`;
    case "Candles":
      return `${type} ${params.market_id} ${params.interval}`;
    case "Markets":
      return `${type} ${JSON.stringify(params?.filter ?? null)}`;
    case "Heartbeat":
      return type;
    default:
      return `${type} ${JSON.stringify(params)}`;
  }
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

/** A `PriceFeed` of other markets that is told like one, from its position on. */
export function priceFeed(market_ids: readonly MarketId[], like: PriceFeed): PriceFeed {
  const { params, since } = like;
  return {
    type: "PriceFeed",
    params: Object.assign({ market_ids }, params, { market_ids }),
    ...(since !== undefined && { since }),
  };
}

/** Whether a token decides who has a channel. */
export function isGranted({ type }: Channel): boolean {
  return ["Orders", "Positions", "Private", "Presence"].includes(type);
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
