import { setTimeout as sleep } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import { type CounterSection, count, counted } from "../../counters/counters.js";
import { RELAY } from "../../counters/relay-counters.js";
import type {
  HubNews,
  HubReach,
  HubRequest,
  HubToShard,
  PublishOutcome,
  ShardToHub,
} from "../../workers/hub/messages.js";
import { EdgeLink, type EdgeLinkOptions } from "../orders/edge-link.js";
import { answersAmong, type NewsByShard } from "../orders/link-entries.js";
import { HUB_FAREWELL, HUB_LINKS } from "./hub-links.js";

/** Requests of an entry; more are another one. */
const ENTRY_REQUESTS_MAX = 512;
/** How often it is looked whether a publication's time is over, in ms. */
const LOOK_MS = 50;
/** How much longer an answer may take to come back, in ms, than the publication to be taken up. */
const ANSWER_GRACE_MS = 250;

/** How long it may take to say that the node stops, in ms, and how often that is looked at. */
const LEAVE_MS_MAX = 300;
const LEAVE_LOOK_MS = 5;

const NOT_CERTAIN = "the origin has not answered in time; it may have been published";

interface RelayedHubOptions extends Omit<EdgeLinkOptions, "seenFence"> {
  /** How long a publication may take until the origin takes it up, in ms. */
  readonly publishTimeoutMs: number;
  /** Bytes that may wait for Redis and the origin; with more nothing is published. */
  readonly maxQueuedBytes: number;
  /** The relay's. */
  readonly counters: CounterSection;
}

/** A shard of this node. */
interface HubPort {
  readonly shard: number;
  readonly port: MessagePort;
  /** Tells it from all others, of this shard on other links too; 0 without a link. */
  life: number;
  /** Publications that are not answered, in their order, and until when they may be; in ms of performance.now(). */
  readonly pending: Map<number, number>;
}

type Outgoing = [shard: number, life: number, requests: HubRequest[]];

/**
 * The hub of another node, in the place that the hub has on that one: shards attach to it, ask and are told in the same
 * way. With each link there is a hub that knows nothing of them, and between links there is none.
 *
 * Whatever becomes of link and Redis, every publication is answered: with a refusal at once where it cannot be sent, and
 * at its deadline, or with the link's end, where the answer does not come. Operators publish in the name of any shard,
 * with negative numbers.
 *
 * Invariant: a shard has a life exactly while there is a link, and hears only what it was told in that.
 */
export class RelayedHub {
  readonly #options: RelayedHubOptions;
  readonly #link: EdgeLink<ShardToHub, readonly HubNews[]>;
  readonly #shards = new Map<number, HubPort>();
  #lives = 0;
  /** By life. */
  #outgoing = new Map<number, Outgoing>();
  #requests = 0;
  #publishes = false;
  /** What operators have published, by the numbers of that. */
  readonly #asked = new Map<number, (outcome: PublishOutcome) => void>();
  #lastAsked = 0;

  constructor(options: RelayedHubOptions) {
    this.#options = options;
    const { counters } = options;
    counters[RELAY.originHubLinked] = counters[RELAY.originHubWaitingBytes] = 0;
    const seenFence = (): number => counted(counters, RELAY.fence);
    this.#link = new EdgeLink({ ...options, seenFence }, HUB_LINKS, {
      up: () => this.#up(),
      down: () => this.#down(),
      news: (news) => this.#tell(news),
    });
  }

  /** Keeps a link to the origin until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const looks = setInterval(() => this.#look(), LOOK_MS);
    await this.#link.run(signal);
    clearInterval(looks);
    for (const { port } of this.#shards.values()) port.close();
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    const before = this.#shards.get(shard);
    if (before !== undefined) {
      before.port.close();
      this.#gone(before);
    }
    const attached: HubPort = { shard, port, life: 0, pending: new Map() };
    this.#shards.set(shard, attached);
    port.on("message", (requests: ShardToHub) => this.#take(attached, requests));
    port.on("close", () => this.#gone(attached));
    if (this.#link.begun === undefined) reach(attached, "hub-away");
    else this.#enliven(attached);
  }

  /** Publishes for an operator; resolves with what came of it. */
  publish(channel: string, data: string): Promise<PublishOutcome> {
    return new Promise((resolve) => {
      const request = -++this.#lastAsked;
      this.#asked.set(request, resolve);
      const [shard] = this.#shards.values();
      const publication = { type: "publish", request, channel, data, userId: undefined } as const;
      if (shard !== undefined && shard.life > 0) this.#take(shard, [publication]);
      else this.#answer(shard, refusal(request, "the origin cannot be reached; try again"));
    });
  }

  /** Says that the node stops: its connections are gone. Resolves when that is on its way, or nobody hears it. */
  async leave(): Promise<void> {
    for (const { shard, life } of this.#shards.values())
      if (life > 0) this.#add(shard, life, HUB_FAREWELL);
    this.#flush();
    const deadline = performance.now() + LEAVE_MS_MAX;
    while (!this.#link.isConfirmed && performance.now() < deadline) await sleep(LEAVE_LOOK_MS);
  }

  #up(): void {
    this.#options.counters[RELAY.originHubLinked] = 1;
    for (const shard of this.#shards.values()) {
      this.#enliven(shard);
      reach(shard, "hub-there");
    }
  }

  #down(): void {
    this.#options.counters[RELAY.originHubLinked] = 0;
    this.#forget();
    for (const shard of this.#shards.values()) {
      shard.life = 0;
      this.#giveUp(shard, Number.POSITIVE_INFINITY);
      reach(shard, "hub-away");
    }
  }

  /** The hub is to know of a shard, whether it asks something or not. */
  #enliven(shard: HubPort): void {
    shard.life = ++this.#lives;
    this.#add(shard.shard, shard.life, []);
  }

  #gone(shard: HubPort): void {
    if (this.#shards.get(shard.shard) !== shard) return;
    this.#shards.delete(shard.shard);
    this.#giveUp(shard, Number.POSITIVE_INFINITY);
    if (shard.life > 0) this.#add(shard.shard, shard.life, HUB_FAREWELL);
  }

  #forget(): void {
    this.#outgoing = new Map();
    this.#requests = 0;
    this.#publishes = false;
  }

  // --- To the origin ------------------------------------------------------------------------------

  #take(shard: HubPort, requests: ShardToHub): void {
    const passed = requests.filter(
      (request) => request.type !== "publish" || this.#mayPublish(shard, request.request),
    );
    if (shard.life > 0) this.#add(shard.shard, shard.life, passed);
  }

  #mayPublish(shard: HubPort, request: number): boolean {
    const reason = this.#refusal();
    if (reason !== undefined) this.#answer(shard, refusal(request, `${reason}; try again`));
    else {
      const patienceMs = this.#options.publishTimeoutMs + ANSWER_GRACE_MS;
      shard.pending.set(request, performance.now() + patienceMs);
      this.#publishes = true;
    }
    return reason === undefined;
  }

  /** Why nothing can be published right now. */
  #refusal(): string | undefined {
    const { maxQueuedBytes } = this.#options;
    const { begun, reason, waitingBytes } = this.#link;
    if (begun === undefined) return reason ?? "the origin cannot be reached";
    if (reason === undefined && waitingBytes > maxQueuedBytes)
      return `${waitingBytes} bytes wait for the origin, and at most ${maxQueuedBytes} may`;
    return reason;
  }

  #add(shard: number, life: number, requests: ShardToHub): void {
    if (this.#outgoing.size === 0) setImmediate(() => this.#flush());
    const outgoing = this.#outgoing.get(life);
    if (outgoing === undefined) this.#outgoing.set(life, [shard, life, [...requests]]);
    else outgoing[2].push(...requests);
    this.#requests += requests.length;
    if (this.#requests >= ENTRY_REQUESTS_MAX) this.#flush();
  }

  #flush(): void {
    if (this.#outgoing.size === 0) return;
    const { publishTimeoutMs, maxQueuedBytes, counters } = this.#options;
    const requests = [...this.#outgoing.values()];
    const patienceMs = this.#publishes ? publishTimeoutMs : undefined;
    this.#forget();
    this.#link.send(requests, patienceMs);
    counters[RELAY.originHubWaitingBytes] = this.#link.waitingBytes;
    // Publications are refused before; of what is counted and watched nothing may be left out.
    if (this.#link.waitingBytes > 2 * maxQueuedBytes)
      this.#link.renew("too much waits for the origin");
  }

  // --- From the origin ----------------------------------------------------------------------------

  #tell(all: NewsByShard<readonly HubNews[]>): void {
    for (const [number, life, news] of all) {
      const shard = this.#shards.get(number);
      if (shard === undefined || shard.life !== life) {
        count(this.#options.counters, RELAY.answersDropped, answersAmong(news));
        continue;
      }
      const own: HubNews[] = [];
      for (const one of news) {
        if ("request" in one) shard.pending.delete(one.request);
        if (isOperators(one)) this.#answer(shard, one);
        else own.push(one);
      }
      if (own.length > 0) shard.port.postMessage(own satisfies HubToShard);
    }
  }

  #answer(shard: HubPort | undefined, news: Answer): void {
    if (!isOperators(news)) {
      shard?.port.postMessage([news] satisfies HubToShard);
      return;
    }
    const resolve = this.#asked.get(news.request);
    this.#asked.delete(news.request);
    resolve?.(news.type === "refusal" ? { refusal: news.refusal } : { seq: news.seq, ts: news.ts });
  }

  /** Answers publications whose time is over: they are published no more, though they may have been. */
  #look(): void {
    this.#options.counters[RELAY.originHubWaitingBytes] = this.#link.waitingBytes;
    const now = performance.now();
    for (const shard of this.#shards.values()) this.#giveUp(shard, now);
  }

  #giveUp(shard: HubPort, now: number): void {
    for (const [request, until] of shard.pending) {
      if (until > now) break;
      shard.pending.delete(request);
      this.#answer(shard, refusal(request, NOT_CERTAIN));
    }
  }
}

type Answer = Extract<HubNews, { type: "published" | "refusal" }>;

function isOperators(news: HubNews): news is Answer {
  return "request" in news && news.request < 0;
}

function refusal(request: number, message: string): Answer {
  return { type: "refusal", request, refusal: { code: "UNAVAILABLE", message } };
}

function reach({ port }: HubPort, type: HubReach["type"]): void {
  port.postMessage([{ type }] satisfies HubToShard);
}
