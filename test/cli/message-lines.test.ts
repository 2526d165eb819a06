import { describe, expect, it } from "vitest";
import { messageLines } from "../../src/cli/message-lines.js";
import type { Market, Order, Position, ServerMessage } from "../../src/client/node.js";

const TS = Date.UTC(2026, 0, 2, 3, 4, 5, 6) * 1000;
const market: Market = {
  ...{ market_id: 7, title: "Rain\u001b]0;x\u0007", status: "Halted", price: 1.5, best_bid: null },
  ...{ best_ask: 1.6, volume: 12, tick_size: 0.1, lot_size: 1, seq: 3, ts: TS },
};
const order: Order = {
  ...{ order_id: "o-1", market_id: 7, wallet: "w", side: "Sell", order_type: "Limit", price: 2 },
  ...{ time_in_force: "IOC", post_only: false, quantity: 5, filled_quantity: 2 },
  ...{ status: "Cancelled", reason: "ioc", created_ts: TS, updated_ts: TS },
};
const position: Position = {
  ...{ wallet: "w", market_id: 7, quantity: -2, average_price: 2, realized_pnl: 0.5 },
  updated_ts: TS,
};

const MESSAGES: readonly [ServerMessage, readonly string[]][] = [
  [
    { type: "MarketSnapshot", data: { markets: [market, market] } },
    [
      "7  1.5     bid –       ask 1.6     volume 12  Halted  Rain�]0;x�  #3",
      "7  1.5     bid –       ask 1.6     volume 12  Halted  Rain�]0;x�  #3",
    ],
  ],
  [{ type: "MarketSnapshot", data: { markets: [] } }, ["no markets"]],
  [
    { type: "MarketUpdate", data: { update_type: "Status", market } },
    ["7  1.5     bid –       ask 1.6     volume 12  Halted  Rain�]0;x�  #3  Status"],
  ],
  [
    {
      type: "PriceUpdate",
      data: { market_id: 7, price: 0.25, best_bid: 0.2, best_ask: 0.3, seq: 9, ts: TS },
    },
    ["7  0.25    bid 0.2     ask 0.3     #9"],
  ],
  [
    { type: "OrderBook", data: { market_id: 7, bids: [[1, 2]], asks: [], seq: 4, ts: TS } },
    ["7  bid 1 × 2  ask none  1 + 0 levels  #4"],
  ],
  [
    {
      type: "TradeExecution",
      data: {
        trade: {
          ...{ trade_id: "t", market_id: 7, price: 2, quantity: 3, taker_side: "Buy", seq: 1 },
          ts: TS,
        },
      },
    },
    ["7  Buy 3 at 2  #1"],
  ],
  [
    { type: "OrderUpdate", data: { order } },
    ["7  Sell 5 at 2 IOC  filled 2  Cancelled (ioc)  o-1"],
  ],
  [
    {
      type: "Fill",
      data: {
        fill: {
          trade_id: "3",
          order_id: "8",
          client_order_id: "c\n",
          market_id: 7,
          wallet: "w",
          side: "Sell",
          price: 2,
          quantity: 5,
          liquidity: "Maker",
          ts: TS,
        },
      },
    },
    ["7  Sell 5 at 2 as Maker  8 c\ufffd"],
  ],
  [{ type: "OrderSnapshot", data: { wallet: "w", orders: [] } }, ["no open orders"]],
  [
    { type: "PositionSnapshot", data: { wallet: "w", positions: [position] } },
    ["7  -2 at 2  realized 0.5  w"],
  ],
  [{ type: "PositionUpdate", data: { position } }, ["7  -2 at 2  realized 0.5  w"]],
  [
    { type: "Notification", data: { level: "warning", message: "two\nlines" } },
    ["warning: two�lines"],
  ],
  [
    {
      type: "Publication",
      data: { channel: "desk-1", data: { a: [1] }, seq: 7, ts: 1, user_id: "u" },
    },
    ['desk-1  u: {"a":[1]}  #7'],
  ],
  [
    { type: "Publication", data: { channel: "desk-1", data: null, seq: 8, ts: 1 } },
    ["desk-1  the operator: null  #8"],
  ],
  [{ type: "EpochChanged", data: { epoch: "e-2" } }, ["e-2: sequence numbers start again"]],
  [{ type: "Pong", data: { timestamp: 1, server_time: 2 } }, ['{"timestamp":1,"server_time":2}']],
  [
    {
      type: "SystemStatus",
      data: {
        status: {
          ...{ state: "degraded", reasons: ["lag"], connections: 1, shards: 2, markets: 3 },
          ...{ messages_per_second: 4, uptime_s: 5, version: "1.0.0" },
        },
      },
    },
    ["degraded (lag)  1 connections, 2 shards, 3 markets, 4 messages/s, up 5 s"],
  ],
];

describe("message lines", () => {
  // The tests' own output may be a terminal, which gets colours.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be taken out
  const plain = (line: string): string => line.replace(/\u001b\[\d+m/g, "");

  it.each(MESSAGES)("message lines - of %j", (message, texts) => {
    const lines = messageLines(message).map(plain);
    const type = message.type.padEnd(16);
    expect(lines.map((line) => line.slice(13 + type.length + 1))).toEqual(texts);
    for (const line of lines) expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} /);
    for (const line of lines) expect(line.slice(13, 13 + type.length)).toBe(type);
  });

  it("message lines - carry the time of the message, not of its printing", () => {
    const [line = ""] = messageLines({ type: "PositionUpdate", data: { position } });
    expect(plain(line)).toMatch(/^\d\d:04:05\.006 /);
  });

  it.each(["Connected", "Candle"])("message lines - of %s, known or not, all data", (type) => {
    const message = { type, data: { epoch: "\u001bc" } } as unknown as ServerMessage;
    expect(messageLines(message).map((line) => plain(line).slice(30))).toEqual([
      '{"epoch":"\\u001bc"}',
    ]);
  });
});
