import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { otherMessages } from "../support/market-model.js";
import { orderMessages } from "../support/order-messages.js";
import { parseServerMessage } from "./server-messages-schema.js";

const market = {
  market_id: 1001,
  title: "A",
  status: "Active",
  price: 1.5,
  best_bid: null,
  best_ask: 2,
  volume: 0,
  tick_size: 0.5,
  lot_size: 1,
  seq: 1,
  ts: 1,
} as const;
const trade = {
  trade_id: "t",
  market_id: "9007199254740993",
  price: -1,
  quantity: 1,
  taker_side: "Buy",
  seq: 1,
  ts: 1,
} as const;

const order = {
  order_id: "12",
  client_order_id: "mine",
  market_id: 1001,
  wallet: "w",
  side: "Buy",
  order_type: "Limit",
  time_in_force: "GTC",
  post_only: false,
  price: 0.52,
  quantity: 10,
  filled_quantity: 4,
  average_price: 0.51,
  status: "Cancelled",
  reason: "asked for",
  created_ts: 1,
  updated_ts: 2,
} as const;
const { client_order_id, price, average_price, reason, ...least } = order;
const position = {
  wallet: "w",
  market_id: 1001,
  quantity: -10,
  average_price: 0.5,
  realized_pnl: -1.25,
  updated_ts: 2,
} as const;

const EXAMPLES: readonly ServerMessage[] = [
  {
    type: "Connected",
    data: { connection_id: "1", server_time: 1, epoch: "e", ping_interval_ms: 25_000, node: "n" },
  },
  { type: "Authenticated", data: { user_id: "u", wallet: null } },
  { type: "Subscribed", id: 1, data: { channels: [{ type: "Markets", params: null }] } },
  { type: "Unsubscribed", id: "x", data: { channels: [] } },
  { type: "EpochChanged", data: { epoch: "f" } },
  { type: "Error", data: { code: "FORBIDDEN", message: "no" } },
  { type: "Error", data: { code: "INTERNAL", message: "no", details: { field: "data" } } },
  { type: "Pong", data: { timestamp: 0.5, server_time: 1 } },
  { type: "MarketSnapshot", data: { markets: [] } },
  { type: "MarketSnapshot", data: { markets: [market, market] } },
  { type: "MarketUpdate", data: { update_type: "Unmatched", market } },
  {
    type: "PriceUpdate",
    data: { market_id: 0, price: null, best_bid: null, best_ask: null, seq: 1, ts: 1 },
  },
  { type: "OrderBook", data: { market_id: 1, bids: [[1, 2]], asks: [], seq: 0, ts: 1 } },
  { type: "TradeExecution", data: { trade } },
  { type: "OrderSnapshot", data: { wallet: "w", orders: [] } },
  { type: "OrderSnapshot", data: { wallet: "w", orders: [order, least] } },
  { type: "OrderUpdate", id: 7, data: { order } },
  { type: "OrderUpdate", data: { order: least } },
  { type: "PositionSnapshot", data: { wallet: "w", positions: [position, position] } },
  { type: "PositionUpdate", data: { position } },
  { type: "CandleSnapshot", data: { market_id: 1, interval: "1d", candles: [] } },
  {
    type: "CandleUpdate",
    data: { market_id: 1, interval: "1s", candle: [0, 1, 2, 1, 2, 3, 4], closed: false },
  },
  { type: "Heartbeat", data: { epoch: "e", ts: 1, feed_age_ms: 0, conflated: 0 } },
  { type: "PresenceUpdate", data: { market_id: 1, connections: 2, users: 1 } },
  {
    type: "PresenceUpdate",
    data: { channel: "a.b", connections: 2, users: 1, joined: [], left: ["x"], members: ["y"] },
  },
  { type: "Notification", data: { level: "info", message: "" } },
];

describe("server-messages", () => {
  it("server-messages - an example of each type is taken as it is", () => {
    for (const message of EXAMPLES) expect(parseServerMessage(message)).toEqual(message);
  });

  it("server-messages - whatever the server says by itself is taken as it is", () => {
    fc.assert(
      fc.property(otherMessages, (message) => {
        if (message.type === "Pong" && typeof message.id === "string" && message.id.length > 64)
          return;
        expect(parseServerMessage(message)).toEqual(message);
      }),
    );
    fc.assert(
      fc.property(orderMessages, (message) => {
        expect(parseServerMessage(message)).toEqual(message);
      }),
    );
  });

  it("server-messages - a field more, a field less and a field of another kind break the contract", () => {
    for (const message of EXAMPLES) {
      expect(() => parseServerMessage({ ...message, extra: 1 })).toThrow();
      expect(() =>
        parseServerMessage({ ...message, data: { ...message.data, extra: 1 } }),
      ).toThrow();
      for (const key of Object.keys(message.data)) {
        if (["details", "joined", "left", "members"].includes(key)) continue;
        const { [key]: _, ...less } = message.data as Record<string, unknown>;
        expect(() => parseServerMessage({ ...message, data: less })).toThrow();
        const other = { ...message.data, [key]: Symbol("none of the kinds") };
        expect(() => parseServerMessage({ ...message, data: other })).toThrow();
      }
    }
  });

  it("server-messages - numbers that break a bound are refused", () => {
    const broken = [
      { type: "MarketUpdate", data: { update_type: "Price", market: { ...market, seq: 0 } } },
      { type: "MarketUpdate", data: { update_type: "Price", market: { ...market, seq: 1.5 } } },
      { type: "MarketUpdate", data: { update_type: "Price", market: { ...market, ts: 2 ** 60 } } },
      { type: "MarketUpdate", data: { update_type: "Other", market } },
      { type: "TradeExecution", data: { trade: { ...trade, quantity: 0 } } },
      { type: "TradeExecution", data: { trade: { ...trade, market_id: 2 ** 53 } } },
      {
        type: "OrderBook",
        data: { market_id: 1, bids: Array(201).fill([1, 1]), asks: [], seq: 1, ts: 1 },
      },
      { type: "OrderUpdate", data: { order: { ...order, quantity: 0 } } },
      { type: "OrderUpdate", data: { order: { ...order, filled_quantity: -1 } } },
      { type: "OrderUpdate", data: { order: { ...order, price: 0 } } },
      { type: "OrderUpdate", data: { order: { ...order, created_ts: 1.5 } } },
      { type: "OrderUpdate", data: { order: { ...order, order_id: 12 } } },
      { type: "PositionUpdate", data: { position: { ...position, average_price: -1 } } },
      { type: "PositionUpdate", data: { position: { ...position, quantity: Number.NaN } } },
      { type: "Nothing", data: {} },
    ];
    for (const message of broken) expect(() => parseServerMessage(message)).toThrow();
  });

  it("server-messages - an order and a position have exactly their fields", () => {
    const told = (name: "order" | "position", value: object) =>
      parseServerMessage({
        type: name === "order" ? "OrderUpdate" : "PositionUpdate",
        data: { [name]: value },
      });
    for (const [name, whole, needed] of [
      ["order", order, least],
      ["position", position, position],
    ] as const) {
      expect(() => told(name, { ...whole, extra: 1 })).toThrow();
      for (const key of Object.keys(needed)) {
        const { [key]: _, ...less } = whole as Record<string, unknown>;
        expect(() => told(name, less)).toThrow();
      }
    }
  });
});
