import type { MessagePort } from "node:worker_threads";
import type { HistoryFrom, KeptPublication } from "../../channels/channel-histories.js";
import type { ErrorCode } from "../../contract/error-codes.js";
import type { PresenceKey, PresenceNews, PresenceShare } from "../../presence/presence-messages.js";

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

/** What a shard asks of the hub. */
export type HubRequest =
  | ChannelRequest
  | PresenceRequest
  /** The shard is there no more: it is not waited for, as one whose way has ended may be. */
  | { readonly type: "leave" };

/** What it asks of channels; `request` is the shard's number of it, which the answer carries back. */
export type ChannelRequest =
  /** A user, or an operator, publishes JSON to a channel. */
  | {
      readonly type: "publish";
      readonly request: number;
      readonly channel: string;
      readonly data: string;
      /** Undefined for an operator. */
      readonly userId: string | undefined;
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

/** What a shard tells the hub of presence, and asks of it. */
export type PresenceRequest =
  /** What changed of the presence that the shard was asked to count. */
  | { readonly type: "presence"; readonly shares: readonly PresenceShare[] }
  /** The shard has clients that watch the presence of a key, and has none any more. */
  | { readonly type: "presence-watch"; readonly key: PresenceKey }
  | { readonly type: "presence-unwatch"; readonly key: PresenceKey };

export type ShardToHub = readonly HubRequest[];

/** Requests of another node's shard; what is published later than `takeBy`, in ms of the machine's clock, is not. */
export interface TimedHubRequests {
  readonly requests: ShardToHub;
  readonly takeBy: number;
}

/** What a shard hears from the hub, in the order in which it happened. */
export type HubNews = ChannelNews | PresenceWord;

/** What it hears of channels. */
export type ChannelNews =
  /** What was asked to be published is where every shard reads it. */
  | {
      readonly type: "published";
      readonly request: number;
      readonly seq: number;
      readonly ts: number;
    }
  | { readonly type: "refusal"; readonly request: number; readonly refusal: HubRefusal }
  /** Where what is kept of it begins. */
  | {
      readonly type: "recoverable";
      readonly request: number;
      readonly recovered: boolean;
      readonly from: HistoryFrom;
    }
  /**
   * In their order; where `next`, from where on it goes on, has not come to `lastSeq`, the channel's, there are more. All
   * of them are in the ring, and what is published later comes behind them there.
   */
  | {
      readonly type: "history";
      readonly request: number;
      readonly publications: readonly KeptPublication[];
      readonly next: HistoryFrom;
      readonly lastSeq: number;
      /** Some from where it was asked for on are kept no more. */
      readonly missing: boolean;
    };

/** What the hub tells a shard of presence, and asks of it. */
export type PresenceWord =
  /** Of what the shard watches. */
  | { readonly type: "presence"; readonly news: PresenceNews }
  /** Somebody watches a key, so that it is to be counted and told from the beginning; and nobody does any more. */
  | { readonly type: "presence-count"; readonly key: PresenceKey }
  | { readonly type: "presence-ignore"; readonly key: PresenceKey };

export function isPresenceWord(news: HubNews): news is PresenceWord {
  return news.type.startsWith("presence");
}

/** Of a hub that is another node's: whether it can be reached. One that can knows nothing of the shard. */
export type HubReach = { readonly type: "hub-away" } | { readonly type: "hub-there" };

export type HubToShard = readonly HubNews[] | readonly [HubReach];

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
