import type { MarketStatus, Side } from "../../shared/market.js";
import type {
  Liquidity,
  OrderStatus,
  OrderType,
  SelfTrade,
  TimeInForce,
} from "../../shared/order.js";
import type { ErrorCode } from "../error-codes.js";
import type {
  CandleInterval,
  ChannelType,
  ClientType,
  MarketUpdateType,
  ServerData,
  ServerType,
  SystemStatus,
} from "../messages.js";
import {
  bool,
  candle,
  channelUnion,
  double,
  enumOf,
  envelope,
  type FieldShape,
  json,
  levels,
  list,
  marketId,
  message,
  nullable,
  optional,
  table,
  text,
  uint64,
  word,
} from "./protobuf-table.js";

type Numbers<Word extends string> = Readonly<Record<Word, number>>;

export const MARKET_STATUS: Numbers<MarketStatus> = { Active: 1, Halted: 2, Closed: 3 };
export const SIDE: Numbers<Side> = { Buy: 1, Sell: 2 };
export const UPDATE_TYPE: Numbers<MarketUpdateType> = {
  Created: 1,
  Status: 2,
  Price: 3,
  Volume: 4,
  Unmatched: 5,
};
const CANDLE_INTERVAL: Numbers<CandleInterval> = {
  "1s": 1,
  "1m": 2,
  "5m": 3,
  "15m": 4,
  "1h": 5,
  "1d": 6,
};
const ORDER_TYPE: Numbers<OrderType> = { Limit: 1, Market: 2 };
const TIME_IN_FORCE: Numbers<TimeInForce> = { GTC: 1, IOC: 2, FOK: 3, GTD: 4 };
const SELF_TRADE: Numbers<SelfTrade> = { CancelTaker: 1, CancelMaker: 2, CancelBoth: 3 };
const ORDER_STATUS: Numbers<OrderStatus> = {
  Open: 1,
  PartiallyFilled: 2,
  Filled: 3,
  Cancelled: 4,
};
const LIQUIDITY: Numbers<Liquidity> = { Maker: 1, Taker: 2 };
const SYSTEM_STATE: Numbers<SystemStatus["state"]> = { ok: 1, degraded: 2, draining: 3 };
const NOTIFICATION_LEVEL: Numbers<ServerData["Notification"]["level"]> = {
  info: 1,
  warning: 2,
  error: 3,
};
const ERROR_CODE: Numbers<ErrorCode> = {
  INVALID_MESSAGE: 1,
  UNKNOWN_TYPE: 2,
  AUTH_REQUIRED: 3,
  AUTH_FAILED: 4,
  FORBIDDEN: 5,
  MARKET_NOT_FOUND: 6,
  MARKET_NOT_ACTIVE: 7,
  ORDER_NOT_FOUND: 8,
  ORDER_REJECTED: 9,
  TRADING_DISABLED: 10,
  TOO_MANY_SUBSCRIPTIONS: 11,
  RATE_LIMITED: 12,
  UNAVAILABLE: 13,
  INTERNAL: 14,
};

const candleIntervals = enumOf(CANDLE_INTERVAL);
const marketStatuses = enumOf(MARKET_STATUS);
const sides = enumOf(SIDE);
const orderTypes = enumOf(ORDER_TYPE);
const timesInForce = enumOf(TIME_IN_FORCE);
const orderStatuses = enumOf(ORDER_STATUS);

const market = table({
  market_id: marketId(1),
  title: text(3),
  status: word(4, marketStatuses),
  price: nullable(double(5)),
  best_bid: nullable(double(6)),
  best_ask: nullable(double(7)),
  volume: double(8),
  tick_size: double(9),
  lot_size: double(10),
  seq: uint64(11),
  ts: uint64(12),
});

const trade = table({
  trade_id: text(1),
  market_id: marketId(2),
  price: double(4),
  quantity: double(5),
  taker_side: word(6, sides),
  seq: uint64(7),
  ts: uint64(8),
  epoch: optional(text(9)),
});

const historyRequest = {
  market_id: marketId(1),
  from: optional(uint64(3)),
  to: optional(uint64(4)),
  before: optional(text(5)),
  limit: optional(uint64(6)),
};

const order = table({
  order_id: text(1),
  client_order_id: optional(text(2)),
  market_id: marketId(3),
  wallet: text(5),
  side: word(6, sides),
  order_type: word(7, orderTypes),
  time_in_force: word(8, timesInForce),
  post_only: bool(9),
  price: optional(double(10)),
  quantity: double(11),
  filled_quantity: double(12),
  average_price: optional(double(13)),
  status: word(14, orderStatuses),
  reason: optional(text(15)),
  created_ts: uint64(16),
  updated_ts: uint64(17),
  expires_ts: optional(uint64(18)),
  reason_code: optional(text(19)),
});

const fill = table({
  trade_id: text(1),
  order_id: text(2),
  client_order_id: optional(text(3)),
  market_id: marketId(4),
  wallet: text(6),
  side: word(7, sides),
  price: double(8),
  quantity: double(9),
  liquidity: word(10, enumOf(LIQUIDITY)),
  ts: uint64(11),
});

const walletHistoryRequest = {
  wallet: optional(text(1)),
  market_id: optional(marketId(2)),
  before: optional(text(4)),
  limit: optional(uint64(5)),
};

const orderReference = table({
  order_id: optional(text(1)),
  client_order_id: optional(text(2)),
});

const position = table({
  wallet: text(1),
  market_id: marketId(2),
  quantity: double(4),
  average_price: double(5),
  realized_pnl: double(6),
  updated_ts: uint64(7),
});

const systemStatus = table({
  state: word(1, enumOf(SYSTEM_STATE)),
  reasons: list(text(2)),
  connections: uint64(3),
  shards: uint64(4),
  markets: uint64(5),
  messages_per_second: double(6),
  uptime_s: uint64(7),
  version: text(8),
});

const filter = table({
  status: optional(list(word(1, marketStatuses))),
  min_volume: optional(double(2)),
  max_volume: optional(double(3)),
  search: optional(text(4)),
});

const requestedOrder = {
  market_id: marketId(1),
  side: word(3, sides),
  order_type: word(4, orderTypes),
  price: optional(double(5)),
  quantity: double(6),
  time_in_force: optional(word(7, timesInForce)),
  post_only: optional(bool(8)),
  client_order_id: optional(text(9)),
  expires_ts: optional(uint64(10)),
  valid_until_ts: optional(uint64(11)),
  self_trade: optional(word(12, enumOf(SELF_TRADE))),
};
const orderRequest = table(requestedOrder, { strict: true });

const error = table({
  code: word(1, enumOf(ERROR_CODE)),
  message: text(2),
  details: optional(json(3)),
});

const ofWallet = table({ wallet: text(1) });

const CHANNELS: Readonly<Record<ChannelType, FieldShape>> = {
  Markets: message(
    1,
    table({ filter: optional(message(1, filter)), interval_ms: optional(uint64(2)) }),
  ),
  Market: message(2, table({ market_id: marketId(1), interval_ms: optional(uint64(3)) })),
  PriceFeed: message(
    3,
    table({
      market_ids: list(marketId(1)),
      interval_ms: optional(uint64(3)),
      sizes: optional(bool(4)),
    }),
  ),
  Book: message(
    8,
    table({
      market_id: marketId(1),
      depth: optional(uint64(3)),
      checksum: optional(bool(4)),
      interval_ms: optional(uint64(5)),
    }),
  ),
  Trades: message(4, table({ market_id: optional(marketId(1)) })),
  Orders: message(5, ofWallet),
  Positions: message(6, ofWallet),
  SystemStatus: message(7, table({})),
  Candles: message(
    9,
    table({
      market_id: marketId(1),
      interval: word(3, candleIntervals),
      limit: optional(uint64(4)),
    }),
  ),
  Heartbeat: message(10, table({ interval_ms: optional(uint64(1)) })),
  Private: message(11, table({ channel: text(1) })),
  Presence: message(12, table({ market_id: optional(marketId(1)), channel: optional(text(3)) })),
};

const BESIDE_CHANNEL = { since: optional(uint64(20)), recovered: optional(bool(21)) };

const channels = table({ channels: list(message(1, channelUnion(CHANNELS, BESIDE_CHANNEL))) });

const CLIENT_TYPES: Readonly<Record<ClientType, FieldShape>> = {
  Authenticate: message(3, table({ token: text(1), session: optional(text(2)) })),
  Subscribe: message(4, channels),
  Unsubscribe: message(5, channels),
  Ping: message(6, table({ timestamp: double(1) })),
  PlaceOrder: message(
    7,
    table({ order: message(1, orderRequest), validate_only: optional(bool(2)) }),
  ),
  PlaceOrders: message(14, table({ orders: list(message(1, orderRequest)) })),
  AmendOrder: message(
    15,
    table({
      order_id: optional(text(1)),
      client_order_id: optional(text(2)),
      price: optional(double(3)),
      quantity: optional(double(4)),
    }),
  ),
  CancelOrders: message(
    16,
    table({ market_id: optional(marketId(1)), side: optional(word(3, sides)) }),
  ),
  CancelAfter: message(17, table({ timeout_ms: uint64(1) })),
  CancelOrder: message(8, orderReference),
  TradeHistory: message(13, table(historyRequest)),
  CandleHistory: message(9, table({ ...historyRequest, interval: word(7, candleIntervals) })),
  OrderHistory: message(
    10,
    table({ ...walletHistoryRequest, status: optional(list(word(6, orderStatuses))) }),
  ),
  FillHistory: message(11, table({ ...walletHistoryRequest, order_id: optional(text(6)) })),
  GetOrder: message(12, orderReference),
  Publish: message(18, table({ channel: text(1), data: json(2) })),
};

const SERVER_TYPES: Readonly<Record<ServerType, FieldShape>> = {
  PriceUpdate: message(
    3,
    table({
      market_id: marketId(1),
      price: nullable(double(3)),
      best_bid: nullable(double(4)),
      best_ask: nullable(double(5)),
      seq: uint64(6),
      ts: uint64(7),
      bid_quantity: optional(double(8)),
      ask_quantity: optional(double(9)),
    }),
  ),
  MarketUpdate: message(
    4,
    table({ update_type: word(1, enumOf(UPDATE_TYPE)), market: message(2, market) }),
  ),
  OrderBook: message(
    5,
    table({
      market_id: marketId(1),
      bids: levels(3),
      asks: levels(4),
      seq: uint64(5),
      ts: uint64(6),
      depth: optional(uint64(7)),
      checksum: optional(uint64(8)),
    }),
  ),
  BookUpdate: message(
    21,
    table({
      market_id: marketId(1),
      bids: levels(3),
      asks: levels(4),
      depth: uint64(5),
      prev_seq: uint64(6),
      seq: uint64(7),
      ts: uint64(8),
      checksum: optional(uint64(9)),
    }),
  ),
  TradeExecution: message(6, table({ trade: message(1, trade) })),
  MarketSnapshot: message(7, table({ markets: list(message(1, market)), more: optional(bool(2)) })),
  OrderUpdate: message(8, table({ order: message(1, order), duplicate: optional(bool(2)) })),
  OrderValidated: message(35, table({ order: message(1, table(requestedOrder)) })),
  OrderResults: message(
    36,
    table({
      results: list(
        message(
          1,
          table({
            order: optional(message(1, order)),
            error: optional(message(2, error)),
            duplicate: optional(bool(3)),
          }),
        ),
      ),
    }),
  ),
  OrdersCancelled: message(37, table({ count: uint64(1) })),
  CancelAfterSet: message(38, table({ trigger_ts: nullable(uint64(1)) })),
  PositionUpdate: message(9, table({ position: message(1, position) })),
  OrderSnapshot: message(10, table({ orders: list(message(1, order)), wallet: text(2) })),
  PositionSnapshot: message(11, table({ positions: list(message(1, position)), wallet: text(2) })),
  Fill: message(32, table({ fill: message(1, fill) })),
  OrderPage: message(
    33,
    table({ wallet: text(1), orders: list(message(2, order)), next: optional(text(3)) }),
  ),
  FillPage: message(
    34,
    table({ wallet: text(1), fills: list(message(2, fill)), next: optional(text(3)) }),
  ),
  Pong: message(12, table({ timestamp: double(1), server_time: uint64(2) })),
  Error: message(13, error),
  Subscribed: message(14, channels),
  Unsubscribed: message(15, channels),
  Connected: message(
    16,
    table({
      connection_id: text(1),
      server_time: uint64(2),
      epoch: text(3),
      ping_interval_ms: uint64(4),
      session: optional(text(5)),
      resumed: optional(bool(6)),
      node: text(7),
    }),
  ),
  Authenticated: message(
    17,
    table({
      user_id: text(1),
      wallet: nullable(text(2)),
      session: optional(text(3)),
      resumed: optional(bool(4)),
    }),
  ),
  EpochChanged: message(18, table({ epoch: text(1) })),
  SystemStatus: message(19, table({ status: message(1, systemStatus) })),
  TradePage: message(
    25,
    table({ market_id: marketId(1), trades: list(message(3, trade)), next: optional(text(4)) }),
  ),
  CandlePage: message(
    26,
    table({
      market_id: marketId(1),
      interval: word(3, candleIntervals),
      candles: list(candle(4)),
      next: optional(text(5)),
    }),
  ),
  Published: message(28, table({ channel: text(1), seq: uint64(2), ts: uint64(3) })),
  Publication: message(
    29,
    table({
      channel: text(1),
      data: json(2),
      seq: uint64(3),
      ts: uint64(4),
      user_id: optional(text(5)),
    }),
  ),
  Notification: message(
    20,
    table({ level: word(1, enumOf(NOTIFICATION_LEVEL)), message: text(2) }),
  ),
  ServerShutdown: message(27, table({ deadline_ts: uint64(1), reason: text(2) })),
  CandleSnapshot: message(
    22,
    table({
      market_id: marketId(1),
      interval: word(3, candleIntervals),
      candles: list(candle(4)),
    }),
  ),
  CandleUpdate: message(
    23,
    table({
      market_id: marketId(1),
      interval: word(3, candleIntervals),
      candle: candle(4),
      closed: bool(5),
    }),
  ),
  Heartbeat: message(
    24,
    table({ epoch: text(1), ts: uint64(2), feed_age_ms: uint64(3), conflated: uint64(4) }),
  ),
  PresenceUpdate: message(
    31,
    table({
      market_id: optional(marketId(1)),
      channel: optional(text(3)),
      connections: uint64(4),
      users: uint64(5),
      joined: optional(list(text(6))),
      left: optional(list(text(7))),
      members: optional(list(text(8))),
    }),
  ),
};

/** What a client sends. */
export const CLIENT_MESSAGE = envelope(CLIENT_TYPES);
/** What the server sends. */
export const SERVER_MESSAGE = envelope(SERVER_TYPES);
/** What the server sends on a connection with batches. */
export const SERVER_BATCH = table({ messages: list(message(1, SERVER_MESSAGE)) });
