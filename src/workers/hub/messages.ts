import type { MessagePort } from "node:worker_threads";
import type { KeptPublication } from "../../channels/channel-histories.js";
import type { ErrorCode } from "../../contract/error-codes.js";

/*
 * Every message between shards and the hub, the producer's thread whatever its feed. They are plain data, so
 * that they can travel further than to a thread. What shards ask in one turn goes as one message, and so does
 * what a shard is told.
 */

/** A shard's ends of its ways to the producer's thread; undefined where there is no producer. */
export interface WaysToProducer {
  /** To the exchange, or to a feed's sessions. */
  readonly exchange: MessagePort | undefined;
  /** To the hub. */
  readonly hub: MessagePort | undefined;
}

/** What has to be transferred with a message that has these ways. */
export function portsOf({ exchange, hub }: WaysToProducer): readonly MessagePort[] {
  return [exchange, hub].filter((port) => port !== undefined);
}

/** What a shard asks of the hub; `request` is the shard's number of it, which the answer carries back. */
export type HubRequest =
  /** A user publishes JSON to a channel. */
  | {
      readonly type: "publish";
      readonly request: number;
      readonly channel: string;
      readonly data: string;
      readonly userId: string;
    }
  /** Whether all that was published to a channel since a `ts` is kept, and no more than `max` publications. */
  | {
      readonly type: "recover";
      readonly request: number;
      readonly channel: string;
      readonly since: number;
      readonly max: number;
    }
  /** What was published to a channel, or the first of it. */
  | {
      readonly type: "history";
      readonly request: number;
      readonly channel: string;
      readonly from: HistoryFrom;
    };

/** Where a history begins: behind a number, or at a `ts`. */
export type HistoryFrom = { readonly after: number } | { readonly since: number };

export type ShardToHub = readonly HubRequest[];

/** What a shard hears from the hub, in the order in which it happened. */
export type HubNews =
  /** What was asked to be published is where every shard reads it. */
  | {
      readonly type: "published";
      readonly request: number;
      readonly seq: number;
      readonly ts: number;
    }
  | { readonly type: "refusal"; readonly request: number; readonly refusal: HubRefusal }
  /** What is kept of it begins behind the number `after`. */
  | {
      readonly type: "recoverable";
      readonly request: number;
      readonly recovered: boolean;
      readonly after: number;
    }
  /**
   * In their order; where the last one has not `lastSeq`, the channel's, there are more. All of them are in the ring,
   * and what is published later comes behind them there.
   */
  | {
      readonly type: "history";
      readonly request: number;
      readonly publications: readonly KeptPublication[];
      readonly lastSeq: number;
      /** Some from where it was asked for on are kept no more. */
      readonly missing: boolean;
    };

export type HubToShard = readonly HubNews[];

/** Why the hub does not do what it was asked to. */
export interface HubRefusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Where a publication stands, or why there is none. */
export type PublishOutcome =
  | { readonly seq: number; readonly ts: number; readonly refusal?: undefined }
  | { readonly refusal: HubRefusal };
