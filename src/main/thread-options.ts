import type { Config } from "../config/schema.js";
import type { LogOptions } from "../shared/log.js";
import { openLogDescriptor } from "../shared/log-output.js";
import type {
  ExchangeOptions,
  JwtOptions,
  ProducerTask,
  ShardOptions,
} from "../workers/messages.js";

/** Where all threads write what they log, and how. */
export function logOptionsOf(config: Config): LogOptions {
  return {
    level: config.logLevel,
    format: logFormatOf(config),
    descriptor: openLogDescriptor(),
  };
}

function logFormatOf(config: Config): LogOptions["format"] {
  if (config.logFormat !== "auto") return config.logFormat;
  return process.stdout.isTTY ? "pretty" : "json";
}

/** What the shards need of the configuration, and no more: it is copied to their threads. */
export function shardOptionsOf(config: Config, jwt: JwtOptions, nativeSend: boolean): ShardOptions {
  return {
    marketIntervalMs: config.marketIntervalMs,
    statusIntervalMs: config.statusIntervalMs,
    pingIntervalMs: config.pingIntervalMs,
    pongTimeoutMs: config.pongTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    idleCheckIntervalMs: config.idleCheckIntervalMs,
    handshakeTimeoutMs: config.handshakeTimeoutMs,
    maxMessageSize: config.maxMessageSize,
    maxSubscriptions: config.maxSubscriptions,
    maxFilters: config.maxFilters,
    maxDistinctFilters: config.maxDistinctFilters,
    maxMessageValues: config.maxMessageValues,
    maxFragments: config.maxFragments,
    messageTimeoutMs: config.messageTimeoutMs,
    maxTokenSize: config.maxTokenSize,
    maxMessagesPerSecond: config.maxMessagesPerSecond,
    maxBytesPerSecond: config.maxBytesPerSecond,
    maxMessagesPerSecondPerAddress: config.maxMessagesPerSecondPerAddress,
    maxBytesPerSecondPerAddress: config.maxBytesPerSecondPerAddress,
    maxHttpRequestsPerSecond: config.maxHttpRequestsPerSecond,
    maxHttpRequestsPerSecondPerAddress: config.maxHttpRequestsPerSecondPerAddress,
    maxQueuedMessages: config.maxQueuedMessages,
    maxQueuedBytes: config.maxQueuedBytes,
    maxOrdersPerSecond: config.maxOrdersPerSecond,
    maxPendingOrders: config.maxPendingOrders,
    nativeSend,
    takesOrders: config.feed === "exchange",
    allowedOrigins: config.allowedOrigins,
    jwt,
  };
}

/** What the producer needs for the feed that is chosen. */
export function feedOptionsOf(config: Config): ProducerTask["feed"] {
  const { feed } = config;
  if (feed === "exchange") return exchangeOptionsOf(config);
  return {
    feed,
    feedMarkets: config.feedMarkets,
    feedRate: config.feedRate,
    feedSeed: config.feedSeed,
    feedFile: config.feedFile,
    feedMap: config.feedMap,
    feedMode: config.feedMode,
    feedSpeed: config.feedSpeed,
    feedLoop: config.feedLoop,
    feedStart: config.feedStart,
    feedModule: config.feedModule,
    bookIntervalMs: config.bookIntervalMs,
  };
}

function exchangeOptionsOf(config: Config): ExchangeOptions {
  return {
    feed: "exchange",
    dataDir: config.dataDir,
    marketsFile: config.marketsFile,
    simTraders: config.simTraders,
    feedRate: config.feedRate,
    feedSeed: config.feedSeed,
    maxPrice: config.maxPrice,
    maxQuantity: config.maxQuantity,
    maxOpenOrders: config.maxOpenOrders,
    maxClientOrderIds: config.maxClientOrderIds,
    maxAllClientOrderIds: config.maxAllClientOrderIds,
    clientOrderIdRetentionMs: config.clientOrderIdRetentionMs,
    orderRetentionMs: config.orderRetentionMs,
    maxStoredOrders: config.maxStoredOrders,
    tradeRetentionMs: config.tradeRetentionMs,
    maxStoredTrades: config.maxStoredTrades,
    bookIntervalMs: config.bookIntervalMs,
  };
}
