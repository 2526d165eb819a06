import { z } from "zod";
import { channelSchema, marketIdSchema } from "../../src/contract/channels-schema.js";
import { requestIdSchema } from "../../src/contract/client-messages-schema.js";
import { ERROR_CODES } from "../../src/contract/error-codes.js";
import { BOOK_DEPTHS } from "../../src/contract/limits.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import { CANCEL_REASONS, type CancelReason } from "../../src/contract/order-rules.js";
import { BOOK_LEVELS_MAX, MARKET_STATUSES, SIDES } from "../../src/shared/market.js";
import {
  ORDER_STATUSES,
  ORDER_TYPES,
  SELF_TRADES,
  TIMES_IN_FORCE,
} from "../../src/shared/order.js";

const seq = z.int().positive();
const ts = z.int().positive();
const price = z.number().nullable();

export const UPDATE_TYPES = ["Created", "Status", "Price", "Volume", "Unmatched"] as const;
export type UpdateType = (typeof UPDATE_TYPES)[number];

const market = z.strictObject({
  market_id: marketIdSchema,
  title: z.string(),
  status: z.enum(MARKET_STATUSES),
  price,
  best_bid: price,
  best_ask: price,
  volume: z.number().nonnegative(),
  tick_size: z.number().positive(),
  lot_size: z.number().positive(),
  seq,
  ts,
});

const levels = z.array(z.tuple([z.number(), z.number().positive()])).max(BOOK_LEVELS_MAX);

const changes = z.array(z.tuple([z.number(), z.number().nonnegative()])).max(2 * BOOK_LEVELS_MAX);
const checksum = z.int().min(0).max(0xffff_ffff);

export const systemStatusSchema = z.strictObject({
  state: z.enum(["ok", "degraded", "draining"]),
  reasons: z.array(z.string()),
  connections: z.int().nonnegative(),
  shards: z.int().positive(),
  markets: z.int().nonnegative(),
  messages_per_second: z.number().nonnegative(),
  uptime_s: z.int().nonnegative(),
  version: z.string(),
});

const errorData = z.strictObject({
  code: z.enum(ERROR_CODES),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});

const order = z.strictObject({
  order_id: z.string(),
  client_order_id: z.string().optional(),
  market_id: marketIdSchema,
  wallet: z.string(),
  side: z.enum(SIDES),
  order_type: z.enum(ORDER_TYPES),
  time_in_force: z.enum(TIMES_IN_FORCE),
  post_only: z.boolean(),
  price: z.number().positive().optional(),
  quantity: z.number().positive(),
  filled_quantity: z.number().nonnegative(),
  average_price: z.number().positive().optional(),
  status: z.enum(ORDER_STATUSES),
  expires_ts: ts.optional(),
  reason: z.string().optional(),
  reason_code: z.enum(Object.keys(CANCEL_REASONS) as CancelReason[]).optional(),
  created_ts: ts,
  updated_ts: ts,
});

const fill = z.strictObject({
  trade_id: z.string(),
  order_id: z.string(),
  client_order_id: z.string().optional(),
  market_id: marketIdSchema,
  wallet: z.string(),
  side: z.enum(SIDES),
  price: z.number().positive(),
  quantity: z.number().positive(),
  liquidity: z.enum(["Maker", "Taker"]),
  ts,
});

const position = z.strictObject({
  wallet: z.string(),
  market_id: marketIdSchema,
  quantity: z.number(),
  average_price: z.number().nonnegative(),
  realized_pnl: z.number(),
  updated_ts: ts,
});

const INTERVALS = ["1s", "1m", "5m", "15m", "1h", "1d"] as const;
const candle = z.tuple([
  z.int().nonnegative(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number().nonnegative(),
  z.int().nonnegative(),
]);
const trade = z.strictObject({
  trade_id: z.string(),
  market_id: marketIdSchema,
  price: z.number(),
  quantity: z.number().positive(),
  taker_side: z.enum(SIDES),
  seq,
  ts,
  epoch: z.string().optional(),
});

/** The `data` of each message type the server sends. */
const presence = { connections: z.int().nonnegative(), users: z.int().nonnegative() };
const names = z.array(z.string()).max(1000);

export const serverData = {
  Connected: z.strictObject({
    connection_id: z.string(),
    server_time: z.int(),
    epoch: z.string(),
    ping_interval_ms: z.int(),
    session: z.string().optional(),
    resumed: z.boolean().optional(),
    node: z.string(),
  }),
  Authenticated: z.strictObject({
    user_id: z.string(),
    wallet: z.string().nullable(),
    session: z.string().optional(),
    resumed: z.boolean().optional(),
  }),
  Subscribed: z.strictObject({
    // It says what became of a `since`, and of nothing else.
    channels: z.array(
      z
        .intersection(channelSchema, z.object({ recovered: z.boolean().optional() }))
        .refine(({ since, recovered }) => (since === undefined) === (recovered === undefined)),
    ),
  }),
  Unsubscribed: z.strictObject({ channels: z.array(channelSchema) }),
  EpochChanged: z.strictObject({ epoch: z.string() }),
  Error: errorData,
  Pong: z.strictObject({ timestamp: z.number(), server_time: z.int() }),
  MarketSnapshot: z.strictObject({ markets: z.array(market), more: z.literal(true).optional() }),
  MarketUpdate: z.strictObject({ update_type: z.enum(UPDATE_TYPES), market }),
  PriceUpdate: z.strictObject({
    market_id: marketIdSchema,
    price,
    best_bid: price,
    best_ask: price,
    bid_quantity: z.number().positive().nullable().optional(),
    ask_quantity: z.number().positive().nullable().optional(),
    seq,
    ts,
  }),
  OrderBook: z.strictObject({
    market_id: marketIdSchema,
    bids: levels,
    asks: levels,
    seq: z.int().nonnegative(),
    ts,
    depth: z.literal(BOOK_DEPTHS).optional(),
    checksum: checksum.optional(),
  }),
  BookUpdate: z.strictObject({
    market_id: marketIdSchema,
    depth: z.literal(BOOK_DEPTHS),
    bids: changes,
    asks: changes,
    prev_seq: z.int().nonnegative(),
    seq,
    ts,
    checksum: checksum.optional(),
  }),
  TradeExecution: z.strictObject({ trade }),
  TradePage: z.strictObject({
    market_id: marketIdSchema,
    trades: z.array(trade),
    next: z.string().optional(),
  }),
  CandlePage: z.strictObject({
    market_id: marketIdSchema,
    interval: z.enum(["1s", "1m", "5m", "15m", "1h", "1d"]),
    candles: z.array(
      z.tuple([ts, z.number(), z.number(), z.number(), z.number(), z.number(), z.int()]),
    ),
    next: z.string().optional(),
  }),
  OrderSnapshot: z.strictObject({ wallet: z.string(), orders: z.array(order) }),
  PositionSnapshot: z.strictObject({ wallet: z.string(), positions: z.array(position) }),
  Fill: z.strictObject({ fill }),
  OrderPage: z.strictObject({
    wallet: z.string(),
    orders: z.array(order).max(1000),
    next: z.string().optional(),
  }),
  FillPage: z.strictObject({
    wallet: z.string(),
    fills: z.array(fill).max(1000),
    next: z.string().optional(),
  }),
  OrderUpdate: z.strictObject({ order, duplicate: z.literal(true).optional() }),
  OrderValidated: z.strictObject({
    order: z.strictObject({
      market_id: marketIdSchema,
      side: z.enum(SIDES),
      order_type: z.enum(ORDER_TYPES),
      price: z.number().positive().optional(),
      quantity: z.number().positive(),
      time_in_force: z.enum(TIMES_IN_FORCE),
      post_only: z.boolean(),
      client_order_id: z.string().optional(),
      expires_ts: ts.optional(),
      valid_until_ts: ts.optional(),
      self_trade: z.enum(SELF_TRADES),
    }),
  }),
  OrderResults: z.strictObject({
    results: z.array(
      z.union([
        z.strictObject({ order, duplicate: z.literal(true).optional() }),
        z.strictObject({ error: errorData }),
      ]),
    ),
  }),
  OrdersCancelled: z.strictObject({ count: z.int().nonnegative() }),
  CancelAfterSet: z.strictObject({ trigger_ts: ts.nullable() }),
  PositionUpdate: z.strictObject({ position }),
  SystemStatus: z.strictObject({ status: systemStatusSchema }),
  CandleSnapshot: z.strictObject({
    market_id: marketIdSchema,
    interval: z.enum(INTERVALS),
    candles: z.array(candle).max(1000),
  }),
  CandleUpdate: z.strictObject({
    market_id: marketIdSchema,
    interval: z.enum(INTERVALS),
    candle,
    closed: z.boolean(),
  }),
  Heartbeat: z.strictObject({
    epoch: z.string(),
    ts: z.int().positive(),
    feed_age_ms: z.int().nonnegative(),
    conflated: z.int().nonnegative(),
  }),
  PresenceUpdate: z.union([
    z.strictObject({ market_id: marketIdSchema, ...presence }),
    z.strictObject({
      channel: z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/),
      ...presence,
      joined: names.optional(),
      left: names.optional(),
      members: names.optional(),
    }),
  ]),
  Notification: z.strictObject({
    level: z.enum(["info", "warning", "error"]),
    message: z.string(),
  }),
  Published: z.strictObject({ channel: z.string(), seq: z.int(), ts: z.int() }),
  Publication: z.strictObject({
    channel: z.string(),
    data: z.json(),
    seq: z.int(),
    ts: z.int(),
    user_id: z.string().optional(),
  }),
  ServerShutdown: z.strictObject({ deadline_ts: z.int(), reason: z.string() }),
} as const;

export type ServerType = keyof typeof serverData;

/** Parses any message of the server; throws where it is none that the protocol knows. */
export function parseServerMessage(value: unknown): ServerMessage {
  const { type, id, data } = envelopeSchema.parse(value);
  const parsed = serverData[type].parse(data);
  return { type, data: parsed, ...(id !== undefined && { id }) } as ServerMessage;
}

const envelopeSchema = z.strictObject({
  type: z.enum(Object.keys(serverData) as ServerType[]),
  id: requestIdSchema.optional(),
  data: z.unknown(),
});
