import type { MarketId } from "../shared/market-id.js";
import type { Channel, ChannelType } from "./messages.js";

type ChannelOf<T extends ChannelType> = Extract<Channel, { readonly type: T }>;

/** What sets channels of one type apart. */
interface ChannelKind<T extends ChannelType> {
  /** What is told is of one wallet, and needs a token with it. */
  readonly private: boolean;
  /** What is told users have published under a name, which a token has to allow. */
  readonly named: boolean;
  /** It is market data, which a feed may wait for. */
  readonly marketData: boolean;
  /** A subscriber gets a `MarketSnapshot` at once. */
  readonly marketSnapshot: boolean;
  /** The markets that a channel names. */
  readonly marketIds: (channel: ChannelOf<T>) => readonly MarketId[];
}

const NONE: readonly MarketId[] = [];
const noMarkets = (): readonly MarketId[] => NONE;

/** All types of channels, in the order in which they are counted and listed. */
export const CHANNEL_KINDS = {
  Markets: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: true,
    marketIds: noMarkets,
  },
  Market: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: true,
    marketIds: ({ params }) => [params.market_id],
  },
  PriceFeed: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: false,
    marketIds: ({ params }) => params.market_ids,
  },
  Book: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: false,
    marketIds: ({ params }) => [params.market_id],
  },
  Trades: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: false,
    marketIds: ({ params }) => (params?.market_id === undefined ? NONE : [params.market_id]),
  },
  Orders: {
    private: true,
    named: false,
    marketData: false,
    marketSnapshot: false,
    marketIds: noMarkets,
  },
  Positions: {
    private: true,
    named: false,
    marketData: false,
    marketSnapshot: false,
    marketIds: noMarkets,
  },
  SystemStatus: {
    private: false,
    named: false,
    marketData: false,
    marketSnapshot: false,
    marketIds: noMarkets,
  },
  Candles: {
    private: false,
    named: false,
    marketData: true,
    marketSnapshot: false,
    marketIds: ({ params }) => [params.market_id],
  },
  Heartbeat: {
    private: false,
    named: false,
    marketData: false,
    marketSnapshot: false,
    marketIds: noMarkets,
  },
  Private: {
    private: false,
    named: true,
    marketData: false,
    marketSnapshot: false,
    marketIds: noMarkets,
  },
  Presence: {
    private: false,
    named: false,
    marketData: false,
    marketSnapshot: false,
    marketIds: ({ params }) => (params.market_id === undefined ? NONE : [params.market_id]),
  },
} as const satisfies { readonly [T in ChannelType]: ChannelKind<T> };

export const CHANNEL_TYPES = /* @__PURE__ */ Object.keys(CHANNEL_KINDS) as readonly ChannelType[];

/** Types of channels that belong to one wallet. */
export type PrivateType = {
  [T in ChannelType]: (typeof CHANNEL_KINDS)[T]["private"] extends true ? T : never;
}[ChannelType];

export const PRIVATE_TYPES = /* @__PURE__ */ CHANNEL_TYPES.filter(
  (type): type is PrivateType => CHANNEL_KINDS[type].private,
);

/** Of channels, in whichever spelling, those that belong to one wallet. */
export type PrivateOf<C extends { readonly type: ChannelType }> = Extract<
  C,
  { readonly type: PrivateType }
>;

/** Channels whose data are for one wallet, and need a token with it. */
export type PrivateChannel = PrivateOf<Channel>;

/** Whether a channel belongs to one wallet. */
export function isPrivate<C extends { readonly type: ChannelType }>(
  channel: C,
): channel is PrivateOf<C> {
  return CHANNEL_KINDS[channel.type].private;
}

/** Of channels, in whichever spelling, those that users publish to. */
export type NamedOf<C extends { readonly type: ChannelType }> = Extract<
  C,
  {
    readonly type: {
      [T in ChannelType]: (typeof CHANNEL_KINDS)[T]["named"] extends true ? T : never;
    }[ChannelType];
  }
>;

/** A channel that users publish to, and since when somebody wants what they did. */
export type NamedChannel = NamedOf<Channel>;

/** Whether users publish to a channel. */
export function isNamed<C extends { readonly type: ChannelType }>(
  channel: C,
): channel is NamedOf<C> {
  return CHANNEL_KINDS[channel.type].named;
}

/** The markets that a channel names; none where it is of all, or of something else. */
export function marketIdsOf(channel: Channel): readonly MarketId[] {
  const { marketIds } = CHANNEL_KINDS[channel.type] as ChannelKind<ChannelType>;
  return marketIds(channel);
}

/**
 * A text that equal channels share, where they are in canonical form; the key of a subscription. From when
 * on somebody wants its messages is no part of a channel.
 */
export function channelKey<C extends { readonly type: ChannelType }>(channel: C): string {
  const { type, params } = channel as C & { readonly params?: unknown };
  return JSON.stringify({ type, params });
}
