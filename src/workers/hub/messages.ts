import type { ErrorCode } from "../../contract/error-codes.js";
import type { PresenceKey, PresenceNews, PresenceShare } from "../../presence/presence-messages.js";

/*
 * Every message between shards and the hub, the producer's thread whatever its feed. They are plain data, so
 * that they can travel further than to a thread. What shards ask in one turn goes as one message, and so does
 * what a shard is told.
 */

/** What a shard asks of the hub; `request` is the shard's number of it, which the answer carries back. */
export type HubRequest =
  /** A user publishes JSON to a private channel. */
  | {
      readonly type: "publish";
      readonly request: number;
      readonly channel: string;
      readonly data: string;
      readonly userId: string;
    }
  /** What changed of the presence that the shard was asked to count. */
  | { readonly type: "presence"; readonly shares: readonly PresenceShare[] }
  /** The shard has clients that watch the presence of a key, and has none any more. */
  | { readonly type: "presence-watch"; readonly key: PresenceKey }
  | { readonly type: "presence-unwatch"; readonly key: PresenceKey };

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
  /** Of what the shard watches. */
  | { readonly type: "presence"; readonly news: PresenceNews }
  /** Somebody watches a key, so that it is to be counted and told from the beginning; and nobody does any more. */
  | { readonly type: "presence-count"; readonly key: PresenceKey }
  | { readonly type: "presence-ignore"; readonly key: PresenceKey };

export type HubToShard = readonly HubNews[];

/** Why the hub does not do what it was asked to. */
interface HubRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}
