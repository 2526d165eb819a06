import { styleText } from "node:util";
import type {
  BookUpdate,
  Candle,
  CandleInterval,
  CandleUpdate,
  Fill,
  Market,
  MarketId,
  Order,
  OrderBook,
  Position,
  PresenceUpdate,
  PriceLevel,
  ServerMessage,
  Side,
  SystemStatus,
} from "../client/node.js";

type Style = Parameters<typeof styleText>[0];

/** Width of the longest type of which there are many messages, for lines that stand in columns. */
const TYPE_WIDTH = "PositionSnapshot".length;

/** Width that most prices fit in. */
const PRICE_WIDTH = 6;

/** One line to be: when it happened, in microseconds since the Unix epoch, and what. */
interface Entry {
  readonly ts?: number;
  readonly text: string;
}

/**
 * A message in lines for a person: one for each market, order or position in it, each with the local
 * time of its `ts`, or of now. Colours are there where standard output takes them.
 */
export function messageLines(message: ServerMessage): string[] {
  return entriesOf(message).map(({ ts, text }) => {
    const time = localTime(ts === undefined ? Date.now() : ts / 1000);
    const type = message.type.padEnd(TYPE_WIDTH);
    return `${paint("dim", time)} ${paint("cyan", type)} ${text}`;
  });
}

/** Colours a text where standard output is a terminal that takes colours (`NO_COLOR`). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** What a server calls things, without what a terminal would take for commands. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "\uFFFD");
}

function entriesOf(message: ServerMessage): Entry[] {
  switch (message.type) {
    case "MarketSnapshot":
      return listed(message.data.markets, "markets", marketEntry);
    case "MarketUpdate": {
      const { update_type, market } = message.data;
      const { ts, text } = marketEntry(market);
      return [{ ts, text: `${text}  ${paint("dim", update_type)}` }];
    }
    case "PriceUpdate": {
      const { market_id, price, best_bid, best_ask, seq, ts } = message.data;
      return [{ ts, text: `${market_id}  ${quote(price, best_bid, best_ask)}  ${count(seq)}` }];
    }
    case "OrderBook":
      return [bookEntry(message.data)];
    case "BookUpdate":
      return [bookUpdateEntry(message.data)];
    case "TradeExecution": {
      const { trade } = message.data;
      const what = `${sided(trade.taker_side)} ${trade.quantity} at ${paint("bold", String(trade.price))}`;
      return [{ ts: trade.ts, text: `${trade.market_id}  ${what}  ${count(trade.seq)}` }];
    }
    case "OrderSnapshot":
      return listed(message.data.orders, "open orders", orderEntry);
    case "OrderUpdate":
      return [orderEntry(message.data.order)];
    case "Fill":
      return [fillEntry(message.data.fill)];
    case "PositionSnapshot":
      return listed(message.data.positions, "positions", positionEntry);
    case "PositionUpdate":
      return [positionEntry(message.data.position)];
    case "SystemStatus":
      return [{ text: systemText(message.data.status) }];
    case "CandleSnapshot": {
      const { market_id, interval, candles } = message.data;
      return listed(candles, "candles", (candle) => candleEntry(market_id, interval, candle));
    }
    case "CandleUpdate":
      return [candleUpdateEntry(message.data)];
    case "Heartbeat": {
      const { feed_age_ms, conflated } = message.data;
      return [{ text: `feed ${feed_age_ms} ms ago  ${conflated} conflated` }];
    }
    case "PresenceUpdate":
      return [{ text: presenceText(message.data) }];
    case "Publication": {
      const { channel, data, seq, ts, user_id = "the operator" } = message.data;
      const what = printable(JSON.stringify(data));
      return [{ ts, text: `${channel}  ${printable(user_id)}: ${what}  ${count(seq)}` }];
    }
    case "Notification":
      return [{ text: `${message.data.level}: ${printable(message.data.message)}` }];
    case "ServerShutdown": {
      const { deadline_ts, reason } = message.data;
      return [{ text: `by ${new Date(deadline_ts / 1000).toISOString()}: ${printable(reason)}` }];
    }
    case "EpochChanged":
      return [{ text: `${printable(message.data.epoch)}: sequence numbers start again` }];
    default:
      // Of a newer server, too.
      return [dataEntry(message satisfies ServerMessage<ToldAsTheyAre>)];
  }
}

/** Types of messages that are told with all that is in them. */
type ToldAsTheyAre =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "Error" | "Pong")
  | ("TradePage" | "CandlePage" | "OrderPage" | "FillPage")
  | ("OrderValidated" | "OrderResults" | "OrdersCancelled" | "CancelAfterSet" | "Published");

/** All that is in a message. */
function dataEntry({ data }: ServerMessage): Entry {
  return { text: printable(JSON.stringify(data)) };
}

/** An entry for each item, or one that says that there is none. */
function listed<T>(items: readonly T[], what: string, entry: (item: T) => Entry): Entry[] {
  return items.length === 0 ? [{ text: `no ${what}` }] : items.map(entry);
}

function marketEntry(market: Market): Entry & { readonly ts: number } {
  const { market_id, title, status, price, best_bid, best_ask, volume, seq, ts } = market;
  const prices = quote(price, best_bid, best_ask);
  const state = status === "Active" ? status : paint("yellow", status);
  const text = `${market_id}  ${prices}  volume ${volume}  ${state}  ${printable(title)}  ${count(seq)}`;
  return { ts, text };
}

function bookEntry({ market_id, bids, asks, seq, ts }: OrderBook): Entry {
  const best = (side: readonly PriceLevel[]): string => {
    const [level] = side;
    return level === undefined ? "none" : `${level[0]} × ${level[1]}`;
  };
  const bid = `bid ${paint("green", best(bids))}`;
  const ask = `ask ${paint("red", best(asks))}`;
  const levels = `${bids.length} + ${asks.length} levels`;
  return { ts, text: `${market_id}  ${bid}  ${ask}  ${levels}  ${count(seq)}` };
}

function bookUpdateEntry({ market_id, bids, asks, prev_seq, seq, ts }: BookUpdate): Entry {
  const levels = `${bids.length} bids + ${asks.length} asks changed since #${prev_seq}`;
  return { ts, text: `${market_id}  ${levels}  ${count(seq)}` };
}

function candleEntry(market: MarketId, interval: CandleInterval, candle: Candle): Entry {
  const [ts, open, high, low, close, volume, trades] = candle;
  const prices = `open ${open}  high ${high}  low ${low}  close ${paint("bold", String(close))}`;
  return { ts, text: `${market}  ${interval}  ${prices}  volume ${volume}  ${trades} trades` };
}

function orderEntry(order: Order): Entry {
  const { market_id, side, quantity, filled_quantity, price, order_type, status } = order;
  const limit = price === undefined ? order_type : `at ${price}`;
  const filled = `filled ${filled_quantity}`;
  const ids = [order.order_id, order.client_order_id ?? ""].filter((id) => id !== "").join(" ");
  const reason = order.reason === undefined ? "" : ` (${printable(order.reason)})`;
  const what = `${sided(side)} ${quantity} ${limit} ${order.time_in_force}`;
  const text = `${market_id}  ${what}  ${filled}  ${paint("bold", status)}${reason}  ${ids}`;
  return { ts: order.updated_ts, text };
}

function fillEntry(fill: Fill): Entry {
  const { market_id, side, quantity, price, liquidity, order_id, client_order_id, ts } = fill;
  const ids = printable([order_id, client_order_id ?? ""].filter((id) => id !== "").join(" "));
  const what = `${sided(side)} ${quantity} at ${paint("bold", String(price))} as ${liquidity}`;
  return { ts, text: `${market_id}  ${what}  ${ids}` };
}

function positionEntry(position: Position): Entry {
  const { market_id, wallet, quantity, average_price, realized_pnl, updated_ts } = position;
  const held = `${quantity} at ${average_price}`;
  const text = `${market_id}  ${held}  realized ${realized_pnl}  ${printable(wallet)}`;
  return { ts: updated_ts, text };
}

function systemText(status: SystemStatus): string {
  const { state, reasons, connections, shards, markets, messages_per_second, uptime_s } = status;
  const shown = paint(state === "ok" ? "green" : "yellow", state);
  const why = reasons.length === 0 ? "" : ` (${printable(reasons.join(", "))})`;
  return `${shown}${why}  ${connections} connections, ${shards} shards, ${markets} markets, ${messages_per_second} messages/s, up ${uptime_s} s`;
}

function presenceText(update: PresenceUpdate): string {
  const { market_id, channel, connections, users } = update;
  const lists = (["members", "joined", "left"] as const).flatMap((name) => {
    const list = update[name] ?? [];
    return list.length === 0 ? [] : [`${name} ${printable(list.join(", "))}`];
  });
  return [`${channel ?? market_id}`, `${connections} connections`, `${users} users`, ...lists].join(
    "  ",
  );
}

function quote(price: number | null, bid: number | null, ask: number | null): string {
  const [last, ...best] = [price, bid, ask].map((value) =>
    String(value ?? "–").padEnd(PRICE_WIDTH),
  );
  return `${paint("bold", last ?? "")}  bid ${best[0]}  ask ${best[1]}`;
}

function sided(side: Side): string {
  return paint(side === "Buy" ? "green" : "red", side);
}

function count(seq: number): string {
  return paint("dim", `#${seq}`);
}

/** Hours to milliseconds in the local time zone. */
function localTime(ms: number): string {
  const date = new Date(ms);
  const part = (value: number, width: number): string => String(value).padStart(width, "0");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${clock.map((value) => part(value, 2)).join(":")}.${part(date.getMilliseconds(), 3)}`;
}

function candleUpdateEntry({ market_id, interval, candle, closed }: CandleUpdate): Entry {
  const { text, ...rest } = candleEntry(market_id, interval, candle);
  return { ...rest, text: closed ? `${text}  ${paint("dim", "closed")}` : text };
}
