import { hostname } from "node:os";
import { type RelayTarget, relayTargetOf } from "../shared/relay-url.js";
import type { JwtKeys } from "./jwt-keys.js";
import type { Config, ConfigKey } from "./schema.js";

/*
 * What the threads need of the configuration, by the keys' own names, and no more: it is copied to
 * them, and a feed's module can read what its thread was given.
 */

const FEED_KEYS = [
  "feedMarkets",
  "feedRate",
  "feedSeed",
  "feedFile",
  "feedMap",
  "feedMode",
  "feedSpeed",
  "feedLoop",
  "feedStart",
  "feedModule",
  "bookIntervalMs",
  "maxWaitingSessions",
] as const satisfies readonly ConfigKey[];

const EXCHANGE_KEYS = [
  "dataDir",
  "marketsFile",
  "simTraders",
  "feedRate",
  "feedSeed",
  "maxPrice",
  "maxQuantity",
  "priceBandPercent",
  "maxPosition",
  "maxOrderValue",
  "maxOpenOrders",
  "maxWaitingSessions",
  "maxClientOrderIds",
  "maxAllClientOrderIds",
  "clientOrderIdRetentionMs",
  "orderRetentionMs",
  "maxStoredOrders",
  "tradeRetentionMs",
  "maxStoredTrades",
  "bookIntervalMs",
] as const satisfies readonly ConfigKey[];

const RELAY_KEYS = [
  "relayPrefix",
  "relayOrderTimeoutMs",
  "relayMaxQueuedBytes",
] as const satisfies readonly ConfigKey[];

const CHANNEL_KEYS = [
  "channelHistorySize",
  "channelHistoryTimeMs",
  "channelHistoryBytes",
  "maxChannels",
  "maxPublishesPerSecond",
] as const satisfies readonly ConfigKey[];
const HUB_KEYS = [...CHANNEL_KEYS, "maxPresenceUsers"] as const satisfies readonly ConfigKey[];

const SHARD_KEYS = [
  "marketIntervalMs",
  "statusIntervalMs",
  "pingIntervalMs",
  "pongTimeoutMs",
  "idleTimeoutMs",
  "idleCheckIntervalMs",
  "handshakeTimeoutMs",
  "maxMessageSize",
  "maxSubscriptions",
  "maxFilters",
  "maxDistinctFilters",
  "maxCandleSeries",
  "maxPresenceKeys",
  "maxMessageValues",
  "maxReplayMessages",
  "maxFragments",
  "messageTimeoutMs",
  "maxTokenSize",
  "maxMessagesPerSecond",
  "maxBytesPerSecond",
  "maxMessagesPerSecondPerAddress",
  "maxBytesPerSecondPerAddress",
  "maxHttpRequestsPerSecond",
  "maxHttpRequestsPerSecondPerAddress",
  "maxQueuedMessages",
  "maxQueuedBytes",
  "maxOrdersPerSecond",
  "maxPendingOrders",
  "maxPublishesPerSecond",
  "allowedOrigins",
  "compression",
  "compressionThreshold",
  "batchDelayMs",
] as const satisfies readonly ConfigKey[];

/** What a feed is made of. */
export type FeedOptions = Pick<Config, (typeof FEED_KEYS)[number]> & {
  readonly feed: Exclude<Config["feed"], "exchange" | "relay">;
};

/** What a feed is made of that is another node's. */
export type RelayFeedOptions = Pick<Config, (typeof RELAY_KEYS)[number]> & {
  readonly feed: "relay";
  readonly target: RelayTarget;
  readonly nodeName: string;
};

/** What the exchange is made of; prices and quantities as the contract has them. */
export type ExchangeOptions = Pick<Config, (typeof EXCHANGE_KEYS)[number]> & {
  readonly feed: "exchange";
};

/** The bounds of channels that users publish to. */
export type ChannelOptions = Pick<Config, (typeof CHANNEL_KEYS)[number]>;
/** The bounds of what all shards share, whatever the feed is. */
export type HubOptions = Pick<Config, (typeof HUB_KEYS)[number]>;

/** The bounds and intervals that a shard enforces. */
export type ShardOptions = Pick<Config, (typeof SHARD_KEYS)[number]> & {
  /** The feed is the exchange; undefined where another node says whether its feed is. */
  readonly takesOrders: boolean | undefined;
  /** Whether sockets are written to past their streams; there is what that needs. */
  readonly nativeSend: boolean;
  /** The directory of the archive; undefined where nothing is archived. */
  readonly archiveDir: string | undefined;
  readonly jwt: JwtKeys;
  readonly nodeName: string;
};

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}

export function producerOptionsOf(
  config: Config,
): FeedOptions | ExchangeOptions | RelayFeedOptions {
  const { feed, nodeName = hostname() } = config;
  if (feed === "relay") {
    const target = relayTargetOf(config.relay ?? "");
    return { ...pick(config, RELAY_KEYS), feed, target, nodeName };
  }
  if (feed === "exchange") return { ...pick(config, EXCHANGE_KEYS), feed };
  return { ...pick(config, FEED_KEYS), feed };
}

export function hubOptionsOf(config: Config): HubOptions {
  return pick(config, HUB_KEYS);
}

/** @param nativeSend whether it is wanted and there is what it needs */
export function shardOptionsOf(
  config: Config,
  jwt: JwtKeys,
  nativeSend: boolean,
  archiveDir: string | undefined,
): ShardOptions {
  const takesOrders = config.feed === "relay" ? undefined : config.feed === "exchange";
  const { nodeName = hostname() } = config;
  return { ...pick(config, SHARD_KEYS), takesOrders, nativeSend, archiveDir, jwt, nodeName };
}

/** The sizes of the rings, in bytes: each as the replay window is, unless it has one of its own. */
export function windowSizesOf({ replayWindow, ringSize, tradeRingSize }: Config) {
  return { ringSize: ringSize ?? replayWindow, tradeRingSize: tradeRingSize ?? replayWindow };
}
