import { setTimeout as sleep } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import {
  type CounterSection,
  count,
  counted,
  countListed,
  ORDER_RESULTS,
  PRODUCER,
} from "../../counters/counters.js";
import { RELAY } from "../../counters/relay-counters.js";
import { type AttachedShard, ExchangeShards } from "../../exchange/exchange-shards.js";
import { isCommand, isOfSessions } from "../../exchange/request-kinds.js";
import type { ExchangeNews, ExchangeRequest, ExchangeToShard } from "../../workers/messages.js";
import { EdgeLink, type EdgeLinkOptions } from "./edge-link.js";
import { answersAmong, type NewsByShard } from "./link-entries.js";
import { ORDER_LINKS } from "./order-links.js";

/** Requests of an entry; more are another one. */
const ENTRY_REQUESTS_MAX = 512;
/** How often it is looked whether a command's time is over, in ms. */
const LOOK_MS = 50;
/** How much longer an answer may take to come back, in ms, than the command to be taken up. */
const ANSWER_GRACE_MS = 250;

/** How long it may take to say that the node stops, in ms, and how often that is looked at. */
const LEAVE_MS_MAX = 300;
const LEAVE_LOOK_MS = 5;

const NOT_CERTAIN =
  "the origin has not answered in time; it may have taken the order, so try again with the same client_order_id";

interface RelayedExchangeOptions extends Omit<EdgeLinkOptions, "seenFence"> {
  /** How long a command may take until the origin takes it up, in ms. */
  readonly orderTimeoutMs: number;
  /** Bytes that may wait for Redis and the origin; with more no order is taken. */
  readonly maxQueuedBytes: number;
  /** The producer's, and the relay's. */
  readonly counters: CounterSection;
  readonly relayCounters: CounterSection;
}

/** A shard of this node. */
interface RelayedShard {
  readonly port: MessagePort;
  /** On the present link, it has said which sessions it has; by the number of this, else 0. */
  life: number;
  /** Commands that are not answered, in their order, and until when they may be; in ms of performance.now(). */
  readonly pending: Map<number, number>;
}

/** What a shard has asked in this turn, as entries have it. */
type Outgoing = [shard: number, life: number, requests: ExchangeRequest[]];

/**
 * The exchange of another node, in the place that the exchange, or a feed's sessions, have on that one: shards attach
 * to it, ask and are told in the same way. What they ask in a turn is one entry of the link.
 *
 * Whatever becomes of link and Redis, every request is answered: with a refusal at once where it cannot be sent, and at
 * its deadline, or with the link's end, where the answer does not come.
 *
 * Invariant: what a shard asks is passed on behind its `attach` of the present link, and else is nobody's: the shard is
 * told, or has been, that its answer will not come.
 */
export class RelayedExchange {
  readonly #options: RelayedExchangeOptions;
  readonly #link: EdgeLink;
  readonly #shards: ExchangeShards;
  readonly #relayed = new Map<number, RelayedShard>();
  #lives = 0;
  /** By life; what a shard has asked in two lives is apart. */
  #outgoing = new Map<number, Outgoing>();
  #requests = 0;
  #hasCommands = false;

  constructor(options: RelayedExchangeOptions) {
    this.#options = options;
    options.relayCounters[RELAY.originLinked] = options.relayCounters[RELAY.originWaitingBytes] = 0;
    const seenFence = (): number => counted(options.relayCounters, RELAY.fence);
    this.#link = new EdgeLink({ ...options, seenFence }, ORDER_LINKS, {
      up: () => this.#up(),
      down: (reason) => this.#down(reason),
      news: (news) => this.#tell(news),
    });
    this.#shards = new ExchangeShards({
      request: (from, request) => this.#take(from, request),
      gone: (from) => {
        this.#take(from, { type: "attach", sessions: [] });
        this.#relayed.delete(from.shard);
      },
    });
  }

  /** Keeps a link to the origin until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const looks = setInterval(() => this.#look(), LOOK_MS);
    await this.#link.run(signal);
    clearInterval(looks);
    this.#shards.close();
  }

  /** Takes a shard's requests from now on. */
  attach(shard: number, port: MessagePort): void {
    // Before the one that it succeeds, whose last requests are heard now, is forgotten.
    this.#shards.attach(shard, port);
    const relayed = { port, life: 0, pending: new Map<number, number>() };
    this.#relayed.set(shard, relayed);
    this.#post(relayed, this.#state());
  }

  /**
   * Says that the node stops: its connections are gone. Resolves when that is on its way, or there is nobody to say it
   * to.
   */
  async leave(): Promise<void> {
    if (this.#link.begun === undefined) return;
    for (const [shard, { life }] of this.#relayed)
      if (life > 0) this.#add(shard, life, { type: "attach", sessions: [] });
    this.#flush();
    const deadline = performance.now() + LEAVE_MS_MAX;
    while (!this.#link.isConfirmed && performance.now() < deadline) await sleep(LEAVE_LOOK_MS);
  }

  /** What a shard has to know of the link. */
  #state(): ExchangeNews {
    const { begun, reason = "the origin cannot be reached" } = this.#link;
    return begun === undefined
      ? { type: "unreachable", reason }
      : { type: "reachable", takesOrders: begun.takesOrders };
  }

  #up(): void {
    this.#options.relayCounters[RELAY.originLinked] = 1;
    for (const shard of this.#relayed.values()) this.#post(shard, this.#state());
  }

  #down(reason: string): void {
    this.#options.relayCounters[RELAY.originLinked] = 0;
    this.#forget();
    for (const shard of this.#relayed.values()) {
      shard.life = 0;
      // The shard itself answers them.
      shard.pending.clear();
      this.#post(shard, { type: "unreachable", reason });
    }
  }

  #forget(): void {
    this.#outgoing = new Map();
    this.#requests = 0;
    this.#hasCommands = false;
  }

  #post({ port }: RelayedShard, ...news: readonly ExchangeNews[]): void {
    port.postMessage(news satisfies ExchangeToShard);
  }

  // --- To the origin ------------------------------------------------------------------------------

  #take(from: AttachedShard, request: ExchangeRequest): void {
    const shard = this.#relayed.get(from.shard);
    const { begun } = this.#link;
    if (shard === undefined || shard.port !== from.port || begun === undefined) return;
    if (request.type === "attach") {
      shard.life = ++this.#lives;
      shard.pending.clear();
    } else if (shard.life === 0) return;
    if (isCommand(request)) {
      const reason = this.#refusal(begun.takesOrders);
      if (reason !== undefined) return this.#refuse(shard, request.request, `${reason}; try again`);
      const until = performance.now() + this.#options.orderTimeoutMs + ANSWER_GRACE_MS;
      shard.pending.set(request.request, until);
      this.#hasCommands = true;
      // What an origin without an exchange cannot answer, it is not asked.
    } else if (!begun.takesOrders && !isOfSessions(request)) return;
    this.#add(from.shard, shard.life, request);
  }

  #add(shard: number, life: number, request: ExchangeRequest): void {
    if (this.#requests++ === 0) setImmediate(() => this.#flush());
    const outgoing = this.#outgoing.get(life);
    if (outgoing === undefined) this.#outgoing.set(life, [shard, life, [request]]);
    else outgoing[2].push(request);
    if (this.#requests === ENTRY_REQUESTS_MAX) this.#flush();
  }

  /** Why no command can be passed on right now. */
  #refusal(takesOrders: boolean): string | undefined {
    if (!takesOrders) return "the origin takes no orders";
    const { maxQueuedBytes } = this.#options;
    const { reason, waitingBytes } = this.#link;
    if (reason === undefined && waitingBytes > maxQueuedBytes)
      return `${waitingBytes} bytes wait for the origin, and at most ${maxQueuedBytes} may`;
    return reason;
  }

  #refuse(shard: RelayedShard, request: number, message: string): void {
    const { counters } = this.#options;
    countListed(counters, PRODUCER.ordersByResult, ORDER_RESULTS, "unavailable");
    this.#post(shard, { type: "refusal", request, refusal: { code: "UNAVAILABLE", message } });
  }

  #flush(): void {
    if (this.#requests === 0) return;
    const { orderTimeoutMs, maxQueuedBytes, relayCounters } = this.#options;
    const requests = [...this.#outgoing.values()];
    const patienceMs = this.#hasCommands ? orderTimeoutMs : undefined;
    this.#forget();
    this.#link.send(requests, patienceMs);
    relayCounters[RELAY.originWaitingBytes] = this.#link.waitingBytes;
    // Commands are refused before; of connections and what they watch nothing may be left out.
    if (this.#link.waitingBytes > 2 * maxQueuedBytes)
      this.#link.renew("too much waits for the origin");
  }

  // --- From the origin ----------------------------------------------------------------------------

  #tell(all: NewsByShard): void {
    for (const [number, life, news] of all) {
      const shard = this.#relayed.get(number);
      if (shard === undefined || shard.life !== life) {
        count(this.#options.relayCounters, RELAY.answersDropped, answersAmong(news));
        continue;
      }
      if (shard.pending.size > 0)
        for (const one of news) if ("request" in one) shard.pending.delete(one.request);
      this.#post(shard, ...news);
    }
  }

  /** Answers commands whose time is over: they are taken up no more, though they may have been. */
  #look(): void {
    this.#options.relayCounters[RELAY.originWaitingBytes] = this.#link.waitingBytes;
    const now = performance.now();
    for (const shard of this.#relayed.values()) {
      for (const [request, until] of shard.pending) {
        if (until > now) break;
        shard.pending.delete(request);
        this.#refuse(shard, request, NOT_CERTAIN);
      }
    }
  }
}
