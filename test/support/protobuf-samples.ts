import type { ClientMessage, ServerMessage } from "../../src/contract/messages.js";

const WIDE_ID = `${2n ** 128n - 1n}`;
const TS = 1_790_000_000_000_000;

const order = {
  order_id: "12",
  client_order_id: "my-1",
  market_id: 1001,
  wallet: "wället",
  side: "Sell",
  order_type: "Limit",
  time_in_force: "GTC",
  post_only: true,
  price: 0.5,
  quantity: 3,
  filled_quantity: 1,
  average_price: 0.25,
  status: "PartiallyFilled",
  created_ts: TS,
  updated_ts: TS + 1,
} as const;
const market = {
  market_id: 1001,
  title: "Märket",
  status: "Active",
  price: null,
  best_bid: 0.5,
  best_ask: null,
  volume: 0,
  tick_size: 0.25,
  lot_size: 1,
  seq: 1,
  ts: TS,
} as const;
const fill = {
  trade_id: "9",
  order_id: "12",
  client_order_id: "my-1",
  market_id: 1001,
  wallet: "wället",
  side: "Sell",
  price: 0.5,
  quantity: 2,
  liquidity: "Maker",
  ts: TS,
} as const;
const position = {
  wallet: "w",
  market_id: WIDE_ID,
  quantity: -2,
  average_price: 0.5,
  realized_pnl: -1.5,
  updated_ts: TS,
} as const;

/** One message of each type that the server sends. */
export const SERVER_SAMPLES: { readonly [T in ServerMessage["type"]]: ServerMessage<T> } = {
  Connected: {
    type: "Connected",
    data: {
      connection_id: "c1",
      server_time: 1_790_000_000_000,
      epoch: "e1",
      ping_interval_ms: 25_000,
      session: "s1",
      resumed: false,
      node: "n1",
    },
  },
  Authenticated: {
    type: "Authenticated",
    id: 0,
    data: { user_id: "u", wallet: null, session: "s1", resumed: true },
  },
  Subscribed: {
    type: "Subscribed",
    id: -1,
    data: {
      channels: [
        { type: "Markets", params: { filter: { status: ["Active", "Closed"], search: "x" } } },
        { type: "Markets", params: null },
        { type: "PriceFeed", params: { market_ids: [1001, WIDE_ID] } },
      ],
    },
  },
  Unsubscribed: {
    type: "Unsubscribed",
    id: "ü",
    data: { channels: [{ type: "Trades", params: { market_id: 1001 } }] },
  },
  EpochChanged: { type: "EpochChanged", data: { epoch: "e2" } },
  Error: {
    type: "Error",
    id: Number.MAX_SAFE_INTEGER,
    data: { code: "RATE_LIMITED", message: "slow", details: { limit: "x", retry_after_ms: 5 } },
  },
  Pong: { type: "Pong", id: "", data: { timestamp: 1.5, server_time: 1_790_000_000_000 } },
  MarketSnapshot: { type: "MarketSnapshot", data: { markets: [market], more: true } },
  MarketUpdate: { type: "MarketUpdate", data: { update_type: "Unmatched", market } },
  PriceUpdate: {
    type: "PriceUpdate",
    data: { market_id: 1001, price: 0.5, best_bid: 0.25, best_ask: 0.75, seq: 300, ts: TS },
  },
  OrderBook: {
    type: "OrderBook",
    data: { market_id: 1001, bids: [[0.5, 2]], asks: [[0.75, 1]], seq: 7, ts: TS },
  },
  TradePage: {
    type: "TradePage",
    id: 8,
    data: {
      market_id: 1001,
      trades: [
        {
          trade_id: "9",
          market_id: 1001,
          price: 0.5,
          quantity: 2,
          taker_side: "Sell",
          seq: 1,
          ts: TS,
          epoch: "e0",
        },
      ],
      next: "t9",
    },
  },
  CandlePage: {
    type: "CandlePage",
    id: 9,
    data: { market_id: WIDE_ID, interval: "1h", candles: [[TS, 1.5, 2, 1, 1.75, 30, 4]] },
  },
  BookUpdate: {
    type: "BookUpdate",
    data: {
      market_id: 1001,
      bids: [[0.5, 0]],
      asks: [],
      depth: 20,
      prev_seq: 6,
      seq: 7,
      ts: TS,
      checksum: 0xcafe_babe,
    },
  },
  TradeExecution: {
    type: "TradeExecution",
    data: {
      trade: {
        trade_id: "9",
        market_id: 1001,
        price: 0.5,
        quantity: 2,
        taker_side: "Buy",
        seq: 1,
        ts: TS,
      },
    },
  },
  OrderSnapshot: { type: "OrderSnapshot", data: { wallet: "w", orders: [order] } },
  OrderPage: { type: "OrderPage", id: 10, data: { wallet: "w", orders: [order], next: "o-9" } },
  Fill: { type: "Fill", data: { fill } },
  FillPage: { type: "FillPage", id: 11, data: { wallet: "w", fills: [fill] } },
  OrderUpdate: { type: "OrderUpdate", id: 7, data: { order, duplicate: true } },
  OrderValidated: {
    type: "OrderValidated",
    id: 12,
    data: {
      order: {
        market_id: WIDE_ID,
        side: "Buy",
        order_type: "Limit",
        price: 0.5,
        quantity: 3,
        time_in_force: "GTD",
        post_only: false,
        client_order_id: "my-2",
        expires_ts: TS,
        valid_until_ts: TS + 2,
        self_trade: "CancelBoth",
      },
    },
  },
  OrderResults: {
    type: "OrderResults",
    id: 13,
    data: {
      results: [
        { order, duplicate: true },
        {
          error: {
            code: "ORDER_REJECTED",
            message: "m",
            details: { rule: "expired", field: "expires_ts", value: 1, limit: null },
          },
        },
        {
          order: {
            ...order,
            time_in_force: "GTD",
            status: "Cancelled",
            expires_ts: TS + 5,
            reason: "expired",
            reason_code: "expired",
          },
        },
        { error: { code: "UNAVAILABLE", message: "m" } },
      ],
    },
  },
  OrdersCancelled: { type: "OrdersCancelled", id: 14, data: { count: 0 } },
  CancelAfterSet: { type: "CancelAfterSet", id: 15, data: { trigger_ts: null } },
  PositionSnapshot: { type: "PositionSnapshot", data: { wallet: "w", positions: [] } },
  PositionUpdate: { type: "PositionUpdate", data: { position } },
  SystemStatus: {
    type: "SystemStatus",
    data: {
      status: {
        state: "degraded",
        reasons: ["a", "b"],
        connections: 3,
        shards: 2,
        markets: 50,
        messages_per_second: 12.5,
        uptime_s: 100,
        version: "0.1.0",
      },
    },
  },
  CandleSnapshot: {
    type: "CandleSnapshot",
    data: {
      market_id: WIDE_ID,
      interval: "15m",
      candles: [
        [TS, 0.5, 0.75, 0.25, 0.5, 300, 7],
        [0, 0, 0, 0, 0, 0, 0],
      ],
    },
  },
  CandleUpdate: {
    type: "CandleUpdate",
    data: { market_id: 1001, interval: "1s", candle: [TS, 1, 2, 0.5, 1.5, 2, 3], closed: true },
  },
  Heartbeat: {
    type: "Heartbeat",
    data: { epoch: "e1", ts: TS, feed_age_ms: 12, conflated: 300 },
  },
  Published: { type: "Published", id: 9, data: { channel: "desk-1", seq: TS, ts: TS } },
  Publication: {
    type: "Publication",
    data: {
      channel: "desk-1",
      data: { ä: [1, null, -0.5, "\u{1f600}", { deep: [] }] },
      seq: TS + 1,
      ts: TS,
      user_id: "ünal",
    },
  },
  PresenceUpdate: {
    type: "PresenceUpdate",
    data: {
      channel: "desk-1",
      connections: 300,
      users: 2,
      joined: ["ana"],
      left: ["bo", "cy"],
      members: ["ana", "dé"],
    },
  },
  Notification: { type: "Notification", data: { level: "warning", message: "m" } },
  ServerShutdown: {
    type: "ServerShutdown",
    data: { deadline_ts: 1_790_000_000_000_000, reason: "r" },
  },
};

/** One message of each type that a client sends, in canonical form. */
export const CLIENT_SAMPLES: { readonly [T in ClientMessage["type"]]: ClientMessage<T> } = {
  Authenticate: { type: "Authenticate", id: 1, data: { token: "t", session: "s" } },
  Subscribe: {
    type: "Subscribe",
    id: 2,
    data: {
      channels: [
        {
          type: "Markets",
          params: {
            filter: { status: ["Active"], min_volume: 1, max_volume: 2.5, search: "rain" },
          },
        },
        { type: "Market", params: { market_id: `${2n ** 64n}` } },
        { type: "PriceFeed", params: { market_ids: [1001, 1002] } },
        { type: "Trades", params: null },
        { type: "Orders", params: { wallet: "w" } },
        { type: "Positions", params: { wallet: "w" } },
        { type: "SystemStatus", params: null },
        { type: "Private", params: { channel: "desk-1" } },
      ],
    },
  },
  Unsubscribe: {
    type: "Unsubscribe",
    id: "three",
    data: { channels: [{ type: "Trades", params: { market_id: WIDE_ID } }] },
  },
  Publish: { type: "Publish", id: 5, data: { channel: "a.b:c-1_", data: { a: [1, null] } } },
  Ping: { type: "Ping", data: { timestamp: 1_790_000_000_000 } },
  PlaceOrder: {
    type: "PlaceOrder",
    id: 4,
    data: {
      order: {
        market_id: 1001,
        side: "Buy",
        order_type: "Limit",
        price: 0.5,
        quantity: 10,
        time_in_force: "GTC",
        post_only: false,
        client_order_id: "my-1",
      },
      validate_only: true,
    },
  },
  PlaceOrders: {
    type: "PlaceOrders",
    id: 8,
    data: {
      orders: [
        {
          market_id: WIDE_ID,
          side: "Sell",
          order_type: "Limit",
          price: 0.25,
          quantity: 1,
          time_in_force: "GTD",
          expires_ts: TS,
          valid_until_ts: TS + 1,
          self_trade: "CancelMaker",
        },
        { market_id: 1001, side: "Buy", order_type: "Market", quantity: 2 },
      ],
    },
  },
  AmendOrder: {
    type: "AmendOrder",
    id: 9,
    data: { client_order_id: "my-1", price: 0.5, quantity: 3 },
  },
  CancelOrders: { type: "CancelOrders", id: 10, data: { market_id: WIDE_ID, side: "Sell" } },
  CancelAfter: { type: "CancelAfter", id: 11, data: { timeout_ms: 0 } },
  TradeHistory: {
    type: "TradeHistory",
    id: 6,
    data: { market_id: WIDE_ID, from: 0, to: TS, before: "t9", limit: 1000 },
  },
  CandleHistory: { type: "CandleHistory", id: 7, data: { market_id: 1001, interval: "15m" } },
  OrderHistory: {
    type: "OrderHistory",
    id: 8,
    data: {
      wallet: "w",
      market_id: WIDE_ID,
      before: "o-9",
      limit: 1000,
      status: ["Open", "Filled"],
    },
  },
  FillHistory: { type: "FillHistory", id: 9, data: { market_id: 1001, order_id: "12" } },
  GetOrder: { type: "GetOrder", id: 10, data: { order_id: "12" } },
  CancelOrder: { type: "CancelOrder", id: 5, data: { client_order_id: "my-1" } },
};
