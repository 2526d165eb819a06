import type { MessagePort } from "node:worker_threads";
import { isOfSessions } from "../../exchange/request-kinds.js";
import { machineMs } from "../../shared/machine-clock.js";
import type { ExchangeNews, ShardToExchange, TimedRequests } from "../../workers/messages.js";
import {
  answersAmong,
  isSame,
  type LinkKind,
  packAnswers,
  type RequestsByShard,
  readRequests,
  type Serving,
} from "./link-entries.js";
import type { NumberedWriter } from "./numbered-writer.js";

/** The origin says something at least this often, and sooner where much was taken up. */
const HEARTBEAT_MS = 500;
const TOOK_MAX = 64;
/** Requests of a link that may be with the exchange; with more its next entry waits. */
const OUTSTANDING_MAX = 512;

interface ServedLinkOptions {
  readonly kind: LinkKind;
  readonly serving: Serving;
  /** The feed is the exchange. */
  readonly takesOrders: boolean;
  /** Of the stream of answers. */
  readonly writer: NumberedWriter;
  /** A new way to the exchange for a shard of the edge. */
  readonly openPort: (shard: number) => MessagePort;
  /** Bytes that may wait for the edge; with more the link ends. */
  readonly maxQueuedBytes: number;
  /** It cannot go on. */
  readonly broken: (reason: string) => void;
  /** The exchange has gone away. */
  readonly exchangeGone: () => void;
  /** So many answers came after its end, or were not told before it. */
  readonly dropped: (answers: number) => void;
}

/** A shard of the edge, as it is known to the exchange. */
interface ServedShard {
  readonly life: number;
  readonly port: MessagePort;
  /** Requests that the exchange has not answered. */
  outstanding: number;
}

/** News of an entry; more go with the next ones, each in a turn of its own. */
const ENTRY_NEWS_MAX = 1000;

/** What a shard was told in this turn, as entries have it. */
type Incoming = [shard: number, life: number, news: ExchangeNews[]];

/**
 * An edge's link, as its origin serves it: what the edge's shards ask goes to the exchange by a port for each, as from
 * shards of this node, and what they are told there goes back, that of a turn as one entry.
 *
 * Invariants: entries are taken up in their order, none twice and none behind one that is missing, is not understood or
 * is meant for another; an entry is taken up while fewer requests than its bound are with the exchange; after its end
 * none is, and what the exchange has not answered counts until it has.
 */
export class ServedLink {
  readonly #options: ServedLinkOptions;
  readonly #shards = new Map<number, ServedShard>();
  /** Entries that are to wait until the exchange has answered more. */
  readonly #held: Buffer[] = [];
  readonly #incoming = new Map<number, Incoming>();
  /** Numbers of the last entry that was read, and taken up, and up to where the edge knows. */
  #read = 0;
  #took = 0;
  #tookTold = 0;
  #outstanding = 0;
  #unsaidMs = 0;
  #ended = false;

  constructor(options: ServedLinkOptions) {
    this.#options = options;
    this.#say({ takesOrders: options.takesOrders });
  }

  /** Number of the last entry that was read. */
  get read(): number {
    return this.#read;
  }

  /** Whether it has entries that wait for the exchange. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get waitingBytes(): number {
    return this.#options.writer.waitingBytes;
  }

  /** An entry has come. */
  take(number: number, bytes: Buffer): void {
    if (this.#ended) return;
    if (number !== this.#read + 1) return this.#options.broken("a request is missing");
    this.#read = number;
    this.#held.push(bytes);
  }

  /** Takes up an entry that has come, if the exchange has room for it; returns whether it did. */
  takeUp(): boolean {
    if (this.#ended || this.#outstanding >= OUTSTANDING_MAX) return false;
    const bytes = this.#held.shift();
    if (bytes === undefined) return false;
    const { serving, writer, broken } = this.#options;
    let entry: ReturnType<typeof readRequests<ShardToExchange>>;
    try {
      entry = readRequests(bytes, this.#options.kind);
    } catch (error) {
      broken(`a request is not understood: ${(error as Error).message}`);
      return false;
    }
    if (!isSame(entry.to, serving)) {
      broken("a request is for another exchange");
      return false;
    }
    this.#took++;
    writer.acknowledge(entry.heard);
    this.#post(entry.requests, entry.takeBy);
    return true;
  }

  /** @param passedMs since the last time */
  look(passedMs: number): void {
    this.#unsaidMs += passedMs;
    if (this.#unsaidMs >= HEARTBEAT_MS || this.#took - this.#tookTold >= TOOK_MAX) this.#say({});
  }

  /**
   * Ends it: the edge, if it still hears, asks for another. The exchange waits for the edge's shards to come back, from
   * when it has answered what it was asked.
   * @param reason undefined where nobody hears it any more
   */
  end(reason: string | undefined): void {
    if (this.#ended) return;
    if (reason !== undefined) this.#say({ end: reason });
    this.#ended = true;
    this.#held.length = 0;
    for (const [, , news] of this.#incoming.values()) this.#options.dropped(answersAmong(news));
    this.#incoming.clear();
    for (const [shard, served] of this.#shards)
      if (served.outstanding <= 0) this.#leave(shard, served);
  }

  /** Waits for no answers any more; after its end. */
  close(): void {
    for (const [shard, served] of this.#shards) this.#leave(shard, served);
  }

  #leave(shard: number, served: ServedShard): void {
    this.#count(served, -served.outstanding);
    this.#shards.delete(shard);
    served.port.close();
  }

  /** Ends the sessions of all of the edge's connections, or has them wait; before its end. */
  leave(): void {
    for (const { port } of this.#shards.values()) port.postMessage(this.#options.kind.farewell);
  }

  #post(all: RequestsByShard, takeBy: number): void {
    for (const [shard, life, requests] of all) {
      const served = this.#shardOf(shard, life);
      if (served === undefined) continue;
      const { takesOrders } = this.#options;
      const asked = takesOrders ? requests : requests.filter(isOfSessions);
      for (const request of asked) if ("request" in request) this.#count(served, 1);
      served.port.postMessage(
        takeBy === 0 ? asked : ({ requests: asked, takeBy } satisfies TimedRequests),
      );
    }
  }

  /** Undefined for a life that another one has followed. */
  #shardOf(shard: number, life: number): ServedShard | undefined {
    const known = this.#shards.get(shard);
    if (known?.life === life) return known;
    if (known !== undefined && known.life > life) return undefined;
    const port = this.#options.openPort(shard);
    const served: ServedShard = { life, port, outstanding: 0 };
    this.#shards.set(shard, served);
    port.on("message", (news: readonly ExchangeNews[]) => this.#hear(shard, served, news));
    port.on("close", () => {
      if (this.#shards.get(shard) !== served) return;
      this.#leave(shard, served);
      if (!this.#ended) this.#options.exchangeGone();
    });
    if (known !== undefined) {
      this.#count(known, -known.outstanding);
      known.port.close();
    }
    return served;
  }

  #count(served: ServedShard, by: number): void {
    served.outstanding += by;
    this.#outstanding += by;
  }

  #hear(shard: number, served: ServedShard, news: readonly ExchangeNews[]): void {
    if (this.#shards.get(shard) !== served) return;
    const answers = answersAmong(news);
    this.#count(served, -answers);
    if (this.#ended) {
      this.#options.dropped(answers);
      if (served.outstanding <= 0) this.#leave(shard, served);
      return;
    }
    if (this.#incoming.size === 0) setImmediate(() => this.#tell());
    const incoming = this.#incoming.get(served.life);
    if (incoming === undefined) this.#incoming.set(served.life, [shard, served.life, [...news]]);
    else incoming[2].push(...news);
  }

  #tell(): void {
    if (this.#ended) return;
    // However large it is, one entry is told: the next link would have the same.
    if (this.waitingBytes > this.#options.maxQueuedBytes)
      return this.#options.broken("the edge does not take what it is told");
    this.#say({ news: this.#takeIncoming() });
    if (this.#incoming.size > 0) setImmediate(() => this.#tell());
  }

  /** As much of what is to be told as an entry has. */
  #takeIncoming(): readonly Incoming[] {
    const taken: Incoming[] = [];
    let room = ENTRY_NEWS_MAX;
    for (const [life, incoming] of this.#incoming) {
      if (room === 0) break;
      const [shard, , news] = incoming;
      const some = news.length > room ? news.splice(0, room) : news;
      if (some === news) this.#incoming.delete(life);
      taken.push([shard, life, some]);
      room -= some.length;
    }
    return taken;
  }

  #say({
    takesOrders,
    end,
    news = [],
  }: {
    readonly takesOrders?: boolean;
    readonly end?: string;
    readonly news?: readonly Incoming[];
  }): void {
    this.#unsaidMs = 0;
    this.#tookTold = this.#took;
    const { serving: of, writer } = this.#options;
    writer.add(packAnswers({ of, took: this.#took, clock: machineMs(), takesOrders, end, news }));
  }
}
