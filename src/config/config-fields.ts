import { availableParallelism } from "node:os";
import { z } from "zod";
import {
  boolean,
  bytes,
  choice,
  decimal,
  derivedInteger,
  integer,
  list,
  milliseconds,
  optionalList,
  optionalPowerOfTwoBytes,
  optionalText,
  powerOfTwoBytes,
  secretText,
  text,
} from "./field.js";
import { hostname } from "./hostname.js";
import { networkAddress } from "./network-address.js";
import { origin } from "./origin.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Algorithms that a token may be signed with: one for a secret, two for a public key. */
const JWT_ALGORITHMS = ["HS256", "RS256", "ES256"] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const network = {
  host: text({
    flag: "host",
    placeholder: "ADDRESS",
    default: "127.0.0.1",
    description: "Address that clients connect to",
  }),
  port: integer({
    flag: "port",
    min: 0,
    max: 65_535,
    default: 8081,
    description: "Port that clients connect to; 0 picks a free one",
  }),
  opsHost: text({
    flag: "ops-host",
    placeholder: "ADDRESS",
    default: "127.0.0.1",
    description: "Address of the operations port",
  }),
  opsPort: integer({
    flag: "ops-port",
    min: 0,
    max: 65_535,
    default: 9081,
    description: "Port of health, readiness, metrics and status; 0 picks a free one",
  }),
  nodeName: optionalText({
    flag: "node-name",
    placeholder: "NAME",
    description: "Name that clients are told of this server; by default the machine's",
  }),
  allowedOrigins: list({
    flag: "allowed-origins",
    placeholder: "LIST",
    item: origin,
    allowedItems: "origins such as https://app.example.com, or *",
    default: ["*"],
    description:
      "Origins whose pages may connect; with NODE_ENV=production it must be set, be it to *",
  }),
};

const authentication = {
  jwtSecret: secretText({
    flag: "jwt-secret",
    placeholder: "SECRET",
    description:
      "Secret of HS256 tokens, best given by the environment and 32 bytes or longer; with neither it nor a public key the first start makes one in the data directory",
  }),
  jwtPublicKeyFile: optionalText({
    flag: "jwt-public-key-file",
    placeholder: "FILE",
    description: "PEM file with the public key of RS256 or ES256 tokens",
  }),
  jwtAlgorithms: optionalList({
    flag: "jwt-algorithms",
    placeholder: "LIST",
    item: z.enum(JWT_ALGORITHMS),
    allowedItems: "HS256 (with a secret) or RS256, ES256 (with a public key)",
    description: "Algorithms that a token may be signed with; by default the one that fits the key",
  }),
  jwtIssuer: optionalText({
    flag: "jwt-issuer",
    placeholder: "TEXT",
    description: "Issuer (iss) that every token must name",
  }),
  jwtAudience: optionalText({
    flag: "jwt-audience",
    placeholder: "TEXT",
    description: "Audience (aud) that every token must name",
  }),
  maxTokenSize: bytes({
    flag: "max-token-size",
    min: 256,
    max: MIB,
    default: 8 * KIB,
    description: "Largest token that is looked at",
  }),
};

const operations = {
  opsToken: secretText({
    flag: "ops-token",
    placeholder: "TOKEN",
    description:
      "Token that the operations port asks for, best given by the environment and 32 bytes or longer; without one it listens on loopback only",
  }),
  opsTokenFile: optionalText({
    flag: "ops-token-file",
    placeholder: "FILE",
    description: "File with that token, readable by its owner only",
  }),
  opsAllowedHosts: optionalList({
    flag: "ops-allowed-hosts",
    placeholder: "LIST",
    item: hostname,
    allowedItems: "host names and addresses without a port, IPv6 in brackets",
    description:
      "Further names that the operations port is reached by, beside its address and, on loopback, localhost",
  }),
  opsMaxConnections: integer({
    flag: "ops-max-connections",
    min: 1,
    max: 10_000,
    default: 256,
    description:
      "Connections to the operations port; a further one takes the place of the one that has asked for nothing the longest",
  }),
  opsRequestTimeoutMs: milliseconds({
    flag: "ops-request-timeout",
    min: 100,
    max: HOUR,
    default: 10_000,
    description:
      "Longest time from the first byte of a request to the operations port to the last of its answer",
  }),
};

const threads = {
  shards: derivedInteger({
    flag: "shards",
    min: 1,
    max: 64,
    default: () => Math.min(64, Math.max(1, availableParallelism() - 1)),
    defaultText: "cores − 1, at least 1",
    description: "Threads that serve connections",
  }),
  compression: choice({
    flag: "compression",
    values: ["off", "on"],
    default: "off",
    description: "Accept permessage-deflate from clients that offer it",
  }),
  compressionThreshold: bytes({
    flag: "compression-threshold",
    min: 0,
    max: GIB,
    default: 512,
    description: "Smallest message or batch that is compressed",
  }),
  nativeSend: boolean({
    flag: "native-send",
    default: true,
    description:
      "Send past Node's streams where a socket has nothing queued; on Linux and macOS with koffi, else it is as if off",
  }),
  replayWindow: powerOfTwoBytes({
    flag: "replay-window",
    min: 64 * KIB,
    max: GIB,
    default: 64 * MIB,
    description:
      "Size of the window from which clients are sent what they missed: of trades, and as much again of states and books",
  }),
  ringSize: optionalPowerOfTwoBytes({
    flag: "ring-size",
    min: 64 * KIB,
    max: GIB,
    description: "Size of the window of states and books, where it is to be another one",
  }),
  tradeRingSize: optionalPowerOfTwoBytes({
    flag: "trade-ring-size",
    min: 64 * KIB,
    max: GIB,
    description: "Size of the window of trades, where it is to be another one",
  }),
  maxReplayMessages: integer({
    flag: "max-replay-messages",
    min: 1,
    max: 10_000_000,
    default: 100_000,
    description: "Messages that a channel's since may bring; for more there are first data only",
  }),
  maxMarkets: integer({
    flag: "max-markets",
    min: 1,
    max: 100_000,
    default: 10_000,
    description: "Markets that the market table has room for",
  }),
  maxTitleBytes: bytes({
    flag: "max-title-bytes",
    min: 16,
    max: 1024,
    default: 128,
    description: "Longest title of a market, in UTF-8",
  }),
  stallTimeoutMs: milliseconds({
    flag: "stall-timeout",
    min: 1000,
    max: HOUR,
    default: 10_000,
    description: "A thread that shows no life for that long is restarted",
  }),
};

const cadence = {
  marketIntervalMs: milliseconds({
    flag: "market-interval",
    min: 10,
    max: HOUR,
    default: 2000,
    description: "Time between two rounds of MarketUpdates on the Markets channel",
  }),
  batchDelayMs: milliseconds({
    flag: "batch-delay",
    min: 0,
    max: 100,
    default: 0,
    description: "How long data may wait for more in a frame, for connections with batch=true",
  }),
  statusIntervalMs: milliseconds({
    flag: "status-interval",
    min: 10,
    max: HOUR,
    default: 30_000,
    description: "Time between two SystemStatus messages",
  }),
  bookIntervalMs: milliseconds({
    flag: "book-interval",
    min: 0,
    max: MINUTE,
    default: 100,
    description: "Shortest time between two books of a market; 0 sends every change",
  }),
  bookDepth: integer({
    flag: "book-depth",
    min: 1,
    max: 200,
    default: 50,
    description: "Levels a side that are kept of a book",
  }),
};

const health = {
  pingIntervalMs: milliseconds({
    flag: "ping-interval",
    min: 10,
    max: HOUR,
    default: 25_000,
    description: "Time between two pings to a client",
  }),
  pongTimeoutMs: milliseconds({
    flag: "pong-timeout",
    min: 10,
    max: HOUR,
    default: 10_000,
    description: "Longest wait for the answer to a ping",
  }),
  idleTimeoutMs: milliseconds({
    flag: "idle-timeout",
    min: 10,
    max: DAY,
    default: 5 * MINUTE,
    description: "A client without subscription and message for that long is idle",
  }),
  idleCheckIntervalMs: milliseconds({
    flag: "idle-check-interval",
    min: 10,
    max: HOUR,
    default: MINUTE,
    description: "Time between two searches for idle clients",
  }),
  handshakeTimeoutMs: milliseconds({
    flag: "handshake-timeout",
    min: 10,
    max: HOUR,
    default: 10_000,
    description: "Longest time from the accept to the upgrade",
  }),
  messageTimeoutMs: milliseconds({
    flag: "message-timeout",
    min: 10,
    max: HOUR,
    default: 30_000,
    description: "Longest time from the first to the last byte of a message from a client",
  }),
  drainTimeMs: milliseconds({
    flag: "drain-time",
    min: 0,
    max: HOUR,
    default: 10_000,
    description: "Time over which a stopping server spreads the closes of its connections",
  }),
};

const limits = {
  maxConnections: integer({
    flag: "max-connections",
    min: 1,
    max: 1_000_000,
    default: 50_000,
    description: "Connections in all",
  }),
  maxConnectionsPerAddress: integer({
    flag: "max-connections-per-address",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: "Connections from one address",
  }),
  trustedProxies: optionalList({
    flag: "trusted-proxies",
    placeholder: "LIST",
    item: networkAddress,
    allowedItems: "IP addresses, and networks such as 10.0.0.8/30",
    description:
      "Proxies in front, whose connections must begin with a PROXY protocol header, which names the client",
  }),
  maxRefusals: integer({
    flag: "max-refusals",
    min: 0,
    max: 65_536,
    default: 256,
    description: "Refused connections answered with 503 at a time; more are cut off",
  }),
  maxMessageSize: bytes({
    flag: "max-message-size",
    min: 256,
    max: 16 * MIB,
    default: 64 * KIB,
    description: "Largest message from a client",
  }),
  maxMessageValues: integer({
    flag: "max-message-values",
    min: 64,
    max: 10_000_000,
    default: 4096,
    description: "Values that a message from a client may have, those in lists and objects counted",
  }),
  maxFragments: integer({
    flag: "max-fragments",
    min: 1,
    max: 65_536,
    default: 64,
    description: "Fragments that a message from a client may come in",
  }),
  maxSubscriptions: integer({
    flag: "max-subscriptions",
    min: 1,
    max: 100_000,
    default: 2000,
    description: "Subscriptions of a connection; each market of a PriceFeed counts as one",
  }),
  maxFilters: integer({
    flag: "max-filters",
    min: 1,
    max: 1000,
    default: 16,
    description: "Different Markets filters of a connection",
  }),
  maxDistinctFilters: integer({
    flag: "max-distinct-filters",
    min: 1,
    max: 100_000,
    default: 1000,
    description:
      "Different Markets filters a shard evaluates, over all its connections; a user, or an address for its anonymous clients, may take as many as are left free, and all users of an address three times as many",
  }),
  maxCandleSeries: integer({
    flag: "max-candle-series",
    min: 1,
    max: 100_000,
    default: 1000,
    description:
      "Series of candles, each of a market and an interval, that a shard keeps, shared as filters are; with 1,000 candles one takes some 100 KiB",
  }),
  maxPresenceKeys: integer({
    flag: "max-presence-keys",
    min: 1,
    max: 1_000_000,
    default: 10_000,
    description:
      "Markets and private channels whose presence a shard's connections watch, shared as filters are",
  }),
  maxPresenceUsers: integer({
    flag: "max-presence-users",
    min: 1,
    max: 10_000_000,
    default: 100_000,
    description:
      "Users of a market or private channel that presence tells apart; where there are more, it says that there are so many",
  }),
  maxMessagesPerSecond: integer({
    flag: "max-messages-per-second",
    min: 1,
    max: 1_000_000,
    default: 2000,
    description:
      "Messages per second from a client, its pings and pongs included; more get RATE_LIMITED",
  }),
  maxBytesPerSecond: bytes({
    flag: "max-bytes-per-second",
    min: KIB,
    max: GIB,
    default: 4 * MIB,
    description:
      "Bytes per second that a client sends and is answered, with what its requests cost besides; more wait",
  }),
  maxMessagesPerSecondPerAddress: integer({
    flag: "max-messages-per-second-per-address",
    min: 1,
    max: 100_000_000,
    default: 20_000,
    description: "Messages per second from all clients of an address on a shard; more wait",
  }),
  maxBytesPerSecondPerAddress: bytes({
    flag: "max-bytes-per-second-per-address",
    min: KIB,
    max: 64 * GIB,
    default: 16 * MIB,
    description:
      "Bytes per second from all clients of an address on a shard, with what their requests cost besides; more wait",
  }),
  maxHttpRequestsPerSecond: integer({
    flag: "max-http-requests-per-second",
    min: 1,
    max: 1_000_000,
    default: 50,
    description: "HTTP requests per second of a connection, after its first; more wait",
  }),
  maxHttpRequestsPerSecondPerAddress: integer({
    flag: "max-http-requests-per-second-per-address",
    min: 1,
    max: 1_000_000,
    default: 500,
    description:
      "HTTP requests per second of an address on a shard, after the first of each connection; more wait",
  }),
  maxQueuedMessages: integer({
    flag: "max-queued-messages",
    min: 1,
    max: 1_000_000,
    default: 4096,
    description: "Messages that may not be dropped, waiting for a slow client",
  }),
  maxQueuedBytes: bytes({
    flag: "max-queued-bytes",
    min: KIB,
    max: GIB,
    default: MIB,
    description: "Size of what may not be dropped, waiting for a slow client",
  }),
  sendBufferSize: bytes({
    flag: "send-buffer-size",
    min: 0,
    max: 64 * MIB,
    default: 256 * KIB,
    description: "Send buffer of a socket in the kernel (SO_SNDBUF); 0 leaves it to the kernel",
  }),
  receiveBufferSize: bytes({
    flag: "receive-buffer-size",
    min: 0,
    max: 64 * MIB,
    default: 32 * KIB,
    description:
      "Receive buffer of a socket in the kernel (SO_RCVBUF), which fills while a client is not read; 0 leaves it to the kernel",
  }),
};

const feed = {
  feed: choice({
    flag: "feed",
    values: ["exchange", "synthetic", "replay", "stdin", "module", "relay"],
    default: "exchange",
    description:
      "Where market data comes from; exchange is the only one that takes orders, relay is another node's",
  }),
  feedMarkets: integer({
    flag: "feed-markets",
    min: 1,
    max: 100_000,
    default: 50,
    description: "Markets of the synthetic feed",
  }),
  feedRate: integer({
    flag: "feed-rate",
    min: 1,
    max: 1_000_000,
    default: 200,
    description:
      "Orders and cancels per second of the simulated traders, PriceUpdates per second of the synthetic feed, rows per second of a replay by rate",
  }),
  feedSeed: integer({
    flag: "feed-seed",
    min: 0,
    max: 2 ** 32 - 1,
    default: 1,
    description: "Seed of the synthetic feed and of the simulated traders",
  }),
  feedFile: optionalText({
    flag: "feed-file",
    placeholder: "FILE",
    description: "Recorded file of the replay feed: CSV or NDJSON, plain or gzip",
  }),
  feedMap: optionalText({
    flag: "feed-map",
    placeholder: "MAP",
    description: "Description of the file's columns: a JSON file, or the name of a shipped one",
  }),
  feedMode: choice({
    flag: "feed-mode",
    values: ["recorded", "rate", "max"],
    default: "rate",
    description: "Pace of a replay: its own times, rows per second, or as fast as it goes",
  }),
  feedSpeed: decimal({
    flag: "feed-speed",
    min: 0.001,
    max: 1_000_000,
    default: 1,
    description: "How many times faster than recorded",
  }),
  feedLoop: boolean({
    flag: "feed-loop",
    default: false,
    description: "Start a replay again when it has ended",
  }),
  feedStart: choice({
    flag: "feed-start",
    values: ["ready", "first-subscriber"],
    default: "ready",
    description: "When a replay starts",
  }),
  feedModule: optionalText({
    flag: "feed-module",
    placeholder: "MODULE",
    description: "ES module of the module feed: a path or a package",
  }),
};

const trading = {
  marketsFile: optionalText({
    flag: "markets-file",
    placeholder: "FILE",
    description:
      "JSON array of the exchange's markets, each { market_id, title, status, tick_size, lot_size, max_price?, price_band?, max_position?, max_order_value? }; without it, 50 shipped ones",
  }),
  simTraders: integer({
    flag: "sim-traders",
    min: 0,
    max: 1000,
    default: 10,
    description: "Simulated traders of the exchange; 0 turns them off",
  }),
  maxPrice: decimal({
    flag: "max-price",
    min: 0.000001,
    max: 1e12,
    default: 1e9,
    description: "Highest price of an order; a market's own max_price may be lower",
  }),
  maxQuantity: decimal({
    flag: "max-quantity",
    min: 0.000001,
    max: 1e12,
    default: 1e9,
    description: "Largest quantity of an order",
  }),
  priceBandPercent: decimal({
    flag: "price-band",
    min: 0,
    max: 10_000,
    default: 0,
    description:
      "How far prices of orders may be from the last trade's, in per cent of it; a market's own price_band stands in its place, and 0 is any",
  }),
  maxPosition: decimal({
    flag: "max-position",
    min: 0,
    max: 1e15,
    default: 0,
    description:
      "Largest position of a wallet in a market, its open orders counted; a market's own max_position stands in its place, and 0 is any",
  }),
  maxOrderValue: decimal({
    flag: "max-order-value",
    min: 0,
    max: 1e15,
    default: 0,
    description:
      "Largest value of an order, price × quantity; a market's own max_order_value stands in its place, and 0 is any",
  }),
  maxOpenOrders: integer({
    flag: "max-open-orders",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: "Open orders of a wallet",
  }),
  maxOrdersPerSecond: integer({
    flag: "max-orders-per-second",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description:
      "Orders that a connection may place and amend per second, those of PlaceOrders each",
  }),
  maxPendingOrders: integer({
    flag: "max-pending-orders",
    min: 1,
    max: 1_000_000,
    default: 10_000,
    description:
      "Orders, cancels, snapshots and histories of wallets of a shard's connections that wait for the exchange; a wallet may have as many as are left free, all wallets of an address three times as many, and more get UNAVAILABLE",
  }),
  maxWaitingSessions: integer({
    flag: "max-waiting-sessions",
    min: 1,
    max: 100_000,
    default: 100,
    description:
      "Order sessions of a wallet, or of a user without one, that may wait for their client to come back; with a further one the one that waits the longest ends",
  }),
  maxClientOrderIds: integer({
    flag: "max-client-order-ids",
    min: 1,
    max: 10_000_000,
    default: 100_000,
    description: "Client order ids that are remembered for a wallet; more are refused",
  }),
  maxAllClientOrderIds: integer({
    flag: "max-all-client-order-ids",
    min: 1,
    max: 100_000_000,
    default: 1_000_000,
    description:
      "Client order ids that are remembered for all wallets; a wallet may have as many as are free",
  }),
  clientOrderIdRetentionMs: milliseconds({
    flag: "client-order-id-retention",
    min: DAY,
    max: 30 * DAY,
    default: DAY,
    description: "How long the client order id of a finished order is remembered",
  }),
  orderRetentionMs: milliseconds({
    flag: "order-retention",
    min: 1000,
    max: 3650 * DAY,
    default: 7 * DAY,
    description:
      "Finished orders that ended longer ago are pruned from the store, and so from OrderHistory and GetOrder",
  }),
  maxStoredOrders: integer({
    flag: "max-stored-orders",
    min: 0,
    max: 1_000_000_000,
    default: 1_000_000,
    description: "Finished orders in the store beyond that number are pruned, the oldest first",
  }),
  tradeRetentionMs: milliseconds({
    flag: "trade-retention",
    min: 1000,
    max: 3650 * DAY,
    default: 30 * DAY,
    description: "Trades that are older are pruned from the store, and so from FillHistory",
  }),
  maxStoredTrades: integer({
    flag: "max-stored-trades",
    min: 0,
    max: 1_000_000_000,
    default: 2_000_000,
    description: "Trades in the store beyond that number are pruned, the oldest first",
  }),
};

const nodes = {
  relay: secretText({
    flag: "relay",
    placeholder: "URL",
    description:
      "Redis through which this node gives its market data to others or, with feed relay, takes it from another: redis://[user:password@]host[:port][/database], the same with rediss, or redis+sentinel://host[:port],host[:port]/NAME; best given by the environment, as it may hold a password",
  }),
  relayPrefix: text({
    flag: "relay-prefix",
    placeholder: "TEXT",
    default: "marketcast",
    description:
      "What the relay's keys in Redis begin with: 1 to 64 of A-Z a-z 0-9 _ . : { } -; nodes with the same one belong together",
  }),
  relayWindowMs: milliseconds({
    flag: "relay-window",
    min: 5000,
    max: HOUR,
    default: MINUTE,
    description:
      "How long what this node has relayed stays in Redis; a node that was away for longer takes what it missed from the snapshot and from this node's archive",
  }),
  relayLeaseMs: milliseconds({
    flag: "relay-lease",
    min: 1000,
    max: MINUTE,
    default: 5000,
    description:
      "How long this node stays the origin without a word to Redis, after which one that stands by takes over",
  }),
  relayOrderTimeoutMs: milliseconds({
    flag: "relay-order-timeout",
    min: 100,
    max: MINUTE,
    default: 2000,
    description:
      "How long, with feed relay, an order may take to the origin's exchange, or a publication to the origin, which does not carry it out later",
  }),
  relayAck: choice({
    flag: "relay-ack",
    values: ["none", "standby"],
    default: "none",
    description:
      "What an exchange waits for before it tells of what is on its disk: none, or that a standby has it on its own; while none follows, orders are refused",
  }),
  relayAckTimeoutMs: milliseconds({
    flag: "relay-ack-timeout",
    min: 10,
    max: MINUTE,
    default: 2000,
    description:
      "How long orders wait, with relay-ack standby, until a standby has them; then they are answered by UNAVAILABLE, and carried out when it has",
  }),
  relayJournalBytes: bytes({
    flag: "relay-journal-bytes",
    min: 1 * MIB,
    max: 64 * GIB,
    default: 64 * MIB,
    description:
      "What an exchange keeps of its journal for standbys, in Redis and on its disk; one that lacks more takes a copy of the store",
  }),
  relayMaxQueuedBytes: bytes({
    flag: "relay-max-queued-bytes",
    min: 64 * KIB,
    max: GIB,
    default: 16 * MIB,
    description:
      "What may wait between an edge and the exchange of its origin, each way, and for private channels and presence; of orders and publications more is refused, and a link with more answers ends",
  }),
};

const channels = {
  channelHistorySize: integer({
    flag: "channel-history-size",
    min: 0,
    max: 100_000,
    default: 100,
    description: "Publications that are kept of a private channel, the latest ones",
  }),
  channelHistoryTimeMs: milliseconds({
    flag: "channel-history-time",
    min: 0,
    max: DAY,
    default: 5 * MINUTE,
    description: "How long they are kept",
  }),
  channelHistoryBytes: bytes({
    flag: "channel-history-bytes",
    min: 64 * KIB,
    max: 16 * GIB,
    default: 64 * MIB,
    description:
      "What the publications of all private channels may take that are kept; beyond it the user whose channels take most loses the oldest of the largest",
  }),
  maxChannels: integer({
    flag: "max-channels",
    min: 1,
    max: 1_000_000,
    default: 10_000,
    description:
      "Private channels that are known; for a further one the one that has been idle for longest is forgotten, or the oldest one of a user who has made more of them, and else it is refused",
  }),
  maxPublishesPerSecond: integer({
    flag: "max-publishes-per-second",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: "Publications per second of a user; more get RATE_LIMITED",
  }),
  publicationRingSize: powerOfTwoBytes({
    flag: "publication-ring-size",
    min: 256 * KIB,
    max: GIB,
    default: 8 * MIB,
    description: "Size of the ring by which publications reach the shards",
  }),
};

const filesAndLogs = {
  config: optionalText({
    flag: "config",
    placeholder: "FILE",
    description: "JSON file with configuration keys; not allowed in that file itself",
  }),
  dataDir: text({
    flag: "data-dir",
    placeholder: "DIR",
    default: "./data",
    description: "Directory of what the server keeps",
  }),
  archiveRetentionMs: milliseconds({
    flag: "archive-retention",
    min: 1000,
    max: 3650 * DAY,
    default: 30 * DAY,
    description: "Trades and candles that are older are pruned from the archive",
  }),
  archiveSize: bytes({
    flag: "archive-size",
    min: 0,
    max: 16 * 1024 * GIB,
    default: 4 * GIB,
    description:
      "Bytes that the archive's records may take; beyond them the oldest go first, and with 0 there is no archive",
  }),
  logLevel: choice({
    flag: "log-level",
    values: LOG_LEVELS,
    default: "info",
    description: "Least level that is logged",
  }),
  logFormat: choice({
    flag: "log-format",
    values: ["auto", "json", "pretty"],
    default: "auto",
    description: "Form of the log; auto is pretty on a terminal",
  }),
};

/** The fields under the headings of `--help` and of the README. */
export const CONFIG_GROUPS = {
  Network: network,
  Authentication: authentication,
  "Operations port": operations,
  "Threads and memory": threads,
  Cadence: cadence,
  "Health of connections": health,
  "Limits per server and connection": limits,
  Feed: feed,
  Trading: trading,
  "Several nodes": nodes,
  "Private channels": channels,
  "Files and logs": filesAndLogs,
} as const;

/**
 * Every configuration key, by its name in code. {@link fieldInfo} holds the flag's name, the
 * description and the allowed values of each field.
 */
export const CONFIG_FIELDS = {
  ...network,
  ...authentication,
  ...operations,
  ...threads,
  ...cadence,
  ...health,
  ...limits,
  ...feed,
  ...trading,
  ...nodes,
  ...channels,
  ...filesAndLogs,
} as const;

/** The values of all fields, each good by itself. Durations are in ms, sizes in bytes. */
export type ConfigValues = z.output<z.ZodObject<typeof CONFIG_FIELDS>>;
