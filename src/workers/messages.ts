import type { MessagePort } from "node:worker_threads";
import type {
  ExchangeOptions,
  FeedOptions,
  HubOptions,
  RelayFeedOptions,
  ShardOptions,
} from "../config/thread-options.js";
import type { RequestedOrder, ServerMessage } from "../contract/messages.js";
import type { SystemState } from "../counters/system-state.js";
import type { Rejection } from "../engine/rejection.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { LogOptions } from "../shared/log.js";
import type { Side } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";
import type { OrderStatus } from "../shared/order.js";
import type { SessionTerms } from "../shared/session.js";
import type { ContractFill, ContractOrder, ContractPosition } from "../store/contract-form.js";
import type { StoreErrorCode } from "../store/store-error.js";
import type { SocketHandOffWay, SocketInTransit } from "../transport/socket-hand-off.js";
import type { PublishOutcome, WaysToProducer } from "./hub/messages.js";
import type { FollowedTask, MarketAction, MarketOutcome } from "./producer/messages.js";

/*
 * Messages between threads. Sockets go by the hand-off, market data by ring and table, figures by the counter block.
 */

/** The task that a shard's thread runs for as long as it lives. */
export interface ShardTask extends WaysToProducer {
  /** 0 to shards − 1; the same after a restart. */
  readonly shard: number;
  readonly port: MessagePort;
  readonly counters: SharedArrayBuffer;
  readonly memory: MarketMemory;
  readonly handOff: SocketHandOffWay;
  readonly options: ShardOptions;
  readonly log: LogOptions;
  readonly system: SystemState;
}

/** Main refuses a connection by its limits; the shard answers 503. */
export type RefusedBy = "total" | "address";

export type MainToShard =
  | {
      readonly type: "socket";
      readonly connection: number;
      /** Whose share of the limits per address it uses; see clientAddress. */
      readonly address: string;
      readonly socket: SocketInTransit;
      /** The address is a proxy's, who says ahead of all that its client sends whose it is. */
      readonly proxied?: boolean;
      readonly refusedBy?: RefusedBy;
    }
  /** Whether the client of a proxied connection may have it; where it is cut, it gets no answer either. */
  | {
      readonly type: "client-verdict";
      readonly connection: number;
      readonly refusedBy: RefusedBy | undefined;
      readonly cut: boolean;
    }
  /** Another producer has taken over. */
  | ({ readonly type: "memory"; readonly memory: MarketMemory } & WaysToProducer)
  | { readonly type: "system"; readonly system: SystemState }
  | { readonly type: "notify"; readonly level: NotificationLevel; readonly message: string }
  /** `reason` is for people; `deadlineTs` in microseconds since the Unix epoch. */
  | {
      readonly type: "drain";
      readonly drainTimeMs: number;
      readonly deadlineTs: number;
      readonly reason: string;
    }
  /** So many connections are closed over a time, in place of what an earlier one has left to close. */
  | { readonly type: "rebalance"; readonly close: number; readonly overMs: number }
  /** The thread ends here and now, as if it had died. */
  | { readonly type: "end" };

export type ShardToMain =
  /** The shard takes sockets. */
  | { readonly type: "ready"; readonly threadId: number }
  /** Connections whose sockets the shard has, so that main closes its originals; and ended ones. */
  | { readonly type: "moves"; readonly taken: readonly number[]; readonly ended: readonly number[] }
  /** Whose a proxied connection is; answered by main's `client-verdict`. */
  | { readonly type: "client-named"; readonly connection: number; readonly address: string }
  /** A client has subscribed to market data, for the first time on this shard. */
  | { readonly type: "subscribed" }
  /** The archive is not what was written. */
  | { readonly type: "archive-damaged"; readonly reason: string };

/** What a shard's thread tells the pool once its modules are loaded, before it has a task. */
export interface ThreadLoaded {
  readonly threadId: number;
}

export const NOTIFICATION_LEVELS = ["info", "warning", "error"] as const;
export type NotificationLevel = (typeof NOTIFICATION_LEVELS)[number];

/** Given to the producer's thread as its workerData. */
export interface ProducerTask {
  readonly memory: MarketMemory;
  readonly counters: SharedArrayBuffer;
  readonly feed: FeedOptions | ExchangeOptions | RelayFeedOptions;
  readonly hub: HubOptions;
  /** Tells this run of the server from all others. */
  readonly run: string;
  /** The memory of the {@link LeaseTerm} without which nothing is carried out; undefined where none is needed. */
  readonly lease: SharedArrayBuffer | undefined;
  readonly followed: FollowedTask | undefined;
  /**
   * Number of the last trade that shards can have read of earlier producers of this run; undefined
   * where there was none.
   */
  readonly lastTrade: number | undefined;
  /** The latest `ts` that earlier producers of this run can have told; 0 where there was none. */
  readonly latestTs: number;
  /** The archive's directory, whose notes say where a feed's `ts` has come to; undefined where there is none. */
  readonly archiveDir: string | undefined;
  readonly log: LogOptions;
}

export type MainToProducer =
  /** The first client has subscribed to market data. */
  | { readonly type: "subscribed" }
  /**
   * A shard's end of `port` may have sessions, and place orders where there is an exchange; that of `hub`
   * may ask the hub.
   */
  | {
      readonly type: "shard";
      readonly shard: number;
      readonly port: MessagePort;
      readonly hub: MessagePort;
    }
  /** A shard of another node; likewise, each for itself. */
  | { readonly type: "edge-shard"; readonly shard: number; readonly port: MessagePort }
  | { readonly type: "edge-hub"; readonly shard: number; readonly port: MessagePort }
  /** An operator asks for a change of a market; `request` is main's number of it, which the answer carries. */
  | { readonly type: "administer"; readonly request: number; readonly action: MarketAction }
  /** An operator publishes JSON to a channel; `request` is main's number of it, which the answer carries. */
  | {
      readonly type: "publish";
      readonly request: number;
      readonly channel: string;
      readonly data: string;
    }
  | { readonly type: "stop" }
  /** The thread ends here and now, as if it had died. */
  | { readonly type: "end" };

/** Why a producer runs nothing. */
export interface ProducerFault {
  readonly code: "FEED_INVALID" | StoreErrorCode;
  readonly message: string;
}

export type ProducerToMain =
  /** The feed has listed what it knows; data may flow, of another node's epoch where it is one of those. */
  | { readonly type: "ready"; readonly epoch?: string }
  /** Why nothing comes of the other node, or undefined when it does. */
  | { readonly type: "relay"; readonly reason: string | undefined }
  /** The other node's epoch has ended, and this producer with it: the next is to begin at once. */
  | { readonly type: "epoch-ended" }
  /** The feed's options cannot work; nothing runs. */
  | ({ readonly type: "feed-invalid" } & ProducerFault)
  /** The feed has ended or failed, for a reason; the thread lives on. */
  | { readonly type: "feed-ended"; readonly reason: string }
  /** What came of a change of a market that was asked for. */
  | { readonly type: "administered"; readonly request: number; readonly outcome: MarketOutcome }
  /** What came of a publication of an operator. */
  | { readonly type: "published"; readonly request: number; readonly outcome: PublishOutcome }
  /** Why the exchange can store nothing at the moment, or undefined when it can again. */
  | { readonly type: "store"; readonly reason: string | undefined };

/** To a thread that reads every producer's rings. */
export type MainToRingReader =
  /** Another producer has taken over. */
  | { readonly type: "memory"; readonly memory: MarketMemory }
  /** Nothing more will be told. */
  | { readonly type: "stop" }
  /** The thread ends here and now, as if it had died. */
  | { readonly type: "end" };

// --- Between shards and the exchange --------------------------------------------------------------

/** An order by one of its names, as a client gives it. */
export type OrderName = { readonly order_id: string } | { readonly client_order_id: string };

/**
 * What a shard asks of the exchange. `request` is the shard's number of it, which the answer carries
 * back; requests of a shard are taken in their order.
 */
export type ExchangeRequest =
  | {
      readonly type: "place";
      readonly request: number;
      readonly wallet: string;
      readonly order: RequestedOrder;
      /** The session whose end cancels the order, if one does. */
      readonly boundTo: string | undefined;
      /** Only says whether it would be taken. */
      readonly validateOnly?: true;
    }
  | {
      readonly type: "place-all";
      readonly request: number;
      readonly wallet: string;
      /** Those that are no orders with why. */
      readonly orders: readonly (RequestedOrder | { readonly refusal: Refused })[];
      readonly boundTo: string | undefined;
    }
  | {
      readonly type: "amend";
      readonly request: number;
      readonly wallet: string;
      readonly order: OrderName;
      readonly price?: number | undefined;
      readonly quantity?: number | undefined;
    }
  | {
      readonly type: "cancel";
      readonly request: number;
      readonly wallet: string;
      readonly order: OrderName;
    }
  | {
      readonly type: "cancel-all";
      readonly request: number;
      readonly wallet: string;
      readonly marketId?: MarketId | undefined;
      readonly side?: Side | undefined;
    }
  | {
      readonly type: "cancel-after";
      readonly request: number;
      readonly wallet: string;
      readonly timeoutMs: number;
    }
  /** What a wallet has now; from then on the shard hears of every change. */
  | { readonly type: "watch"; readonly request: number; readonly wallet: string }
  | { readonly type: "unwatch"; readonly wallet: string }
  | ({ readonly request: number } & WalletQuestion)
  /** Whether all that became of a wallet's orders since a `ts` is there, and no more than `max` messages. */
  | {
      readonly type: "recover";
      readonly request: number;
      readonly wallet: string;
      readonly since: number;
      readonly max: number;
    }
  /** Some of what became of a wallet's orders; the shard hears of every change behind the last of it. */
  | {
      readonly type: "replay";
      readonly request: number;
      readonly wallet: string;
      readonly from: ReplayFrom;
      /** A client was told that all of it is there. */
      readonly promised: boolean;
    }
  /**
   * A connection has a new session; where it asks for one by name, that one if it is there for it, which
   * is answered.
   */
  | ({ readonly type: "session"; readonly resume?: string } & SessionClaim)
  /** A connection with a session has ended. */
  | { readonly type: "ended"; readonly connection: number }
  /**
   * The first message on a port: the shard's connections and their sessions. Whatever other sessions it
   * had have lost their connections.
   */
  | { readonly type: "attach"; readonly sessions: readonly SessionClaim[] };

/** A page of a wallet's orders, or fills, that are before a number, newest first. */
interface WalletQuery {
  readonly wallet: string;
  readonly marketId: MarketId | undefined;
  /** Exclusive: of an order, and of a trade. */
  readonly before: number | undefined;
  readonly limit: number;
}

interface OrdersQuery extends WalletQuery {
  readonly type: "orders";
  /** Any, where there is none. */
  readonly statuses: readonly OrderStatus[];
}

interface FillsQuery extends WalletQuery {
  readonly type: "fills";
  readonly orderId: string | undefined;
}

/** An order as it stands, finished or not; of any wallet where none is named. A reply answers it. */
interface OrderQuery {
  readonly type: "get-order";
  readonly wallet: string | undefined;
  readonly order: OrderName;
}

/** What is asked of a wallet's past. */
export type WalletQuestion = OrdersQuery | FillsQuery | OrderQuery;

/** Where what became of a wallet's orders goes on: at a `ts`, or behind what has been told. */
export type ReplayFrom = { readonly since: number } | ReplayPosition;

export interface ReplayPosition {
  /** The first trade that has not been told. */
  readonly tradeId: number;
  /** The first change of an order that has not: its `ts`, and among equal ones its order. */
  readonly ts: number;
  readonly orderId: number;
}

/** A connection's session. */
export interface SessionClaim extends SessionTerms {
  readonly connection: number;
}

export type ShardToExchange = readonly ExchangeRequest[];

/** What shards of other nodes ask. What is not taken up by then, in ms of the machine's clock, is not carried out. */
export interface TimedRequests {
  readonly requests: ShardToExchange;
  readonly takeBy: number;
}

/** What a shard hears from the exchange, in the order in which it happened; all of it is on disk. */
export type ExchangeNews =
  /**
   * Whether the exchange behind this port can be reached, where that is on another node: what was not answered before
   * it could not never will be, and when it can the shard attaches again.
   */
  | { readonly type: "reachable"; readonly takesOrders: boolean }
  | { readonly type: "unreachable"; readonly reason: string }
  /** The order that a request was about. Where it changed, it is news for its wallet's others, too. */
  | {
      readonly type: "reply";
      readonly request: number;
      readonly order: ContractOrder;
      readonly changed: boolean;
      /** It was placed before. */
      readonly duplicate?: true;
    }
  /** An answer that is no order; `costBytes` is what it cost beside its own bytes. */
  | {
      readonly type: "answer";
      readonly request: number;
      readonly message: ServerMessage;
      readonly costBytes: number;
    }
  | { readonly type: "refusal"; readonly request: number; readonly refusal: Refused }
  /** The session that a connection has got which asked for one by name. */
  | { readonly type: "session"; readonly connection: number; readonly session: string }
  /** Another connection has taken a connection's session. */
  | { readonly type: "session-taken"; readonly connection: number; readonly session: string }
  /** With `beside`, the shard's number of a request whose answer follows, and which it is of. */
  | { readonly type: "order"; readonly order: ContractOrder; readonly beside?: number }
  | { readonly type: "fill"; readonly fill: ContractFill }
  /** A page; `next` is where the following one is before, and `read` how many records were looked at. */
  | ({ readonly type: "page"; readonly request: number } & WalletPage)
  | { readonly type: "recoverable"; readonly request: number; readonly recovered: boolean }
  /** In the order in which they happened; without `next` they are all there, and news follow. */
  | {
      readonly type: "replay";
      readonly request: number;
      readonly told: readonly (ContractOrder | ContractFill)[];
      readonly next: ReplayPosition | undefined;
    }
  /** What a replay has still to tell is there no more, or cannot be read. */
  | { readonly type: "replay-lost"; readonly request: number }
  | { readonly type: "position"; readonly position: ContractPosition }
  /** The last one of a batch: from where on nothing of what the shard watches has been told. */
  | { readonly type: "told"; readonly position: ReplayPosition }
  | {
      readonly type: "snapshot";
      readonly request: number;
      readonly orders: readonly ContractOrder[];
      readonly positions: readonly ContractPosition[];
    };

interface WalletPage {
  readonly wallet: string;
  readonly items:
    | { readonly orders: readonly ContractOrder[]; readonly fills?: never }
    | { readonly fills: readonly ContractFill[]; readonly orders?: never };
  readonly next: number | undefined;
  readonly read: number;
}

export type ExchangeToShard = readonly ExchangeNews[];

/** Why a request was not carried out. */
export type Refused =
  | Rejection
  | { readonly code: "UNAVAILABLE" | "INTERNAL"; readonly message: string }
  /** Of one order among several. */
  | {
      readonly code: "INVALID_MESSAGE";
      readonly message: string;
      readonly details: { readonly field: string };
    };
