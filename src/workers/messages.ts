import type { MessagePort } from "node:worker_threads";
import type { FeedOptions } from "../feed/feed-options.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { LogOptions } from "../shared/log.js";
import type { SocketHandOffWay, SocketInTransit } from "../shared/socket-hand-off.js";
import type { SystemState } from "../shared/system-state.js";

/*
 * Every message between threads. Sockets and figures of market data never travel in one: sockets go
 * by the hand-off, data by ring and table, figures by the counter block.
 */

/** Verification of tokens: one secret (HS*) or one public key in PEM (RS*, ES*). */
export interface JwtOptions {
  readonly key: { readonly secret: string } | { readonly publicKey: string };
  readonly algorithms: readonly string[];
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

/** The bounds and intervals that a shard enforces; durations in ms, sizes in bytes. */
export interface ShardOptions {
  readonly marketIntervalMs: number;
  readonly statusIntervalMs: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly idleCheckIntervalMs: number;
  readonly handshakeTimeoutMs: number;
  readonly maxMessageSize: number;
  readonly maxSubscriptions: number;
  readonly maxFilters: number;
  readonly maxDistinctFilters: number;
  readonly maxMessagesPerSecond: number;
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
  /** Origins that may connect, or ["*"] for any. */
  readonly allowedOrigins: readonly string[];
  readonly jwt: JwtOptions;
}

/** The task that a shard's thread runs for as long as it lives. */
export interface ShardTask {
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
      readonly socket: SocketInTransit;
      readonly refusedBy?: RefusedBy;
    }
  | { readonly type: "memory"; readonly memory: MarketMemory }
  | { readonly type: "system"; readonly system: SystemState }
  | { readonly type: "notify"; readonly level: NotificationLevel; readonly message: string }
  | { readonly type: "drain"; readonly drainTimeMs: number; readonly message: string }
  /** The thread ends here and now, as if it had died. */
  | { readonly type: "end" };

export type ShardToMain =
  /** The shard takes sockets. */
  | { readonly type: "ready"; readonly threadId: number }
  /** Connections whose sockets the shard has, so that main closes its originals; and ended ones. */
  | { readonly type: "moves"; readonly taken: readonly number[]; readonly ended: readonly number[] }
  /** A client has subscribed to market data, for the first time on this shard. */
  | { readonly type: "subscribed" };

export const NOTIFICATION_LEVELS = ["info", "warning", "error"] as const;
export type NotificationLevel = (typeof NOTIFICATION_LEVELS)[number];

/** Given to the producer's thread as its workerData. */
export interface ProducerTask {
  readonly memory: MarketMemory;
  readonly counters: SharedArrayBuffer;
  readonly feed: FeedOptions;
  readonly log: LogOptions;
}

export type MainToProducer =
  /** The first client has subscribed to market data. */
  { readonly type: "subscribed" } | { readonly type: "stop" };

export type ProducerToMain =
  /** The feed has listed what it knows; data may flow. */
  | { readonly type: "ready" }
  /** The feed's options cannot work; nothing runs. */
  | { readonly type: "feed-invalid"; readonly message: string }
  /** The feed has ended or failed, for a reason; the thread lives on. */
  | { readonly type: "feed-ended"; readonly reason: string };
