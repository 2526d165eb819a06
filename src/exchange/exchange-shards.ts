import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
  ShardToExchange,
  TimedRequests,
} from "../workers/messages.js";

/** A shard with a way to the exchange. */
export interface AttachedShard {
  readonly shard: number;
  readonly port: MessagePort;
}

type ShardMessage = ShardToExchange | TimedRequests;

/** What shards will be told of a batch once it is on disk. */
export type News = Map<AttachedShard, ExchangeNews[]>;

export function addNews(news: News, shard: AttachedShard, one: ExchangeNews): void {
  const all = news.get(shard);
  if (all === undefined) news.set(shard, [one]);
  else all.push(one);
}

/** What is left of news where who has asked is answered otherwise: its order is news as for everybody else. */
export function withoutAnswer(one: ExchangeNews): readonly ExchangeNews[] {
  if (one.type === "order") return [{ type: "order", order: one.order }];
  if (one.type === "reply") return one.changed ? [{ type: "order", order: one.order }] : [];
  return one.type === "answer" || one.type === "refusal" ? [] : [one];
}

interface ExchangeShardsHooks {
  /** @param takeBy in ms of the machine's clock: what is not taken up by then is not to be carried out */
  readonly request: (
    from: AttachedShard,
    request: ExchangeRequest,
    takeBy: number | undefined,
  ) => void;
  /** The shard's thread has ended, and all that it sent has been heard. */
  readonly gone: (shard: AttachedShard) => void;
}

/**
 * The shards as the exchange sees them: who asks, and who watches which wallet. What they are told goes
 * out in one message per shard.
 */
export class ExchangeShards {
  readonly #hooks: ExchangeShardsHooks;
  readonly #attached = new Set<AttachedShard>();
  readonly #watchers = new Map<string, Set<AttachedShard>>();

  constructor(hooks: ExchangeShardsHooks) {
    this.#hooks = hooks;
  }

  attach(shard: number, port: MessagePort): void {
    for (const other of this.#attached) if (other.shard === shard) this.#replace(other);
    const attached: AttachedShard = { shard, port };
    this.#attached.add(attached);
    port.on("message", (message: ShardMessage) => this.#take(attached, message));
    port.on("close", () => {
      this.#attached.delete(attached);
      for (const wallet of this.#watchers.keys()) this.unwatch(attached, wallet);
      // A successor that is there already names its connections itself.
      for (const other of this.#attached) if (other.shard === shard) return;
      this.#hooks.gone(attached);
    });
  }

  /**
   * Hears a shard that has a successor to its end, and tells it nothing more: its thread may be one
   * that does not end, and what it is told would wait there for ever.
   */
  #replace(shard: AttachedShard): void {
    const { port } = shard;
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      this.#take(shard, next.message);
    port.close();
  }

  #take(from: AttachedShard, message: ShardMessage): void {
    const { requests, takeBy = undefined } = "takeBy" in message ? message : { requests: message };
    for (const request of requests) this.#hooks.request(from, request, takeBy);
  }

  watch(shard: AttachedShard, wallet: string): void {
    if (!this.#attached.has(shard)) return;
    const watchers = this.#watchers.get(wallet) ?? new Set();
    watchers.add(shard);
    this.#watchers.set(wallet, watchers);
  }

  unwatch(shard: AttachedShard, wallet: string): void {
    const watchers = this.#watchers.get(wallet);
    if (watchers?.delete(shard) && watchers.size === 0) this.#watchers.delete(wallet);
  }

  /** The shards that watch a wallet; undefined where none does. */
  watching(wallet: string): Iterable<AttachedShard> | undefined {
    return this.#watchers.get(wallet);
  }

  /** Sends every shard its news. */
  tell(news: News): void {
    for (const [shard, all] of news) shard.port.postMessage(all satisfies ExchangeToShard);
  }

  close(): void {
    for (const { port } of this.#attached) port.close();
  }
}
