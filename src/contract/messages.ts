import type { CandleInterval } from "../shared/candle.js";
import type { MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { Liquidity, OrderStatus, OrderType, SelfTrade, TimeInForce } from "../shared/order.js";
import type { ErrorCode } from "./error-codes.js";
import type { BOOK_DEPTHS, MERGE_INTERVALS_MS } from "./limits.js";
import type { CancelReason, OrderRule } from "./order-rules.js";

/*
 * Every message of the protocol as plain types, for server and clients alike. What clients send, the
 * server parses with the schemas in the files beside this one; type tests hold types and schemas
 * together. Prices and quantities are exact multiples of the market's tick and lot, averages aside; `ts`
 * and names ending in `_ts` are microseconds since the Unix epoch.
 */

export type {
  CancelReason,
  CandleInterval,
  ErrorCode,
  Liquidity,
  MarketId,
  MarketStatus,
  OrderRule,
  OrderStatus,
  OrderType,
  SelfTrade,
  Side,
  TimeInForce,
};

/** A client's request id, given back with each direct reply. */
export type RequestId = number | string;

/** The state of a market. */
export interface Market {
  readonly market_id: MarketId;
  readonly title: string;
  readonly status: MarketStatus;
  /** The last trade's; before any trade the middle of the quote, rounded down to a tick. */
  readonly price: number | null;
  readonly best_bid: number | null;
  readonly best_ask: number | null;
  /** Quantity traded since the listing. */
  readonly volume: number;
  readonly tick_size: number;
  readonly lot_size: number;
  readonly seq: number;
  readonly ts: number;
}

/** The price and the quote of a market. */
export interface PriceUpdate {
  readonly market_id: MarketId;
  readonly price: number | null;
  readonly best_bid: number | null;
  readonly best_ask: number | null;
  /** What can be sold and bought at the best prices, where `sizes` were asked for; null where not known. */
  readonly bid_quantity?: number | null;
  readonly ask_quantity?: number | null;
  readonly seq: number;
  readonly ts: number;
}

export type PriceLevel = readonly [price: number, quantity: number];

/** The best levels of a market's book, best first, at most 20 a side; of a `Book` at most its `depth`. */
export interface OrderBook {
  readonly market_id: MarketId;
  readonly bids: readonly PriceLevel[];
  readonly asks: readonly PriceLevel[];
  /** 0 as long as the market has published no book. */
  readonly seq: number;
  readonly ts: number;
  /** Of a `Book` channel only. */
  readonly depth?: BookDepth;
  /** CRC-32 of the first ten levels a side, where a `Book` was asked for with it. */
  readonly checksum?: number;
}

/** What makes the book of `seq` of that of `prev_seq`, at this depth; a quantity of 0 removes its level. */
export interface BookUpdate {
  readonly market_id: MarketId;
  readonly depth: BookDepth;
  readonly bids: readonly PriceLevel[];
  readonly asks: readonly PriceLevel[];
  readonly prev_seq: number;
  readonly seq: number;
  readonly ts: number;
  /** Of the book that it makes. */
  readonly checksum?: number;
}

export interface Trade {
  /** The exchange's is never used twice in a data directory; a feed may bring its own. */
  readonly trade_id: string;
  readonly market_id: MarketId;
  readonly price: number;
  readonly quantity: number;
  /** Side of the order that took liquidity. */
  readonly taker_side: Side;
  readonly seq: number;
  readonly ts: number;
  /** Of a trade that is told again: the epoch that its `seq` is of, where that is an earlier one. */
  readonly epoch?: string;
}

/**
 * What trades made of a market in one interval that had any: when it starts, in microseconds since the
 * Unix epoch, prices, the quantity that was traded, and the number of trades.
 */
export type Candle = readonly [
  start: number,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
  trades: number,
];

/** The newest candles of a market, oldest first; the last may be unfinished. */
export interface CandleSnapshot {
  readonly market_id: MarketId;
  readonly interval: CandleInterval;
  readonly candles: readonly Candle[];
}

/** A candle as it is now. */
export interface CandleUpdate {
  readonly market_id: MarketId;
  readonly interval: CandleInterval;
  readonly candle: Candle;
  /** Its interval is over. */
  readonly closed: boolean;
}

/** What a page of a market's history is asked for by. */
export interface HistoryRequest {
  readonly market_id: MarketId;
  /** µs since the Unix epoch, inclusive and exclusive. */
  readonly from?: number;
  readonly to?: number;
  /** The `next` of the page before. */
  readonly before?: string;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

export interface Order {
  /** Never used twice in a data directory. */
  readonly order_id: string;
  readonly client_order_id?: string;
  readonly market_id: MarketId;
  readonly wallet: string;
  readonly side: Side;
  readonly order_type: OrderType;
  readonly time_in_force: TimeInForce;
  readonly post_only: boolean;
  /** Of a Limit order. */
  readonly price?: number;
  readonly quantity: number;
  readonly filled_quantity: number;
  /** Of what has been filled. */
  readonly average_price?: number;
  readonly status: OrderStatus;
  /** When a GTD order expires. */
  readonly expires_ts?: number;
  /** Why it was cancelled. */
  readonly reason?: string;
  /** The same for programs. */
  readonly reason_code?: CancelReason;
  readonly created_ts: number;
  readonly updated_ts: number;
}

/** One execution of an order: each trade has two of them. */
export interface Fill {
  readonly trade_id: string;
  readonly order_id: string;
  readonly client_order_id?: string;
  readonly market_id: MarketId;
  readonly wallet: string;
  /** Of the order. */
  readonly side: Side;
  readonly price: number;
  readonly quantity: number;
  readonly liquidity: Liquidity;
  /** The trade's. */
  readonly ts: number;
}

/** What a page of a wallet's orders or fills is asked for by. */
interface WalletHistoryRequest {
  /** The token's, unless its role is `admin`; by default that. */
  readonly wallet?: string;
  /** Of this market only. */
  readonly market_id?: MarketId;
  /** The `next` of the page before. */
  readonly before?: string;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

export interface Position {
  readonly wallet: string;
  readonly market_id: MarketId;
  /** Signed: negative is short. */
  readonly quantity: number;
  readonly average_price: number;
  readonly realized_pnl: number;
  readonly updated_ts: number;
}

export interface SystemStatus {
  readonly state: "ok" | "degraded" | "draining";
  readonly reasons: readonly string[];
  readonly connections: number;
  readonly shards: number;
  readonly markets: number;
  readonly messages_per_second: number;
  readonly uptime_s: number;
  readonly version: string;
}

/** A sign of life that takes the way of market data. */
export interface Heartbeat {
  readonly epoch: string;
  /** The position in the data up to which everything has been told ahead of it; it never decreases. */
  readonly ts: number;
  /** Since the producer's last word of any market, in milliseconds. */
  readonly feed_age_ms: number;
  /** Messages that were left out for this connection so far. */
  readonly conflated: number;
}

/** What somebody has published to a channel. */
export interface Publication {
  readonly channel: string;
  readonly data: unknown;
  /** Within the channel: the next one has the next number, unless the server has forgotten the channel between. */
  readonly seq: number;
  readonly ts: number;
  /** Whose it is; an operator's has none. */
  readonly user_id?: string;
}

/** What presence is of: a market or a private channel. */
export type PresenceSubject =
  | { readonly market_id: MarketId; readonly channel?: never }
  | { readonly channel: string; readonly market_id?: never };

/** Who has any subscription to a market or a private channel; `Presence` itself does not count. */
export type PresenceUpdate = PresenceSubject & {
  readonly connections: number;
  /** Distinct users of those with a token. */
  readonly users: number;
  /**
   * Of a private channel: users who came and went since the last message. In Protocol Buffers lists without
   * any are absent.
   */
  readonly joined?: readonly string[];
  readonly left?: readonly string[];
  /** Of a private channel, first, and where the last message does not count: of all users at most 1,000. */
  readonly members?: readonly string[];
};

/** What changed; the first that applies. `Unmatched` is the last update of a market that fits no filter any more. */
export type MarketUpdateType = "Created" | "Status" | "Price" | "Volume" | "Unmatched";

/** Conditions on the markets of a `Markets` channel; all must hold. */
export interface MarketsFilter {
  readonly status?: MarketStatus | readonly MarketStatus[];
  readonly min_volume?: number;
  readonly max_volume?: number;
  /** A part of the title, whatever the case; at most 64 characters. */
  readonly search?: string;
}

/** Levels a side of a `Book`. */
export type BookDepth = (typeof BOOK_DEPTHS)[number];

/** The shortest time between two messages of a stream, in milliseconds. */
export type MergeInterval = (typeof MERGE_INTERVALS_MS)[number];

type Merged = {
  /** At most one message a stream in that time, the latest. Default 0: every one. */
  readonly interval_ms?: MergeInterval;
};

/** A channel, in any spelling that a client may send. */
export type Channel = ChannelName & {
  /**
   * In a Subscribe: the position, in microseconds, from which on every message is sent that there was. It
   * is no part of what the channel is.
   */
  readonly since?: number;
  /** In the answer to one with `since`: whether all messages from there on follow. */
  readonly recovered?: boolean;
};

/** What a channel is. */
type ChannelName =
  | {
      readonly type: "Markets";
      readonly params?: ({ readonly filter?: MarketsFilter | null } & Merged) | null;
    }
  | { readonly type: "Market"; readonly params: { readonly market_id: MarketId } & Merged }
  | {
      readonly type: "PriceFeed";
      readonly params: {
        /** From 1 to 1,000 markets. */
        readonly market_ids: readonly MarketId[];
        /** Whether best sizes are told, and their changes. */
        readonly sizes?: boolean;
      } & Merged;
    }
  | {
      readonly type: "Book";
      readonly params: {
        readonly market_id: MarketId;
        /** Default 20. */
        readonly depth?: BookDepth;
        readonly checksum?: boolean;
      } & Merged;
    }
  | { readonly type: "Trades"; readonly params?: { readonly market_id?: MarketId } | null }
  | { readonly type: "Orders"; readonly params: { readonly wallet: string } }
  | { readonly type: "Positions"; readonly params: { readonly wallet: string } }
  | { readonly type: "SystemStatus"; readonly params?: null }
  | {
      readonly type: "Candles";
      readonly params: {
        readonly market_id: MarketId;
        readonly interval: CandleInterval;
        /** How many candles come at once, from 0 to 1,000. Default 100. */
        readonly limit?: number;
      };
    }
  | {
      readonly type: "Heartbeat";
      /** Milliseconds, from 100 to 60,000. Default 1,000. */
      readonly params?: { readonly interval_ms?: number } | null;
    }
  | {
      readonly type: "Private";
      /** 1 to 128 of `A-Z a-z 0-9 _ . : -`. */
      readonly params: { readonly channel: string };
    }
  | { readonly type: "Presence"; readonly params: PresenceSubject };

export type ChannelType = Channel["type"];

/**
 * The fields of any order that is asked for. Which of them go together the two types below say, and the
 * exchange checks.
 */
export interface RequestedOrder {
  readonly market_id: MarketId;
  readonly side: Side;
  readonly order_type: OrderType;
  /** There for a Limit order, and only there. */
  readonly price?: number;
  readonly quantity: number;
  /** Default GTC. */
  readonly time_in_force?: TimeInForce;
  /** When a GTD order expires, and of that only. */
  readonly expires_ts?: number;
  /** The order is refused where the exchange takes it later. */
  readonly valid_until_ts?: number;
  /** What is cancelled where it would trade with an order of its own wallet. Default CancelTaker. */
  readonly self_trade?: SelfTrade;
  /** Rejected where it would trade at once. Default false. */
  readonly post_only?: boolean;
  /**
   * 1 to 36 of `A-Z a-z 0-9 _ -`. As long as it is remembered, a second order with it places nothing and
   * gets the first one's state.
   */
  readonly client_order_id?: string;
}

export interface LimitOrderRequest extends RequestedOrder {
  readonly order_type: "Limit";
  readonly price: number;
}

export interface MarketOrderRequest
  extends Omit<RequestedOrder, "price" | "post_only" | "expires_ts"> {
  readonly order_type: "Market";
  /** Market orders are immediate or cancel. */
  readonly time_in_force?: "IOC";
}

export type OrderRequest = LimitOrderRequest | MarketOrderRequest;

/** An order as the server has understood it, with the defaults of what was not said. */
export type ValidatedOrder = RequestedOrder &
  Required<Pick<RequestedOrder, "time_in_force" | "post_only" | "self_trade">>;

/** What became of an order of several: its state, or why it was refused. */
export type OrderResult =
  | {
      readonly order: Order;
      /** Its client order id was used before, for this order. */
      readonly duplicate?: true;
      readonly error?: undefined;
    }
  | { readonly order?: undefined; readonly error: ErrorData };

interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** An order by the server's id or by the client's own. */
export type OrderReference =
  | { readonly order_id: string; readonly client_order_id?: never }
  | { readonly client_order_id: string; readonly order_id?: never };

/** The `data` of each message type that a client sends. */
export interface ClientData {
  readonly Authenticate: {
    readonly token: string;
    /** The order session that the connection's first token is to resume. */
    readonly session?: string;
  };
  readonly Subscribe: { readonly channels: readonly Channel[] };
  readonly Unsubscribe: { readonly channels: readonly Channel[] };
  /** Milliseconds of any clock; given back. */
  readonly Ping: { readonly timestamp: number };
  readonly PlaceOrder: {
    readonly order: OrderRequest;
    /** Only says what would become of it. */
    readonly validate_only?: boolean;
  };
  /** 1 to 50. */
  readonly PlaceOrders: { readonly orders: readonly OrderRequest[] };
  /** What is not given stays; `quantity` is the new total. */
  readonly AmendOrder: OrderReference & { readonly price?: number; readonly quantity?: number };
  readonly CancelOrder: OrderReference;
  /** The wallet's open orders that fit, all of them where nothing is said. */
  readonly CancelOrders: { readonly market_id?: MarketId; readonly side?: Side };
  /** 1,000 to 300,000, or 0 for never. */
  readonly CancelAfter: { readonly timeout_ms: number };
  readonly TradeHistory: HistoryRequest;
  readonly CandleHistory: HistoryRequest & { readonly interval: CandleInterval };
  readonly OrderHistory: WalletHistoryRequest & {
    /** Of this status, or of one of these. */
    readonly status?: OrderStatus | readonly OrderStatus[];
  };
  readonly FillHistory: WalletHistoryRequest & { readonly order_id?: string };
  readonly GetOrder: OrderReference;
  /** Any JSON of at most 16 KiB. */
  readonly Publish: { readonly channel: string; readonly data: unknown };
}

export type ClientType = keyof ClientData;

export type ClientMessage<T extends ClientType = ClientType> = {
  [K in T]: { readonly type: K; readonly id?: RequestId; readonly data: ClientData[K] };
}[T];

/** The `data` of each message type that the server sends. */
export interface ServerData {
  readonly Connected: {
    readonly connection_id: string;
    /** Milliseconds since the Unix epoch. */
    readonly server_time: number;
    readonly epoch: string;
    readonly ping_interval_ms: number;
    /** The connection's order session, where it brought a token. */
    readonly session?: string;
    /** Whether that is the session that the client named. */
    readonly resumed?: boolean;
    /** The name of the server's node. */
    readonly node: string;
  };
  readonly Authenticated: {
    readonly user_id: string;
    readonly wallet: string | null;
    /** See `Connected`; where the token came in a message. */
    readonly session?: string;
    readonly resumed?: boolean;
  };
  readonly Subscribed: { readonly channels: readonly Channel[] };
  readonly Unsubscribed: { readonly channels: readonly Channel[] };
  readonly EpochChanged: { readonly epoch: string };
  readonly Error: ErrorData;
  readonly Pong: {
    readonly timestamp: number;
    /** Milliseconds since the Unix epoch. */
    readonly server_time: number;
  };
  readonly MarketSnapshot: {
    readonly markets: readonly Market[];
    /** The snapshot was too large for one message: its next part follows, in a `MarketSnapshot`. */
    readonly more?: true;
  };
  readonly MarketUpdate: { readonly update_type: MarketUpdateType; readonly market: Market };
  readonly PriceUpdate: PriceUpdate;
  readonly OrderBook: OrderBook;
  readonly BookUpdate: BookUpdate;
  readonly TradeExecution: { readonly trade: Trade };
  readonly OrderSnapshot: { readonly wallet: string; readonly orders: readonly Order[] };
  readonly OrderUpdate: {
    readonly order: Order;
    /** The client order id was used before, for this order. */
    readonly duplicate?: true;
  };
  /** Before the `OrderUpdate` that includes it. */
  readonly Fill: { readonly fill: Fill };
  readonly OrderValidated: { readonly order: ValidatedOrder };
  /** In the order of the request. */
  readonly OrderResults: { readonly results: readonly OrderResult[] };
  readonly OrdersCancelled: { readonly count: number };
  /** When the wallet's open orders will be cancelled; null for never. */
  readonly CancelAfterSet: { readonly trigger_ts: number | null };
  readonly PositionSnapshot: {
    readonly wallet: string;
    readonly positions: readonly Position[];
  };
  readonly PositionUpdate: { readonly position: Position };
  readonly SystemStatus: { readonly status: SystemStatus };
  readonly CandleSnapshot: CandleSnapshot;
  readonly CandleUpdate: CandleUpdate;
  readonly Heartbeat: Heartbeat;
  readonly PresenceUpdate: PresenceUpdate;
  /** Newest first; without `next` there is no more. */
  readonly TradePage: {
    readonly market_id: MarketId;
    readonly trades: readonly Trade[];
    readonly next?: string;
  };
  /** Closed ones, newest first; without `next` there is no more. */
  readonly CandlePage: {
    readonly market_id: MarketId;
    readonly interval: CandleInterval;
    readonly candles: readonly Candle[];
    readonly next?: string;
  };
  /** Of a wallet, newest first; without `next` there is no more. */
  readonly OrderPage: {
    readonly wallet: string;
    readonly orders: readonly Order[];
    readonly next?: string;
  };
  readonly FillPage: {
    readonly wallet: string;
    readonly fills: readonly Fill[];
    readonly next?: string;
  };
  /** Every subscriber that keeps up will get it. */
  readonly Published: { readonly channel: string; readonly seq: number; readonly ts: number };
  readonly Publication: Publication;
  readonly Notification: {
    readonly level: "info" | "warning" | "error";
    readonly message: string;
  };
  /** The server drains: this connection will be closed until `deadline_ts`. */
  readonly ServerShutdown: { readonly deadline_ts: number; readonly reason: string };
}

export type ServerType = keyof ServerData;

/** A message of the server; `id` on direct replies to a request that had one. */
export type ServerMessage<T extends ServerType = ServerType> = {
  [K in T]: { readonly type: K; readonly id?: RequestId; readonly data: ServerData[K] };
}[T];
