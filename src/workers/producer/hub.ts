import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { EDGE_LEASE_MS, isEdgeShard } from "../../shared/edge-shards.js";
import type {
  HubNews,
  HubRequest,
  HubToShard,
  ShardToHub,
  TimedHubRequests,
} from "../hub/messages.js";

/** A shard with a way to the hub. */
export interface HubShard {
  /** 0 to shards − 1, or more of another node's; the same after a restart. */
  readonly shard: number;
  /** Tells the shard something with the end of the turn; once it has gone, nobody. */
  tell(news: HubNews): void;
}

type AnsweredRequest = Exclude<HubRequest, { type: "leave" }>;
type ShardMessage = ShardToHub | TimedHubRequests;

interface HubHooks {
  /** Before its first request. */
  readonly attached: (shard: HubShard) => void;
  readonly request: (from: HubShard, request: AnsweredRequest, takeBy: number | undefined) => void;
  /** All of a message has been heard. */
  readonly heard: () => void;
  /** The shard's thread has ended, or another has its place, and all that it sent has been heard. Once. */
  readonly gone: (shard: HubShard) => void;
}

/**
 * The producer's end of the shards' ways to the hub. It is there before the feed and whatever that is. A shard of
 * another node whose way ends, and which has not said that it leaves, is waited for as long as its node has a lease.
 *
 * Invariant: at most one attached shard has a number; `gone` is told of one before its successor's first
 * request.
 */
export class Hub {
  readonly #hooks: HubHooks;
  readonly #attached = new Map<number, HubPort>();

  constructor(hooks: HubHooks) {
    this.#hooks = hooks;
  }

  /** The shards that are there. */
  get shards(): Iterable<HubShard> {
    return this.#attached.values();
  }

  attach(shard: number, port: MessagePort): void {
    const before = this.#attached.get(shard);
    if (before !== undefined) {
      // It has sent all that it will; its thread may be one that does not end.
      for (const message of before.unread()) this.#take(before, message);
      before.close();
      this.#gone(before);
    }
    const attached = new HubPort(shard, port);
    this.#attached.set(shard, attached);
    this.#hooks.attached(attached);
    port.on("message", (message: ShardMessage) => this.#take(attached, message));
    port.on("close", () => {
      if (!isEdgeShard(shard)) this.#gone(attached);
      else setTimeout(() => this.#gone(attached), EDGE_LEASE_MS).unref();
    });
  }

  close(): void {
    for (const shard of this.#attached.values()) shard.close();
  }

  #take(from: HubPort, message: ShardMessage): void {
    const { requests, takeBy = undefined } = "takeBy" in message ? message : { requests: message };
    for (const request of requests) {
      if (this.#attached.get(from.shard) !== from) break;
      if (request.type === "leave") this.#gone(from);
      else this.#hooks.request(from, request, takeBy);
    }
    this.#hooks.heard();
  }

  #gone(shard: HubPort): void {
    if (this.#attached.get(shard.shard) !== shard) return;
    this.#attached.delete(shard.shard);
    this.#hooks.gone(shard);
  }
}

/** A shard's port; what it is told in one turn goes as one message. */
class HubPort implements HubShard {
  readonly shard: number;
  readonly #port: MessagePort;
  #outgoing: HubNews[] = [];

  constructor(shard: number, port: MessagePort) {
    this.shard = shard;
    this.#port = port;
  }

  tell(news: HubNews): void {
    if (this.#outgoing.length === 0) setImmediate(() => this.#flush());
    this.#outgoing.push(news);
  }

  *unread(): Generator<ShardMessage> {
    for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port))
      yield next.message;
  }

  close(): void {
    this.#port.close();
  }

  #flush(): void {
    const news: HubToShard = this.#outgoing;
    this.#outgoing = [];
    this.#port.postMessage(news);
  }
}
