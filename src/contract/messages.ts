import type { MarketStatus, Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { OrderStatus, OrderType, TimeInForce } from "../shared/order.js";
import type { ErrorCode } from "./error-codes.js";

/*
 * Every message of the protocol as plain types, for server and clients alike. What clients send, the
 * server parses with the schemas in the files beside this one; type tests hold types and schemas
 * together. Prices and quantities are exact multiples of the market's tick and lot, averages aside; `ts`
 * and names ending in `_ts` are microseconds since the Unix epoch.
 */

export type { ErrorCode, MarketId, MarketStatus, OrderStatus, OrderType, Side, TimeInForce };

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
  readonly seq: number;
  readonly ts: number;
}

export type PriceLevel = readonly [price: number, quantity: number];

/** The best levels of a market's book, best first, at most 20 a side. */
export interface OrderBook {
  readonly market_id: MarketId;
  readonly bids: readonly PriceLevel[];
  readonly asks: readonly PriceLevel[];
  /** 0 as long as the market has published no book. */
  readonly seq: number;
  readonly ts: number;
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
  /** Why it was cancelled. */
  readonly reason?: string;
  readonly created_ts: number;
  readonly updated_ts: number;
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

/** A channel, in any spelling that a client may send. */
export type Channel = ChannelName & {
  /** With `Subscribe`: every message with this `ts`, in microseconds, and later comes first. */
  readonly since?: number;
  /** In `Subscribed`, where `since` was asked for: whether it comes; else first data as always. */
  readonly recovered?: boolean;
};

type ChannelName =
  | {
      readonly type: "Markets";
      readonly params?: { readonly filter?: MarketsFilter | null } | null;
    }
  | { readonly type: "Market"; readonly params: { readonly market_id: MarketId } }
  | {
      readonly type: "PriceFeed";
      /** From 1 to 1,000 markets. */
      readonly params: { readonly market_ids: readonly MarketId[] };
    }
  | { readonly type: "Trades"; readonly params?: { readonly market_id?: MarketId } | null }
  | { readonly type: "Orders"; readonly params: { readonly wallet: string } }
  | { readonly type: "Positions"; readonly params: { readonly wallet: string } }
  | { readonly type: "SystemStatus"; readonly params?: null };

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

export interface MarketOrderRequest extends Omit<RequestedOrder, "price" | "post_only"> {
  readonly order_type: "Market";
  /** Market orders are immediate or cancel. */
  readonly time_in_force?: "IOC";
}

export type OrderRequest = LimitOrderRequest | MarketOrderRequest;

/** An order by the server's id or by the client's own. */
export type OrderReference =
  | { readonly order_id: string; readonly client_order_id?: never }
  | { readonly client_order_id: string; readonly order_id?: never };

/** The `data` of each message type that a client sends. */
export interface ClientData {
  readonly Authenticate: { readonly token: string };
  readonly Subscribe: { readonly channels: readonly Channel[] };
  readonly Unsubscribe: { readonly channels: readonly Channel[] };
  /** Milliseconds of any clock; given back. */
  readonly Ping: { readonly timestamp: number };
  readonly PlaceOrder: { readonly order: OrderRequest };
  readonly CancelOrder: OrderReference;
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
  };
  readonly Authenticated: { readonly user_id: string; readonly wallet: string | null };
  readonly Subscribed: { readonly channels: readonly Channel[] };
  readonly Unsubscribed: { readonly channels: readonly Channel[] };
  readonly EpochChanged: { readonly epoch: string };
  readonly Error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details?: Readonly<Record<string, unknown>> | undefined;
  };
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
  readonly TradeExecution: { readonly trade: Trade };
  readonly OrderSnapshot: { readonly orders: readonly Order[] };
  readonly OrderUpdate: { readonly order: Order };
  readonly PositionSnapshot: { readonly positions: readonly Position[] };
  readonly PositionUpdate: { readonly position: Position };
  readonly SystemStatus: { readonly status: SystemStatus };
  readonly Notification: {
    readonly level: "info" | "warning" | "error";
    readonly message: string;
  };
}

export type ServerType = keyof ServerData;

/** A message of the server; `id` on direct replies to a request that had one. */
export type ServerMessage<T extends ServerType = ServerType> = {
  [K in T]: { readonly type: K; readonly id?: RequestId; readonly data: ServerData[K] };
}[T];
