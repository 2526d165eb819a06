import type { ErrorCode } from "../../contract/error-codes.js";

/*
 * Every message between shards and the hub, the producer's thread whatever its feed. They are plain data, so
 * that they can travel further than to a thread. What shards ask in one turn goes as one message, and so does
 * what a shard is told.
 */

/** What a shard asks of the hub; `request` is the shard's number of it, which the answer carries back. */
export type HubRequest =
  /** A user publishes JSON to a private channel. */
  {
    readonly type: "publish";
    readonly request: number;
    readonly channel: string;
    readonly data: string;
    readonly userId: string;
  };

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
  | { readonly type: "refusal"; readonly request: number; readonly refusal: HubRefusal };

export type HubToShard = readonly HubNews[];

/** Why the hub does not do what it was asked to. */
interface HubRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}
