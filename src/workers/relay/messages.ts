import type { MessagePort } from "node:worker_threads";
import type { MarketMemory } from "../../ring/market-memory.js";
import type { LogOptions } from "../../shared/log.js";
import type { RelayTarget } from "../../shared/relay-url.js";

/*
 * What main and the relay's thread tell each other, beside what every reader of the rings is told.
 */

/** Given to the relay's thread as its workerData. */
export interface RelayTask {
  readonly counters: SharedArrayBuffer;
  readonly target: RelayTarget;
  /** Of the keys. */
  readonly prefix: string;
  readonly windowMs: number;
  /** The number of this origin. */
  readonly fence: number;
  /** Of an exchange: its journal goes to standbys. */
  readonly journal:
    | {
        /** The memory of the {@link JournalMarks}. */
        readonly marks: SharedArrayBuffer;
        readonly dataDir: string;
        /** Answers wait for standbys. */
        readonly required: boolean;
        /** Of records in Redis. */
        readonly maxBytes: number;
      }
    | undefined;
  /** Trades have numbers, which are their ids. */
  readonly numbered: boolean;
  /** The feed is the exchange. */
  readonly takesOrders: boolean;
  /** Bytes that may wait for an edge. */
  readonly maxQueuedBytes: number;
  /** The archive's directory; undefined where nothing is archived. */
  readonly archiveDir: string | undefined;
  /** Of producers whose records may not be relayed yet, in their order. */
  readonly memories: readonly MarketMemory[];
  /** A former thread has read some of the latest. */
  readonly resumes: boolean;
  readonly log: LogOptions;
}

export type RelayToMain =
  /** A shard of another node, by its number, and a way to it for the exchange, or the sessions, of an epoch. */
  | {
      readonly type: "edge-shard";
      readonly shard: number;
      readonly epoch: string;
      readonly port: MessagePort;
    }
  /** The same, to the hub. */
  | {
      readonly type: "edge-hub";
      readonly shard: number;
      readonly epoch: string;
      readonly port: MessagePort;
    }
  /** Why other nodes get nothing at the moment, or undefined when they do. */
  | { readonly type: "health"; readonly reason: string | undefined }
  /** Another origin has taken over. */
  | { readonly type: "fenced-out" }
  /** The archive is not what was written. */
  | { readonly type: "archive-damaged"; readonly reason: string };
